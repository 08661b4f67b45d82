namespace VmScope.Vmalloc;

/// <summary>One group of units of a per-CPU chunk: where it lies in the chunk and how long it is.</summary>
/// <param name="OffsetBytes">Distance from the chunk's base.</param>
/// <param name="SizeBytes">Length; without a guard page.</param>
public readonly record struct PercpuGroup(ulong OffsetBytes, ulong SizeBytes);

/// <summary>Finds the place of a per-CPU chunk: the highest base at which every group lies in a hole.</summary>
/// <remarks>
/// The base only ever goes down: a group that does not fit lowers it to the next hole, and the search is over when a
/// whole round of groups, taken from the last one backwards, asked for no change.
/// Source: mm/vmalloc.c, pcpu_get_vm_areas(), pvm_determine_end_from_reverse(), 5.4 to 7.1; from 2.6.32 to 5.1 the walk
/// goes over busy areas instead and ends at the same base.
/// </remarks>
internal static class TopDownPlacement
{
    /// <param name="placer">The holes.</param>
    /// <param name="groups">In index order; at least one.</param>
    /// <param name="alignBytes">The percpu atom: 2 MiB on x86-64, a page on i386.</param>
    /// <param name="windowStart">VMALLOC_START.</param>
    /// <param name="windowEnd">VMALLOC_END as the kernel has it, which may be the last byte inside.</param>
    /// <param name="baseAddress">Where the chunk begins.</param>
    internal static bool TryFind(
        IAreaPlacer placer,
        ReadOnlySpan<PercpuGroup> groups,
        ulong alignBytes,
        ulong windowStart,
        ulong windowEnd,
        out ulong baseAddress)
    {
        ulong floor = Align.Up(windowStart, alignBytes);
        ulong ceiling = Align.Down(windowEnd, alignBytes);
        int last = LastGroup(groups);
        int current = last;
        int settledAt = last;
        baseAddress = 0;
        bool have = placer.TryHoleAtOrBelow(ceiling, out FreeBlock hole)
            && TryBaseFor(placer, groups[current], alignBytes, ceiling, ref hole, out baseAddress);
        while (have && baseAddress >= floor)
        {
            PercpuGroup group = groups[current];
            ulong start = baseAddress + group.OffsetBytes;
            if (start + group.SizeBytes > hole.End)
            {
                have = TryBaseFor(placer, group, alignBytes, ceiling, ref hole, out baseAddress);
                settledAt = current;
                continue;
            }

            if (start < hole.Start)
            {
                have = placer.TryHoleAtOrBelow(hole.Start - 1, out hole)
                    && TryBaseFor(placer, group, alignBytes, ceiling, ref hole, out baseAddress);
                settledAt = current;
                continue;
            }

            current = (current + groups.Length - 1) % groups.Length;
            if (current == settledAt)
            {
                return true;
            }

            have = placer.TryHoleAtOrBelow(baseAddress + groups[current].OffsetBytes + groups[current].SizeBytes, out hole);
        }

        return false;
    }

    /// <summary>The base that puts the group's end at the highest aligned end of this hole or of one below it.</summary>
    private static bool TryBaseFor(
        IAreaPlacer placer, PercpuGroup group, ulong alignBytes, ulong ceiling, ref FreeBlock hole, out ulong baseAddress)
    {
        baseAddress = 0;
        while (true)
        {
            ulong end = Math.Min(Align.Down(hole.End, alignBytes), ceiling);
            if (hole.Start < end)
            {
                ulong groupEnd = group.OffsetBytes + group.SizeBytes;
                baseAddress = end - Math.Min(end, groupEnd);
                return end > groupEnd;
            }

            if (hole.Start <= 1 || !placer.TryHoleAtOrBelow(hole.Start - 1, out hole))
            {
                return false;
            }
        }
    }

    private static int LastGroup(ReadOnlySpan<PercpuGroup> groups)
    {
        int last = 0;
        for (int i = 1; i < groups.Length; i++)
        {
            if (groups[i].OffsetBytes > groups[last].OffsetBytes)
            {
                last = i;
            }
        }

        return last;
    }
}
