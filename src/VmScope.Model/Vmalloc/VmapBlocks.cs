using System.Numerics;
using VmScope.Kernels;
using VmScope.Paging;

namespace VmScope.Vmalloc;

/// <summary>The blocks vm_map_ram cuts small mappings from, a list for each CPU.</summary>
/// <remarks>
/// A freed piece is not reused: it only counts as dirty, and the block goes when all of it is. Source: mm/vmalloc.c,
/// vb_alloc(), vb_free(), new_vmap_block(), purge_fragmented_blocks(), 2.6.28 to 7.1.
/// </remarks>
internal sealed class VmapBlocks(VmallocMemory memory)
{
    private readonly Dictionary<int, List<Block>> _lists = [];
    private readonly Dictionary<ulong, Block> _byStart = [];
    private int _blockPages;

    private sealed class Block(VmallocArea area, int pages, int cpu)
    {
        internal VmallocArea Area { get; } = area;

        internal int Cpu { get; } = cpu;

        /// <summary>Which pages were ever handed out.</summary>
        internal bool[] Used { get; } = new bool[pages];

        internal int Free { get; set; } = pages;

        internal int Dirty { get; set; }

        /// <summary>Pieces mapped now: first page to number of pages.</summary>
        internal Dictionary<int, int> Live { get; } = [];
    }

    /// <summary>The largest request a block serves (VMAP_MAX_ALLOC).</summary>
    internal static int PagesMax(bool is64Bit) => is64Bit ? 64 : 32;

    private VmallocFacts Facts => memory.Environment.Setup.Facts;

    private ulong PageBytes => memory.Environment.Setup.PageBytes;

    private int BlockPages => _blockPages != 0 ? _blockPages : _blockPages = AreaSizing.VmapBlockPages(
        Facts, memory.Environment.Setup.Is64Bit, PageBytes, memory.Environment.CpusConfigured);

    internal VmallocAnswer Map(ReadOnlySpan<PageFrameNumber> frames, int cpu, ActionLog? log)
    {
        int pages = (int)BitOperations.RoundUpToPowerOf2((uint)frames.Length);
        List<Block> list = ListOf(cpu);
        foreach (Block block in list)
        {
            if (TryCut(block, pages, out int offset))
            {
                log?.Step($"CPU {cpu}'s block at {block.Area.Start} has {block.Free + pages} unused pages: the piece begins at page {offset}");
                return MapPiece(block, offset, frames, log);
            }
        }

        ulong bytes = (ulong)BlockPages * PageBytes;
        (ulong, ulong) window = (memory.Environment.Setup.WindowStart, memory.Environment.Setup.WindowEnd);
        log?.Step($"no block of CPU {cpu} has {pages} unused pages: a new block of {BlockPages} pages, aligned to its size");
        if (!memory.TryPlace(bytes, bytes, window, cpu, log, out ulong start))
        {
            if (memory.Environment.Messages.NoRoomText(bytes, window.Item1, window.Item2) is { } text)
            {
                log?.Messages.Add(text);
            }

            return VmallocAnswer.Null(VmallocEnd.NoRoom);
        }

        Block made = new(memory.Register(start, bytes, guardBytes: 0, AreaKind.MapRamBlock, ""), BlockPages, cpu);
        _byStart.Add(start, made);
        list.Insert(Facts.VmapBlocks == VmapBlockRule.NextPieceNewBlockLast ? list.Count : 0, made);
        _ = TryCut(made, pages, out int first);
        return MapPiece(made, first, frames, log);
    }

    internal bool TryUnmap(VirtualAddress address, int pages, int cpu, ActionLog? log)
    {
        ulong bytes = (ulong)BlockPages * PageBytes;
        if (!_byStart.TryGetValue(Align.Down(address.Value, bytes), out Block? block))
        {
            return false;
        }

        int offset = (int)((address.Value - block.Area.Start.Value) / PageBytes);
        if (!block.Live.TryGetValue(offset, out int live) || live != pages)
        {
            return false;
        }

        block.Live.Remove(offset);
        memory.UnmapPiece(new VirtualRange(address, (ulong)pages * PageBytes), log);
        block.Dirty += (int)BitOperations.RoundUpToPowerOf2((uint)pages);
        log?.Step($"the piece counts as dirty and is not reused: {block.Dirty} of {BlockPages} pages of the block are dirty");
        if (block.Dirty == BlockPages)
        {
            log?.Step("all of the block is dirty: it is freed, lazily");
            Drop(block, cpu, log);
        }

        return true;
    }

    /// <summary>Frees blocks in which nothing is mapped any more although parts were never used.</summary>
    internal void DropFragmented(ActionLog? log)
    {
        if (!Facts.PurgesFragmentedBlocks)
        {
            return;
        }

        foreach (Block block in _byStart.Values.OrderBy(block => block.Area.Start.Value).ToList())
        {
            if (block.Free + block.Dirty == BlockPages && block.Dirty != BlockPages)
            {
                log?.Step($"the block at {block.Area.Start} holds nothing live: it is freed");
                Drop(block, block.Cpu, log);
            }
        }
    }

    private VmallocAnswer MapPiece(Block block, int offset, ReadOnlySpan<PageFrameNumber> frames, ActionLog? log)
    {
        VirtualAddress at = new(block.Area.Start.Value + ((ulong)offset * PageBytes));
        if (!memory.TryMapPiece(at, frames, log))
        {
            block.Dirty += (int)BitOperations.RoundUpToPowerOf2((uint)frames.Length);
            return VmallocAnswer.Null(VmallocEnd.NoTables);
        }

        block.Live[offset] = frames.Length;
        return new VmallocAnswer(VmallocEnd.Done, at, block.Area);
    }

    private bool TryCut(Block block, int pages, out int offset)
    {
        offset = -1;
        if (block.Free < pages)
        {
            return false;
        }

        if (Facts.VmapBlocks != VmapBlockRule.LowestPiece)
        {
            offset = block.Used.Length - block.Free;
        }
        else
        {
            for (int at = 0; at + pages <= block.Used.Length && offset < 0; at += pages)
            {
                offset = block.Used.AsSpan(at, pages).Contains(true) ? -1 : at;
            }

            if (offset < 0)
            {
                return false;
            }
        }

        block.Used.AsSpan(offset, pages).Fill(true);
        block.Free -= pages;
        if (block.Free == 0)
        {
            ListOf(block.Cpu).Remove(block);
        }

        return true;
    }

    private void Drop(Block block, int cpu, ActionLog? log)
    {
        ListOf(block.Cpu).Remove(block);
        _byStart.Remove(block.Area.Start.Value);
        memory.Release(block.Area, cpu, log);
    }

    private List<Block> ListOf(int cpu)
    {
        if (!_lists.TryGetValue(cpu, out List<Block>? list))
        {
            _lists[cpu] = list = [];
        }

        return list;
    }
}
