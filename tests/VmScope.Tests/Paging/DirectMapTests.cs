using VmScope.Kernels;
using VmScope.Machine;
using VmScope.Paging;
using VmScope.Physical;
using VmScope.Tests.Support;

namespace VmScope.Tests.Paging;

/// <summary>
/// Goal: the direct map is cut into pages as each era cuts it. Method: cuts worked out by hand from the rules, some of
/// them visible in recorded page tables (i386 6.1 with 64 MiB, x86-64 6.1 with 6 GiB and 1 GiB pages).
/// </summary>
public class DirectMapTests
{
    private const ulong M = Size.MiB;
    private const ulong G = Size.GiB;

    [Fact]
    public void Old_kernels_use_whole_slots_even_past_the_end() => Assert.Equal(
        [new DirectMapPiece(0, 132 * M, 22)],
        Pieces(DirectMapRule.WholeSlots, [(0, 129 * M)], 129 * M, 22, huge: null, firstSlotSmall: true));

    [Fact]
    public void Without_large_pages_everything_is_small() => Assert.Equal(
        [new DirectMapPiece(0, 129 * M, 12)],
        Pieces(DirectMapRule.WholeSlots, [(0, 129 * M)], 129 * M, large: null, huge: null, firstSlotSmall: true));

    /// <summary>Recorded: c0000000-c03fffff pte, c0400000-c3bfffff pmd, c3c00000-c3fdffff pte.</summary>
    [Fact]
    public void Small_pages_at_both_ends_of_64_MiB_as_recorded() => Assert.Equal(
        [(0UL, 4 * M, 12), (4 * M, 60 * M, 22), (60 * M, 64 * M - (128 << 10), 12)],
        Merged(DirectMapRule.SplitRangesTopDown, [(0, 64 * M - (128 << 10))], 64 * M - (128 << 10), 22, huge: null, firstSlotSmall: true));

    /// <summary>Recorded with PAE: c0000000-c01fffff pte, c0200000-c3dfffff pmd, c3e00000-c3fdffff pte.</summary>
    [Fact]
    public void The_same_with_PAE_as_recorded() => Assert.Equal(
        [(0UL, 2 * M, 12), (2 * M, 62 * M, 21), (62 * M, 64 * M - (128 << 10), 12)],
        Merged(DirectMapRule.SplitRangesTopDown, [(0, 64 * M - (128 << 10))], 64 * M - (128 << 10), 21, huge: null, firstSlotSmall: true));

    /// <summary>
    /// Recorded with 6 GiB and 1 GiB pages: 0 to 2 MiB small, a huge page at 5 GiB, large pages where a hole begins
    /// inside a GiB. (The recorded boot split its other huge pages later, where text and programs became read-only.)
    /// </summary>
    [Fact]
    public void Huge_pages_appear_where_a_whole_GiB_is_RAM_as_recorded()
    {
        MachineDescription plain = Machines.Describe("x86-64 6.1", 0);
        MachineDescription description = plain with
        {
            Kernel = plain.Kernel with { Cpu = plain.Kernel.Cpu with { Flags = ["pse", "pge", "pae", "nx", "pdpe1gb"] } },
            Memory = new MemoryMap(
            [
                new(PhysicalRange.FromBounds(new(0), new(0x9fc00)), MemoryKind.Usable),
                new(PhysicalRange.FromBounds(new(M), new((3 * G) - (128 << 10))), MemoryKind.Usable),
                new(PhysicalRange.FromBounds(new(4 * G), new(7 * G)), MemoryKind.Usable),
            ]),
        };
        BootedMachine machine = ((BootOutcome.Booted)BootedMachine.Boot(description)).Machine;
        int ShiftAt(ulong physical) => machine.Walk(new VirtualAddress(machine.Layout.PageOffset.Value + physical)).Translation!.Value.PageShift;
        Assert.Equal([12, 12, 21, 30, 21, 21, 12, 30, 30, 30, 30],
            new ulong[] { 0, M, 2 * M, G, 2 * G, (3 * G) - (4 * M), (3 * G) - (256 << 10), 4 * G, 5 * G, 6 * G, (7 * G) - (2 * M) }.Select(ShiftAt));
        Assert.Equal(WalkEnd.NotPresent, machine.Walk(new VirtualAddress(machine.Layout.PageOffset.Value + (3 * G))).End);
        machine.CheckInvariants();
    }

    [Theory]
    [InlineData(DirectMapRule.SplitRanges)]
    [InlineData(DirectMapRule.SplitRangesTopDown)]
    public void Every_byte_of_RAM_is_mapped_once(DirectMapRule rule)
    {
        Random random = new(7);
        for (int round = 0; round < 200; round++)
        {
            List<(ulong Start, ulong End)> ram = [(0, 0x9f000)];
            ulong at = M;
            for (int i = 0; i < 3; i++)
            {
                at += (ulong)random.Next(1, 5000) << 20 >> random.Next(9) & ~0xfffUL;
                ulong end = at + ((ulong)random.Next(1, 1 << 20) << 12);
                ram.Add((at, end));
                at = end + 4096;
            }

            List<DirectMapPiece> pieces = [.. Pieces(rule, ram, ram[^1].End, 21, random.Next(2) == 0 ? 30 : null, firstSlotSmall: false).OrderBy(piece => piece.Start)];
            foreach (DirectMapPiece piece in pieces)
            {
                Assert.Equal(0UL, piece.Start & ((1UL << piece.PageShift) - 1));
                Assert.Equal(0UL, piece.EndExclusive & ((1UL << piece.PageShift) - 1));
            }

            foreach ((ulong start, ulong end) in ram)
            {
                foreach (ulong probe in new[] { start, (start + end) / 2 & ~0xfffUL, end - 4096 })
                {
                    Assert.Contains(pieces, piece => piece.Start <= probe && probe < piece.EndExclusive);
                }
            }
        }
    }

    private static IEnumerable<DirectMapPiece> Pieces(DirectMapRule rule, List<(ulong Start, ulong End)> ram, ulong end, int? large, int? huge, bool firstSlotSmall) =>
        DirectMap.Pieces(rule, ram, end, large, huge, firstSlotSmall);

    private static List<(ulong Start, ulong End, int Shift)> Merged(DirectMapRule rule, List<(ulong Start, ulong End)> ram, ulong end, int? large, int? huge, bool firstSlotSmall)
    {
        List<(ulong Start, ulong End, int Shift)> merged = [];
        foreach (DirectMapPiece piece in Pieces(rule, ram, end, large, huge, firstSlotSmall).OrderBy(piece => piece.Start))
        {
            if (merged.Count > 0 && merged[^1].End >= piece.Start && merged[^1].Shift == piece.PageShift)
            {
                merged[^1] = merged[^1] with { End = piece.EndExclusive };
            }
            else
            {
                merged.Add((piece.Start, piece.EndExclusive, piece.PageShift));
            }
        }

        return merged;
    }
}
