namespace VmScope.Addressing;

/// <summary>A run of bytes in one address space: first address and length.</summary>
/// <remarks>
/// A length, not an exclusive end: the last page of a 64-bit space ends at 2^64, which
/// <see cref="ulong"/> cannot hold, and fixmap and the kernel text live up there.
/// </remarks>
/// <typeparam name="TAddress">Virtual or physical.</typeparam>
public readonly record struct AddressRange<TAddress> where TAddress : struct, IAddress<TAddress>
{
    /// <summary>Makes the range of <paramref name="sizeBytes"/> bytes at <paramref name="start"/>.</summary>
    /// <exception cref="ArgumentOutOfRangeException">Empty, or runs past the last address.</exception>
    public AddressRange(TAddress start, ulong sizeBytes)
    {
        ArgumentOutOfRangeException.ThrowIfZero(sizeBytes);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(sizeBytes - 1, ulong.MaxValue - start.Value);
        (Start, SizeBytes) = (start, sizeBytes);
    }

    /// <summary>The first address.</summary>
    public TAddress Start { get; }

    /// <summary>The length in bytes, at least 1.</summary>
    public ulong SizeBytes { get; }

    /// <summary>The last address inside the range (inclusive).</summary>
    public TAddress Last => TAddress.At(Start.Value + (SizeBytes - 1));

    /// <summary>
    /// The first address behind the range. A range that ends at the very top of the 64-bit
    /// space answers 0, as the kernel's own arithmetic does.
    /// </summary>
    public TAddress EndExclusive => TAddress.At(unchecked(Start.Value + SizeBytes));

    /// <summary>Makes the range from a first address and an exclusive end (0 means 2^64).</summary>
    /// <exception cref="ArgumentOutOfRangeException">The end does not lie behind the start.</exception>
    public static AddressRange<TAddress> FromBounds(TAddress start, TAddress endExclusive) =>
        new(start, unchecked(endExclusive.Value - start.Value));

    /// <summary>Whether the address lies inside.</summary>
    public bool Contains(TAddress address) => address.Value >= Start.Value && address.Value <= Last.Value;

    /// <summary>Whether every byte of <paramref name="other"/> lies inside.</summary>
    public bool Contains(AddressRange<TAddress> other) => Contains(other.Start) && Contains(other.Last);

    /// <summary>Whether the two ranges share a byte.</summary>
    public bool Overlaps(AddressRange<TAddress> other) =>
        Start.Value <= other.Last.Value && other.Start.Value <= Last.Value;

    /// <summary>First and last address, both inclusive.</summary>
    public override string ToString() => $"{Start}..{Last}";
}
