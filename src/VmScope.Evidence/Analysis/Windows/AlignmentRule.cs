using System.Numerics;
using System.Runtime.CompilerServices;
using VmScope.Kernels;
using VmScope.Proc;
using VmScope.Vmalloc;

namespace VmScope.Analysis;

/// <summary>Which alignment an area must have had when it was placed, as far as its row tells.</summary>
/// <remarks>
/// Sources: mm/vmalloc.c, __get_vm_area_node() for ioremap; kernel/fork.c, alloc_thread_stack_node() with THREAD_ALIGN;
/// vmap blocks by their own size; huge vmalloc by PMD_SIZE.
/// </remarks>
internal sealed class AlignmentRule
{
    private const ulong HugePage = 2 * Size.MiB;

    private readonly TextTable _texts;
    private readonly ulong _pageBytes;
    private readonly IoremapAlignment[] _ioremapRules;
    private readonly bool _mayBeHuge;
    private readonly int _maxOrder;
    private readonly bool _stackIsDoubled;
    private byte[] _isStack = [];

    /// <summary>Makes the rule for a kernel; for an unknown one, any era's alignment explains a gap.</summary>
    internal AlignmentRule(TextTable texts, ulong pageBytes, KernelVersion? version, Architecture architecture, bool hasPae)
    {
        (_texts, _pageBytes) = (texts, pageBytes);
        _ioremapRules = version is { } known
            ? [VmallocTimelines.IoremapAlignment.At(known)]
            : [IoremapAlignment.RoundedUpSize, IoremapAlignment.AboveSize];
        _mayBeHuge = version is not { } named || VmallocTimelines.HugeVmalloc.At(named) >= HugeVmalloc.WhenAllowedPerNode;
        _maxOrder = version is { } dated
            ? VmallocListTimelines.IoremapMaxOrder(dated, architecture, BitOperations.Log2(pageBytes), hasPae)
            : 30;
        // THREAD_ALIGN is twice the stack on arm and riscv, so that one bit of the stack pointer tells an overflow.
        _stackIsDoubled = architecture is Architecture.Arm or Architecture.Arm64 or Architecture.Riscv64;
    }

    /// <summary>
    /// The alignment that explains why an area starts where it does and not at the end of what is below; 0 when none does.
    /// </summary>
    /// <param name="free">The lowest address it could have had.</param>
    /// <param name="area">The area.</param>
    [MethodImpl(HotPath.Compiled)]
    internal ulong Explains(ulong free, in AreaSlot area)
    {
        // Every alignment is a power of two, and one of a page explains nothing.
        if ((area.Start & ((2 * _pageBytes) - 1)) != 0)
        {
            return 0;
        }

        foreach (IoremapAlignment rule in _ioremapRules)
        {
            ulong align = AlignBytes(area, rule);
            if (align > _pageBytes && Align.Up(free, align) == area.Start)
            {
                return align;
            }
        }

        return 0;
    }

    [MethodImpl(HotPath.Compiled)]
    private ulong AlignBytes(in AreaSlot area, IoremapAlignment rule)
    {
        ulong size = area.SizeBytes;
        ulong usable = size > _pageBytes ? size - _pageBytes : size;
        if ((area.Flags & AreaFlags.Ioremap) != AreaFlags.None)
        {
            return AreaSizing.IoremapAlignBytes(rule, usable, _pageBytes, _maxOrder);
        }

        if ((area.Flags & AreaFlags.VmMapRam) != AreaFlags.None)
        {
            return BitOperations.IsPow2(size) ? size : 1;
        }

        if ((area.Flags & AreaFlags.Vmalloc) == AreaFlags.None)
        {
            return 1;
        }

        if (IsStack(area.Caller) && BitOperations.IsPow2(usable))
        {
            return _stackIsDoubled ? usable * 2 : usable;
        }

        return usable >= HugePage && usable % HugePage == 0 && _mayBeHuge ? HugePage : 1;
    }

    private bool IsStack(int caller)
    {
        if (caller >= _isStack.Length)
        {
            Array.Resize(ref _isStack, Math.Max(_texts.Count, caller + 1));
        }

        if (_isStack[caller] == 0)
        {
            _isStack[caller] = KnownCallers.IsStack(_texts.Bytes(caller)) ? (byte)2 : (byte)1;
        }

        return _isStack[caller] == 2;
    }
}
