namespace VmScope.Lab;

/// <summary>What a value of the lab is.</summary>
public enum LabValueKind
{
    /// <summary>A plain number.</summary>
    Number,

    /// <summary>A kernel address.</summary>
    Address,

    /// <summary>A block of page frames.</summary>
    Page,

    /// <summary>A text.</summary>
    Text,

    /// <summary>NULL: what the kernel answers when it refuses.</summary>
    Null,
}

/// <summary>A value of the lab.</summary>
/// <param name="Kind">What it is.</param>
/// <param name="Number">The number, the address, or the first frame.</param>
/// <param name="Text">The text, for a text.</param>
/// <param name="Order">log2 of the frames, for a block.</param>
public sealed record LabValue(LabValueKind Kind, ulong Number, string? Text = null, int Order = 0)
{
    /// <summary>NULL.</summary>
    public static LabValue Null { get; } = new(LabValueKind.Null, 0);

    /// <summary>Makes a number.</summary>
    public static LabValue Of(ulong number) => new(LabValueKind.Number, number);

    /// <summary>Makes a text.</summary>
    public static LabValue Of(string text) => new(LabValueKind.Text, 0, text);

    /// <summary>Makes an address.</summary>
    public static LabValue Of(VirtualAddress address) => new(LabValueKind.Address, address.Value);

    /// <summary>Makes a block of frames.</summary>
    public static LabValue Of(PageFrameNumber frame, int order) => new(LabValueKind.Page, frame.Value, Order: order);

    /// <summary>Whether the value counts as true: not 0, not empty, not NULL.</summary>
    public bool IsTrue => Kind == LabValueKind.Text ? Text!.Length > 0 : Kind == LabValueKind.Page || Number != 0;

    /// <summary>The value as it is printed.</summary>
    public override string ToString() => Kind switch
    {
        LabValueKind.Number => Number.ToString(System.Globalization.CultureInfo.InvariantCulture),
        LabValueKind.Address => new VirtualAddress(Number).ToString(),
        LabValueKind.Page => Order == 0 ? $"frame 0x{Number:x}" : $"{1UL << Order} frames from 0x{Number:x}",
        LabValueKind.Text => Text!,
        LabValueKind.Null => "NULL",
    };
}
