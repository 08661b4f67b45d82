using VmScope.Kernels;
using VmScope.Layout;
using VmScope.Physical;

namespace VmScope.Tests.Layout;

/// <summary>Goal: boot options change the firmware's map as the kernel's own code does. Method: small maps, one option each.</summary>
public class X86MemoryTests
{
    private const ulong MiB = Size.MiB;

    [Theory]
    [InlineData("", 0x40000)]
    [InlineData("mem=128M", 0x8000)]
    [InlineData("mem=4G", 0x40000)]
    [InlineData("mem=0", 0x40000)]
    [InlineData("mem=nopentium", 0x40000)]
    [InlineData("mem=128M mem=64M", 0x4000)]
    [InlineData("memmap=256M", 0x10000)]
    [InlineData("memmap=64M$960M", 0x3c000)]
    [InlineData("memmap=64M$0x3c000000", 0x3c000)]
    [InlineData("memmap=64M#960M", 0x3c000)]
    [InlineData("memmap=64M!960M", 0x3c000)]
    [InlineData("memmap=64M%960M-1+2", 0x3c000)]
    [InlineData("memmap=64M%960M-1", 0x3c000)]
    [InlineData("memmap=64M%960M", 0x3c000)]
    [InlineData("memmap=64M%960M-2+5", 0x40000)]
    [InlineData("memmap=64M%1G+1", 0x44000)]
    [InlineData("memmap=64M$1G memmap=32M%1G-2+1", 0x42000)]
    [InlineData("memmap=64M%960M-1x", 0x40000)]
    [InlineData("memmap=64M@1G", 0x44000)]
    [InlineData("memmap=64M@1G,64M@2G", 0x84000)]
    [InlineData("memmap=exactmap memmap=640K@0 memmap=127M@1M", 0x8000)]
    [InlineData("memmap=nonsense", 0x40000)]
    public void The_last_frame_of_ram(string options, ulong frames) =>
        Assert.Equal(frames, Memory(options).EndFrame(1UL << 24, persistentCounts: false));

    [Fact]
    public void Adding_ram_over_a_reservation_does_not_free_it()
    {
        X86Memory memory = Memory("memmap=64M$512M memmap=64M@512M");
        Assert.DoesNotContain(memory.Ram(), run => run.Start < 0x24000 && run.End > 0x20000);
    }

    [Fact]
    public void Only_whole_pages_count_and_page_0_is_taken_away()
    {
        List<FrameRun> ram = Memory("").Ram();
        Assert.Equal([new FrameRun(1, 0x9f), new FrameRun(0x100, 0x40000)], ram);
    }

    [Theory]
    [InlineData("HIGHMEM64G=y", 0x140000)]
    [InlineData("HIGHMEM=y X86_PAE=n", 0xc0000)]
    [InlineData("HIGHMEM4G=y X86_PAE=y", 0x100000)]
    public void Ram_above_4_GiB_needs_HIGHMEM64G(string config, ulong maxPfn)
    {
        LayoutInputs inputs = Predict.Inputs(Architecture.I386, "6.1", 0, config) with
        {
            RamBytes = null,
            Memory = new MemoryMap(
            [
                new(new PhysicalRange(new PhysicalAddress(0), 3 * Size.GiB), MemoryKind.Usable),
                new(new PhysicalRange(new PhysicalAddress(4 * Size.GiB), Size.GiB), MemoryKind.Usable),
            ]),
        };
        KernelLayout layout = Assert.IsType<LayoutAnswer.Predicted>(LayoutPredictor.Predict(inputs)).Layout;
        // Without PAE the map is not read beyond 4 GiB at all; with PAE alone it is, and then cut there.
        Assert.Equal(maxPfn, layout.ValueOf("max-pfn"));
    }

    private static X86Memory Memory(string options)
    {
        LayoutInputs inputs = Predict.Inputs(Architecture.I386, "6.1", 0, commandLine: options) with
        {
            RamBytes = null,
            Memory = new MemoryMap(
            [
                new(new PhysicalRange(new PhysicalAddress(0), 0x9fc00), MemoryKind.Usable),
                new(new PhysicalRange(new PhysicalAddress(0x9fc00), 0x400), MemoryKind.Reserved),
                new(new PhysicalRange(new PhysicalAddress(1 * MiB), 1023 * MiB), MemoryKind.Usable),
            ]),
        };
        return X86Memory.Read(inputs, FirstFrameRule.FirstRamWithoutPageZero);
    }
}
