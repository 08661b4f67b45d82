using System.Collections.Immutable;

namespace VmScope.Physical;

/// <summary>One line of /proc/buddyinfo: the free blocks of one zone by order.</summary>
/// <param name="Node">NUMA node.</param>
/// <param name="Zone">Zone name: DMA, DMA32, Normal, HighMem, Movable, Device.</param>
/// <param name="FreeBlocks">Free blocks of 2^i pages at index i.</param>
public sealed record BuddyinfoZone(int Node, string Zone, ImmutableArray<ulong> FreeBlocks)
{
    /// <summary>Free pages of the zone: each block of order i counts 2^i.</summary>
    /// <exception cref="OverflowException">The counts are not those of a real machine.</exception>
    public ulong FreePages
    {
        get
        {
            ulong pages = 0;
            for (int order = 0; order < FreeBlocks.Length; order++)
            {
                pages = checked(pages + (FreeBlocks[order] * (1UL << order)));
            }

            return pages;
        }
    }
}

/// <summary>What /proc/buddyinfo says, in its order.</summary>
/// <param name="Zones">One row for each populated zone.</param>
/// <remarks>Source: mm/vmstat.c, frag_show_print(); mm/page_alloc.c before 2.6.21.</remarks>
public sealed record BuddyinfoReport(ImmutableArray<BuddyinfoZone> Zones);
