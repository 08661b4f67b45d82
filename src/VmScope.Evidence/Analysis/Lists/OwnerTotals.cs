using System.Runtime.CompilerServices;
using VmScope.Vmalloc;

namespace VmScope.Analysis;

/// <summary>Sums of one owner.</summary>
internal struct OwnerTotals
{
    internal AreaTotals Totals;

    /// <summary>What <see cref="FirstKind"/> says before there is an area.</summary>
    internal const byte NoKind = byte.MaxValue;

    /// <summary>The <see cref="ListedKind"/> of the first area.</summary>
    internal byte FirstKind;

    /// <summary>One bit for each <see cref="ListedKind"/> that occurs.</summary>
    internal uint Kinds;

    /// <summary>The size most of the areas have, if any size has a majority.</summary>
    internal ulong MajorityBytes;

    /// <summary>At least so many areas have <see cref="MajorityBytes"/>.</summary>
    internal long Votes;

    /// <summary>Whether areas of this owner have no guard page.</summary>
    internal bool HasNoGuard;

    /// <summary>Whether this is the allocator of per-CPU chunks.</summary>
    internal bool IsPercpu;

    /// <summary>The smallest size; the largest number when there is no area.</summary>
    internal ulong SmallestBytes;

    /// <summary>The largest size.</summary>
    internal ulong LargestBytes;

    /// <summary>Every word that any of the areas has.</summary>
    internal AreaFlags Words;

    /// <summary>Adds the sums of a later part.</summary>
    internal void Append(in OwnerTotals later)
    {
        FirstKind = Totals.Areas == 0 ? later.FirstKind : FirstKind;
        ListTotals.Plus(ref Totals, later.Totals);
        Kinds |= later.Kinds;
        Words |= later.Words;
        SmallestBytes = Math.Min(SmallestBytes, later.SmallestBytes);
        LargestBytes = Math.Max(LargestBytes, later.LargestBytes);
        if (MajorityBytes == later.MajorityBytes)
        {
            Votes += later.Votes;
        }
        else if (Votes < later.Votes)
        {
            (MajorityBytes, Votes) = (later.MajorityBytes, later.Votes - Votes);
        }
        else
        {
            Votes -= later.Votes;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal void Note(ulong sizeBytes, AreaFlags words)
    {
        SmallestBytes = Math.Min(SmallestBytes, sizeBytes);
        LargestBytes = Math.Max(LargestBytes, sizeBytes);
        Words |= words;
        Vote(sizeBytes);
    }

    /// <summary>Counts a size for the majority: the only candidate left is the one to be counted afterwards.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void Vote(ulong sizeBytes)
    {
        // No branches, and written so that the compiler makes none: whether two areas have one size is what a processor
        // cannot guess. A borrow out of votes - 1 says that there are none, one out of 0 - difference that there is one.
        unchecked
        {
            ulong hasNone = (ulong)((Votes - 1) >> 63);
            MajorityBytes ^= (MajorityBytes ^ sizeBytes) & hasNone;
            ulong difference = MajorityBytes ^ sizeBytes;
            Votes += 1 + (2 * ((long)(difference | (0 - difference)) >> 63));
        }
    }
}
