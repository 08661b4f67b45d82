using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace VmScope.Benchmarks.Placement;

/// <summary>A stream of requests, the same for every peer.</summary>
internal abstract class Workload(string name, ulong windowEnd)
{
    internal const ulong Page = 4096;
    internal const ulong WindowStart = 0xffffc90000000000;

    /// <summary>The end of the vmalloc range of x86-64 with four levels: 32 TiB.</summary>
    internal const ulong Roomy = 0xffffe8ffffffffff;

    private ulong _random = 0x9e3779b97f4a7c15;

    internal string Name { get; } = name;

    internal ulong WindowEnd { get; } = windowEnd;

    /// <summary>Running hash over every address given and every failure.</summary>
    internal ulong Checksum { get; private set; }

    /// <summary>Pairs of one allocation and one free (or look-ups) that <see cref="Run"/> makes per unit.</summary>
    internal virtual int PairsPerUnit => 1;

    /// <summary>Units in one measured piece.</summary>
    internal virtual int Units => 20_000;

    /// <summary>Units run before measuring.</summary>
    internal virtual int WarmUnits => 60_000;

    /// <summary>Whether sorted collections can be filled in less than minutes.</summary>
    internal virtual bool SuitsSortedSet => true;

    /// <summary>All workloads, anew each.</summary>
    internal static IEnumerable<Func<Workload>> All()
    {
        yield return () => new ShortLoop("fix_size", ShortLoop.Kind.FixSize);
        yield return () => new ShortLoop("random_size", ShortLoop.Kind.RandomSize);
        yield return () => new FullFit();
        yield return () => new LongBusyList();
        yield return () => new ShortLoop("fix_align", ShortLoop.Kind.FixAlign);
        yield return () => new ShortLoop("random_align", ShortLoop.Kind.RandomAlign);
        yield return () => new ShortLoop("align_shift", ShortLoop.Kind.AlignShift);
        yield return () => new ShortLoop("percpu, from the top", ShortLoop.Kind.PerCpu);
        foreach (bool aligned in (bool[])[false, true])
        {
            foreach (bool tight in (bool[])[false, true])
            {
                foreach (int live in (int[])[1000, 10_000, 100_000, 1_000_000])
                {
                    yield return () => new Churn(live, tight, aligned);
                }
            }
        }

        foreach (int live in (int[])[1000, 10_000, 100_000, 1_000_000])
        {
            yield return () => new Lookup(live);
        }
    }

    /// <summary>Fills the peer.</summary>
    internal abstract void Prepare<TPeer>(TPeer peer) where TPeer : struct, IPeer;

    /// <summary>Runs so many units.</summary>
    internal abstract void Run<TPeer>(TPeer peer, int units) where TPeer : struct, IPeer;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    protected ulong Next()
    {
        unchecked
        {
            ulong x = _random;
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            _random = x;
            return x;
        }
    }

    /// <summary>An even draw from 0 to <paramref name="count"/> - 1.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    protected ulong Next(uint count) => unchecked((Next() >> 32) * count >> 32);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    protected ulong Place<TPeer>(TPeer peer, ulong size, ulong align) where TPeer : struct, IPeer
    {
        _ = peer.Place(size, align, out ulong address);
        Note(address);
        return address;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    protected void Note(ulong address) => Checksum = unchecked((Checksum * 0x9e3779b97f4a7c15) ^ address);

    protected static unsafe void Prefetch(ref ulong value)
    {
        if (Sse.IsSupported)
        {
            Sse.Prefetch0(Unsafe.AsPointer(ref value));
        }
    }

    protected ulong[] Fill<TPeer>(TPeer peer, int count, uint pagesMax) where TPeer : struct, IPeer
    {
        ulong[] live = new ulong[count];
        for (int index = 0; index < count; index++)
        {
            live[index] = Place(peer, ((pagesMax == 1 ? 1 : Next(pagesMax) + 1) + 1) * Page, 1);
        }

        return live;
    }
}

/// <summary>The loops of the kernel's test module that place one area and free it at once, beside 1000 live areas.</summary>
internal sealed class ShortLoop(string name, ShortLoop.Kind kind) : Workload(name, Roomy)
{
    internal enum Kind
    {
        FixSize,
        RandomSize,
        FixAlign,
        RandomAlign,
        AlignShift,
        PerCpu,
    }

    private readonly ulong[] _chunks = new ulong[64];
    private int _shift;

    internal override int PairsPerUnit => kind == Kind.PerCpu ? 64 : 1;

    internal override int Units => kind == Kind.PerCpu ? 400 : 20_000;

    internal override int WarmUnits => 3 * Units;

    internal override void Prepare<TPeer>(TPeer peer)
    {
        // The first area of all stays, as that of a boot does: freed, it would become one with the block below the range.
        ulong[] live = Fill(peer, 2000, 64);
        for (int index = 1; index < live.Length; index += 2)
        {
            peer.Free(live[index]);
        }
    }

    internal override void Run<TPeer>(TPeer peer, int units)
    {
        for (int unit = 0; unit < units; unit++)
        {
            if (kind == Kind.PerCpu)
            {
                RunChunks(peer);
                continue;
            }

            (ulong pages, ulong align) = Request();
            ulong address = Place(peer, (pages + 1) * Page, align);
            if (address != 0)
            {
                peer.Free(address);
            }
        }
    }

    private (ulong Pages, ulong Align) Request()
    {
        switch (kind)
        {
            case Kind.FixSize:
                return (1, 1);
            case Kind.RandomSize:
                return (Next(100) + 1, 1);
            case Kind.FixAlign:
                return (5, 32768);
            case Kind.AlignShift:
                _shift = (_shift + 1) & 63;
                return (1, 1UL << _shift);
            default:
                ulong random = Next(256);
                return ((random % 10) + 1, 1UL << (int)(random % 23));
        }
    }

    private void RunChunks<TPeer>(TPeer peer) where TPeer : struct, IPeer
    {
        for (int chunk = 0; chunk < _chunks.Length; chunk++)
        {
            _ = peer.PlaceFromTop(64 * Page, out _chunks[chunk]);
            Note(_chunks[chunk]);
        }

        foreach (ulong chunk in _chunks)
        {
            peer.Free(chunk);
        }
    }
}

/// <summary>The test module's full_fit: as many holes of one area as areas, one area placed and freed at a time.</summary>
internal sealed class FullFit() : Workload("full_fit", Roomy)
{
    internal override void Prepare<TPeer>(TPeer peer)
    {
        ulong[] all = Fill(peer, 2 * 16_384, 1);
        for (int junk = 1; junk < all.Length; junk += 2)
        {
            peer.Free(all[junk]);
        }
    }

    internal override void Run<TPeer>(TPeer peer, int units)
    {
        for (int unit = 0; unit < units; unit++)
        {
            peer.Free(Place(peer, 2 * Page, 1));
        }
    }
}

/// <summary>The test module's long_busy_list: 15,000 areas of a page, then one of 100 pages and one of a page in turn.</summary>
internal sealed class LongBusyList() : Workload("long_busy_list", Roomy)
{
    internal override int PairsPerUnit => 2;

    internal override void Prepare<TPeer>(TPeer peer) => Fill(peer, 15_000, 1);

    internal override void Run<TPeer>(TPeer peer, int units)
    {
        for (int unit = 0; unit < units; unit++)
        {
            ulong large = Place(peer, 101 * Page, 1);
            ulong small = Place(peer, 2 * Page, 1);
            peer.Free(large);
            peer.Free(small);
        }
    }
}

/// <summary>Steady churn: a random live area is freed, a new one of 1 to 64 pages and a guard page placed.</summary>
/// <param name="live">The number of live areas.</param>
/// <param name="tight">Whether the window is so small that 85 % of it is in use.</param>
/// <param name="aligned">Whether 25 % are stacks of 16 KiB aligned to their size and 5 % powers of two aligned to theirs.</param>
internal sealed class Churn(int live, bool tight, bool aligned)
    : Workload(Title(live, tight, aligned), tight ? TightEnd(live, aligned) : Roomy)
{
    private ulong[] _live = [];

    // A piece is several times the number of areas, so that refilling the cache after the other peer's piece is a small
    // part of it; at a million areas neither peer fits a cache anyway.
    internal override int Units => Math.Clamp(4 * live, 20_000, 400_000);

    internal override bool SuitsSortedSet => live <= 10_000;

    internal override int WarmUnits => live >= 1_000_000 ? 2 * live : Math.Max(60_000, 4 * live);

    internal override void Prepare<TPeer>(TPeer peer)
    {
        _live = new ulong[live];
        for (int index = 0; index < live; index++)
        {
            _live[index] = PlaceNext(peer);
        }
    }

    internal override void Run<TPeer>(TPeer peer, int units)
    {
        // The next victim is drawn early: the table of live areas is ours, not the peer's, and its cache misses are not
        // what is to be measured.
        int next = (int)Next((uint)live);
        for (int unit = 0; unit < units; unit++)
        {
            int victim = next;
            next = (int)Next((uint)live);
            Prefetch(ref _live[next]);
            if (_live[victim] != 0)
            {
                peer.Free(_live[victim]);
            }

            _live[victim] = PlaceNext(peer);
        }
    }

    private ulong PlaceNext<TPeer>(TPeer peer) where TPeer : struct, IPeer
    {
        if (aligned)
        {
            uint kind = (uint)Next(100);
            if (kind < 25)
            {
                return Place(peer, 5 * Page, 4 * Page);
            }

            if (kind < 30)
            {
                ulong pages = 1UL << (int)Next(7);
                return Place(peer, (pages + 1) * Page, pages * Page);
            }
        }

        return Place(peer, (Next(64) + 2) * Page, 1);
    }

    private static string Title(int live, bool tight, bool aligned) =>
        $"churn {(live >= 1_000_000 ? "1M" : $"{live / 1000}k")}{(tight ? ", tight" : "")}{(aligned ? ", 30 % aligned" : "")}";

    private static ulong TightEnd(int live, bool aligned)
    {
        // Mean pages per area with its guard page: 33.5; aligned: 0.7 x 33.5 + 0.25 x 5 + 0.05 x (127 / 7 + 1).
        double pages = aligned ? 25.66 : 33.5;
        return WindowStart + ((ulong)(live * pages / 0.85) * Page);
    }
}

/// <summary>Finds the areas at addresses in random order.</summary>
internal sealed class Lookup(int live) : Workload($"lookup {(live >= 1_000_000 ? "1M" : $"{live / 1000}k")}", Roomy)
{
    private ulong[] _live = [];

    internal override int Units => live >= 1_000_000 ? 400_000 : 1_000_000;   // see the churn

    internal override int WarmUnits => Units;

    internal override bool SuitsSortedSet => live <= 10_000;

    internal override void Prepare<TPeer>(TPeer peer)
    {
        // Every third area goes again, so that there are holes; the rest stays, in random order.
        ulong[] all = Fill(peer, live + (live / 2), 64);
        List<ulong> kept = [];
        for (int index = 0; index < all.Length; index++)
        {
            if (index % 3 == 1)
            {
                peer.Free(all[index]);
            }
            else
            {
                kept.Add(all[index]);
            }
        }

        _live = [.. kept];
        for (int index = _live.Length - 1; index > 0; index--)
        {
            int other = (int)Next((uint)index + 1);
            (_live[index], _live[other]) = (_live[other], _live[index]);
        }
    }

    internal override void Run<TPeer>(TPeer peer, int units)
    {
        // Drawn anew each time: a short list in a fixed order is learnt by heart by the branch predictor.
        int next = (int)Next((uint)_live.Length);
        for (int unit = 0; unit < units; unit++)
        {
            ulong address = _live[next];
            next = (int)Next((uint)_live.Length);
            Prefetch(ref _live[next]);
            Note(peer.Find(address));
        }
    }
}
