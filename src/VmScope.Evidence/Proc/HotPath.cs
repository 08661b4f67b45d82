using System.Runtime.CompilerServices;

namespace VmScope.Proc;

/// <summary>How a method is compiled that every row of a list goes through.</summary>
internal static class HotPath
{
#if VMSCOPE_READY
    /// <summary>Ahead of time, with the rest; the attribute for optimizing at once would forbid just that.</summary>
    internal const MethodImplOptions Compiled = 0;
#else
    /// <summary>Optimized at once: reading a long list ends before the runtime would think of it.</summary>
    internal const MethodImplOptions Compiled = MethodImplOptions.AggressiveOptimization;
#endif
}
