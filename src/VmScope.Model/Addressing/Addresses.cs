namespace VmScope.Addressing;

/// <summary>An address of one particular space; keeps virtual and physical numbers apart at compile time.</summary>
/// <typeparam name="TSelf">The implementing address type.</typeparam>
public interface IAddress<TSelf> where TSelf : struct, IAddress<TSelf>
{
    /// <summary>The byte position, as the hardware holds it.</summary>
    ulong Value { get; }

    /// <summary>Makes the address at a byte position.</summary>
    static abstract TSelf At(ulong value);
}

/// <summary>An address before translation: what kernel code dereferences.</summary>
/// <param name="Value">The byte position; a 32-bit kernel's addresses occupy the low half.</param>
public readonly record struct VirtualAddress(ulong Value) : IAddress<VirtualAddress>, IComparable<VirtualAddress>
{
    /// <inheritdoc />
    public static VirtualAddress At(ulong value) => new(value);

    /// <inheritdoc />
    public int CompareTo(VirtualAddress other) => Value.CompareTo(other.Value);

    /// <summary>The address as 0x and hexadecimal digits, without padding.</summary>
    public override string ToString() => AddressText.Hex(Value);

    /// <summary>Whether <paramref name="left"/> lies below <paramref name="right"/>.</summary>
    public static bool operator <(VirtualAddress left, VirtualAddress right) => left.Value < right.Value;

    /// <summary>Whether <paramref name="left"/> lies above <paramref name="right"/>.</summary>
    public static bool operator >(VirtualAddress left, VirtualAddress right) => left.Value > right.Value;

    /// <summary>Whether <paramref name="left"/> does not lie above <paramref name="right"/>.</summary>
    public static bool operator <=(VirtualAddress left, VirtualAddress right) => left.Value <= right.Value;

    /// <summary>Whether <paramref name="left"/> does not lie below <paramref name="right"/>.</summary>
    public static bool operator >=(VirtualAddress left, VirtualAddress right) => left.Value >= right.Value;
}

/// <summary>An address after translation: a byte position in physical memory.</summary>
/// <param name="Value">The byte position.</param>
public readonly record struct PhysicalAddress(ulong Value) : IAddress<PhysicalAddress>, IComparable<PhysicalAddress>
{
    /// <inheritdoc />
    public static PhysicalAddress At(ulong value) => new(value);

    /// <inheritdoc />
    public int CompareTo(PhysicalAddress other) => Value.CompareTo(other.Value);

    /// <summary>The address as 0x and hexadecimal digits, without padding.</summary>
    public override string ToString() => AddressText.Hex(Value);

    /// <summary>Whether <paramref name="left"/> lies below <paramref name="right"/>.</summary>
    public static bool operator <(PhysicalAddress left, PhysicalAddress right) => left.Value < right.Value;

    /// <summary>Whether <paramref name="left"/> lies above <paramref name="right"/>.</summary>
    public static bool operator >(PhysicalAddress left, PhysicalAddress right) => left.Value > right.Value;

    /// <summary>Whether <paramref name="left"/> does not lie above <paramref name="right"/>.</summary>
    public static bool operator <=(PhysicalAddress left, PhysicalAddress right) => left.Value <= right.Value;

    /// <summary>Whether <paramref name="left"/> does not lie below <paramref name="right"/>.</summary>
    public static bool operator >=(PhysicalAddress left, PhysicalAddress right) => left.Value >= right.Value;
}

/// <summary>The number of a physical page frame (the kernel's <c>pfn</c>).</summary>
/// <param name="Value">The physical address divided by the page size.</param>
public readonly record struct PageFrameNumber(ulong Value)
{
    /// <summary>The first byte of the frame.</summary>
    /// <exception cref="OverflowException">The frame lies past the last 64-bit address.</exception>
    public PhysicalAddress StartAddress(PageSize pageSize) => new(checked(Value * pageSize.Bytes));
}
