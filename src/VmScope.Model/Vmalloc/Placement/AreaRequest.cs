namespace VmScope.Vmalloc;

/// <summary>What the search for a place is asked: everything already rounded and aligned as the caller's kind demands.</summary>
/// <param name="SizeBytes">Size with the guard page, in whole pages.</param>
/// <param name="AlignBytes">A power of two; 1 for plain vmalloc.</param>
/// <param name="WindowStart">The lowest address allowed (the kernel's vstart).</param>
/// <param name="WindowEnd">The exclusive end of what is allowed (the kernel's vend).</param>
/// <param name="Cpu">The processor that asks; of meaning only where there are pools.</param>
public readonly record struct AreaRequest(
    ulong SizeBytes, ulong AlignBytes, ulong WindowStart, ulong WindowEnd, int Cpu = 0);
