using VmScope.Machine;
using VmScope.Paging;
using VmScope.Tests.Support;
using VmScope.Vmalloc;

namespace VmScope.Tests.Machine;

/// <summary>
/// Goal: set_memory_ro and its relatives change the pages asked for, their aliases in the direct map, and nothing else;
/// large pages are split only where they must be. Method: rights are tried out with reads, writes and fetches; every
/// eleventh page of the direct map must translate to what it did before.
/// </summary>
public class PageAttributeTests
{
    public static TheoryData<string> Names() => [.. Machines.Names.Where(name => !name.EndsWith(" 2.4.22", StringComparison.Ordinal)
        && !name.EndsWith(" 2.6.11", StringComparison.Ordinal) && !name.EndsWith(" 2.6.18", StringComparison.Ordinal) && !name.EndsWith(" 2.6.24", StringComparison.Ordinal))];

    [Theory, MemberData(nameof(Names))]
    public void A_read_only_page_is_read_only_under_both_addresses_and_its_neighbours_are_not(string name)
    {
        BootedMachine machine = Machines.Boot(name, 256 * Size.MiB, cpus: 2);
        VirtualAddress area = machine.Allocate(new VmallocCall(3 * 4096, "x")).Address!.Value;
        VirtualAddress second = new(area.Value + 4096);
        VirtualAddress alias = machine.DirectAddress(machine.Walk(second).Translation!.Value.Of(second) is var at ? new PageFrameNumber(at.Value >> 12) : default)!.Value;
        Assert.True(machine.Write(second, "before"u8.ToArray(), 1).Succeeded);
        List<(ulong, ulong)> direct = DirectMap(machine);

        OperationReport report = machine.SetMemory(PageRight.ReadOnly, second, 1);
        Assert.True(report.Succeeded, report.Summary);
        Assert.True(machine.Write(area, [1]).Succeeded);
        Assert.True(machine.Write(new VirtualAddress(area.Value + 8192), [1]).Succeeded);
        foreach (VirtualAddress address in new[] { second, alias })
        {
            Assert.NotNull(machine.Write(address, [1], cpu: 1).Fault);
            Assert.Equal("before"u8.ToArray(), machine.Read(address, 6, cpu: 1).Bytes);
        }

        Assert.True(machine.Write(new VirtualAddress(alias.Value ^ 4096), [1]).Succeeded);
        Assert.Equal(direct, DirectMap(machine));
        Assert.Contains(report.Log.Flushes, flush => flush.Scope == FlushScope.All);

        Assert.True(machine.SetMemory(PageRight.Writable, second, 1).Succeeded);
        Assert.True(machine.Write(second, [1], cpu: 1).Succeeded);
        Assert.True(machine.Write(alias, [1], cpu: 1).Succeeded);
        machine.CheckInvariants();
    }

    [Theory]
    [InlineData("i386 5.10")]
    [InlineData("pae 6.1")]
    [InlineData("x86-64 6.1")]
    [InlineData("x86-64-5level 6.12")]
    public void A_large_page_is_split_only_where_a_part_of_it_changes(string name)
    {
        BootedMachine machine = Machines.Boot(name, 256 * Size.MiB);
        ulong large = machine.Tables.Geometry.Levels[^2].SpanBytes;
        VirtualAddress whole = new(machine.Layout.PageOffset.Value + (16 * large));
        int shift = machine.Walk(whole).Translation!.Value.PageShift;
        Assert.Equal(large, 1UL << shift);

        int tables = Tables(machine);
        Assert.True(machine.SetMemory(PageRight.ReadOnly, whole, (int)(large / 4096)).Succeeded);
        Assert.Equal((tables, shift), (Tables(machine), machine.Walk(whole).Translation!.Value.PageShift));
        Assert.NotNull(machine.Write(whole, [1]).Fault);

        // Setting what is set already splits nothing either.
        Assert.True(machine.SetMemory(PageRight.ReadOnly, new VirtualAddress(whole.Value + 4096), 1).Succeeded);
        Assert.Equal(tables, Tables(machine));

        OperationReport part = machine.SetMemory(PageRight.Writable, new VirtualAddress(whole.Value + 4096), 2);
        Assert.Equal((tables + 1, 12), (Tables(machine), machine.Walk(whole).Translation!.Value.PageShift));
        Assert.Contains(part.Log.Steps, step => step.Contains("is split", StringComparison.Ordinal));
        Assert.NotNull(machine.Write(whole, [1]).Fault);
        Assert.True(machine.Write(new VirtualAddress(whole.Value + 4096), new byte[8192]).Succeeded);
        Assert.NotNull(machine.Write(new VirtualAddress(whole.Value + 12288), [1]).Fault);
        machine.CheckInvariants();
    }

    [Fact]
    public void Execution_is_allowed_and_forbidden_without_touching_the_direct_map()
    {
        BootedMachine machine = Machines.Boot("x86-64 6.1", 256 * Size.MiB);
        VirtualAddress area = machine.Allocate(new VmallocCall(4096, "x")).Address!.Value;
        Assert.NotNull(machine.Execute(area).Fault);
        int tables = Tables(machine);
        OperationReport report = machine.SetMemory(PageRight.Executable, area, 1);
        Assert.Null(machine.Execute(area).Fault);
        Assert.Equal(tables, Tables(machine));
        Assert.Equal(FlushScope.Page, Assert.Single(report.Log.Flushes, flush => flush.Why.Contains("rights", StringComparison.Ordinal)).Scope);
        Assert.True(machine.SetMemory(PageRight.NotExecutable, area, 1).Succeeded);
        Assert.NotNull(machine.Execute(area).Fault);
    }

    /// <summary>Since modules are freed with VM_FLUSH_RESET_PERMS, their pages are writable in the direct map afterwards.</summary>
    [Theory]
    [InlineData("x86-64 4.19", false)]
    [InlineData("x86-64 6.1", true)]
    public void A_freed_modules_pages_are_as_usual_again_where_the_kernel_sees_to_it(string name, bool resets)
    {
        BootedMachine machine = Machines.Boot(name, 256 * Size.MiB);
        VirtualAddress module = machine.AllocateModule(8192, "m").Address!.Value;
        VirtualAddress alias = machine.DirectAddress(new PageFrameNumber(machine.Walk(module).Translation!.Value.Of(module).Value >> 12))!.Value;
        Assert.True(machine.SetMemory(PageRight.ReadOnly, module, 2).Succeeded);
        Assert.True(machine.Vfree(module).Succeeded);
        Assert.Equal(resets, machine.Write(alias, [1]).Fault is null);
        machine.CheckInvariants();
    }

    /// <summary>Every process of a 32-bit kernel has the directory in copy; all of them see the split.</summary>
    [Fact]
    public void A_split_reaches_every_process()
    {
        BootedMachine machine = Machines.Boot("i386 2.6.32", 256 * Size.MiB);
        machine.CreateProcess("init");
        machine.RunProcess("init");
        VirtualAddress page = new(machine.Layout.PageOffset.Value + (64 * Size.MiB));
        Assert.True(machine.SetMemory(PageRight.ReadOnly, page, 1).Succeeded);
        Assert.NotNull(machine.Write(page, [1]).Fault);
        Assert.True(machine.Write(new VirtualAddress(page.Value + 4096), [1]).Succeeded);
    }

    [Theory]
    [InlineData("x86-64 2.6.18", 0UL, "this kernel has no such function")]
    [InlineData("x86-64 6.1", 0UL, "CPA: called for zero pte")]
    [InlineData("x86-64 6.1", 5UL, "no run of whole kernel pages")]
    public void What_cannot_be_changed_is_refused(string name, ulong offset, string reason)
    {
        BootedMachine machine = Machines.Boot(name, 256 * Size.MiB);
        OperationReport report = machine.SetMemory(PageRight.ReadOnly, new VirtualAddress(machine.Layout.Vmalloc.Start.Value + offset), 1);
        Assert.False(report.Succeeded);
        Assert.Contains(reason, report.Summary, StringComparison.Ordinal);
    }

    private static int Tables(BootedMachine machine) => machine.Tables.Walker.Tables(machine.Tables.Root).Count();

    private static List<(ulong, ulong)> DirectMap(BootedMachine machine)
    {
        List<(ulong, ulong)> found = [];
        for (ulong at = machine.Layout.PageOffset.Value; at < machine.Layout.PageOffset.Value + (256 * Size.MiB); at += 11 * 4096)
        {
            if (machine.Tables.Walker.Translate(machine.Tables.Root, new VirtualAddress(at), out Translation translation) == WalkEnd.Mapped)
            {
                found.Add((at, translation.Of(new VirtualAddress(at)).Value));
            }
        }

        return found;
    }
}
