using VmScope.Machine;
using VmScope.Paging;
using VmScope.Physical;
using VmScope.Vmalloc;

namespace VmScope.Tests.Machine;

/// <summary>
/// Goal: on every era and paging mode, whatever the order of operations, every mapped byte reads back, guard pages
/// fault, no frame or address is owned twice, and everything returns. Method: seeded operations; a dictionary of pages
/// says what must be read.
/// </summary>
public class MachinePropertyTests
{
    public static TheoryData<string> Machines() => [.. Support.Machines.Names];

    [Theory, MemberData(nameof(Machines))]
    public void A_dictionary_of_pages_agrees_with_every_read(string name)
    {
        BootedMachine machine = Support.Machines.Boot(name, (name.StartsWith("x86", StringComparison.Ordinal) ? 256UL : 1200UL) * Size.MiB, cpus: 2);
        Run(machine, new Random(name.Length + name[^1]));
    }

    /// <summary>The same on machines of two to four nodes; every frame lies on the node its zone belongs to.</summary>
    [Theory]
    [InlineData("x86-64 2.6.32", 2)]
    [InlineData("x86-64 4.19", 2)]
    [InlineData("x86-64 5.15", 4)]
    [InlineData("x86-64 6.12", 3)]
    [InlineData("x86-64-5level 6.12", 2)]
    public void The_same_holds_on_machines_of_several_nodes(string name, int nodes)
    {
        BootedMachine machine = ((BootOutcome.Booted)BootedMachine.Boot(
            Support.Machines.Describe(name, 512 * Size.MiB, cpus: 2).WithNodes(nodes))).Machine;
        Run(machine, new Random(nodes + name[^1]));
        foreach (VmallocArea area in machine.Vmalloc.Areas)
        {
            Assert.All(area.Frames, frame => Assert.Equal(frame / (int)(512 * Size.MiB / (ulong)nodes >> 12), machine.Pages.NodeOf(new PageFrameNumber((ulong)frame))));
        }
    }

    private static void Run(BootedMachine machine, Random random)
    {
        machine.CheckInvariants();
        ulong freeAtStart = machine.Pages.FreePages;
        int tablesAtStart = machine.Tables.Walker.Tables(machine.Tables.Root).Count();
        Dictionary<ulong, byte[]> pages = [];
        List<(VirtualAddress At, int Pages)> areas = [];
        List<(PageFrameNumber Frame, byte Mark)> highPages = [];
        for (int step = 0; step < 300; step++)
        {
            int cpu = random.Next(2);
            switch (random.Next(9))
            {
                case 0 or 1:
                    int count = random.Next(1, 12);
                    OperationReport got = machine.Allocate(new VmallocCall((ulong)((count - 1) * 4096) + (ulong)random.Next(1, 4097), "test+0x1/0x2")
                    {
                        Cpu = cpu,
                        Variant = (VmallocVariant)random.Next(4),
                    });
                    Assert.True(got.Succeeded, got.Summary);
                    areas.Add((got.Address!.Value, count));
                    for (int i = 0; i < count; i++)
                    {
                        byte[] content = new byte[4096];
                        random.NextBytes(content);
                        VirtualAddress at = new(got.Address.Value.Value + ((ulong)i * 4096));
                        Assert.True(machine.Write(at, content, cpu).Succeeded);
                        pages.Add(at.Value, content);
                    }

                    break;
                case 2 when areas.Count > 0:
                    int index = random.Next(areas.Count);
                    (VirtualAddress start, int size) = areas[index];
                    areas.RemoveAt(index);
                    Assert.True(machine.Vfree(start, cpu).Succeeded);
                    for (int i = 0; i < size; i++)
                    {
                        pages.Remove(start.Value + ((ulong)i * 4096));
                    }

                    break;
                case 3 when areas.Count > 0:
                    // The guard page: a CPU that never saw it faults, and says whose it is.
                    (VirtualAddress first, int many) = areas[random.Next(areas.Count)];
                    OperationReport guard = machine.Read(new VirtualAddress(first.Value + ((ulong)many * 4096)), 1, cpu);
                    Assert.False(guard.Succeeded);
                    Assert.Equal(FaultKind.NotPresent, guard.Fault!.Kind);
                    Assert.Contains("guard page behind the area of test", guard.Summary, StringComparison.Ordinal);
                    break;
                case 4 or 5 when areas.Count > 0:
                    // Reads that cross pages.
                    (VirtualAddress from, int length) = areas[random.Next(areas.Count)];
                    int offset = random.Next((length * 4096) - 1);
                    int bytes = random.Next(1, (length * 4096) - offset + 1);
                    byte[] read = machine.Read(new VirtualAddress(from.Value + (ulong)offset), bytes, cpu).Bytes!;
                    for (int i = 0; i < bytes; i++)
                    {
                        ulong at = from.Value + (ulong)(offset + i);
                        Assert.Equal(pages[at & ~0xfffUL][(int)(at & 0xfff)], read[i]);
                    }

                    break;
                case 6:
                    OperationReport page = machine.AllocatePages(new PageRequest(0, ZoneKind.HighMem, Cpu: cpu));
                    OperationReport mapped = machine.Kmap(page.Frame!.Value);
                    byte mark = (byte)random.Next(256);
                    Assert.True(machine.Write(mapped.Address!.Value, [mark], cpu).Succeeded);
                    Assert.True(machine.Kunmap(page.Frame.Value).Succeeded);
                    highPages.Add((page.Frame.Value, mark));
                    break;
                case 7 when highPages.Count > 0:
                    (PageFrameNumber frame, byte expected) = highPages[^1];
                    OperationReport again = machine.Kmap(frame);
                    Assert.Equal(expected, machine.Read(again.Address!.Value, 1, cpu).Bytes![0]);
                    machine.Kunmap(frame);
                    highPages.RemoveAt(highPages.Count - 1);
                    Assert.True(machine.FreePages(frame, 0, cpu).Succeeded);
                    break;
                case 8:
                    OperationReport device = machine.Ioremap(new PhysicalAddress(0xfee00000 + (ulong)random.Next(4096)), (ulong)random.Next(1, 9000), "driver+0x1/0x2", cpu);
                    Assert.True(device.Succeeded, device.Summary);
                    Assert.True(machine.Write(device.Address!.Value, [0xab], cpu).Succeeded);
                    Assert.Equal(0xab, machine.Read(device.Address.Value, 1, cpu).Bytes![0]);
                    Assert.True(machine.Iounmap(device.Address.Value, cpu).Succeeded);
                    break;
            }

            if (step % 50 == 0)
            {
                machine.CheckInvariants();
                if (random.Next(2) == 0)
                {
                    machine.UnmapAliases();
                }
            }
        }

        foreach ((VirtualAddress at, int _) in areas)
        {
            machine.Vfree(at);
        }

        foreach ((PageFrameNumber frame, byte _) in highPages)
        {
            machine.FreePages(frame, 0);
        }

        machine.UnmapAliases();
        machine.CheckInvariants();
        Assert.Empty(machine.Vmalloc.Areas);
        Assert.Equal(0UL, machine.Vmalloc.OwnedPages);
        // Page tables of the kernel's half are never given back; everything else is.
        int tablesMade = machine.Tables.Walker.Tables(machine.Tables.Root).Count() - tablesAtStart;
        Assert.Equal(freeAtStart, machine.Pages.FreePages + (ulong)tablesMade);
    }
}
