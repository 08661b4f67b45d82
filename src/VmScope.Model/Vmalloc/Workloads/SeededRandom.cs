namespace VmScope.Vmalloc;

/// <summary>A small random number generator whose numbers follow from the seed alone, on every version of every runtime.</summary>
/// <remarks>SplitMix64: a counter and a mixing function. Good enough for workloads, useless for secrets.</remarks>
internal sealed class SeededRandom(ulong seed)
{
    private ulong _state = seed;

    internal ulong Next()
    {
        unchecked
        {
            _state += 0x9e3779b97f4a7c15;
            ulong mixed = (_state ^ (_state >> 30)) * 0xbf58476d1ce4e5b9;
            mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111eb;
            return mixed ^ (mixed >> 31);
        }
    }

    /// <summary>A number from 0 up to, and without, a bound of at least 1.</summary>
    internal int Below(int bound) => (int)(Next() % (ulong)bound);
}
