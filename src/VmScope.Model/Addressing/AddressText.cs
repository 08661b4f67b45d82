using System.Globalization;

namespace VmScope.Addressing;

/// <summary>Addresses as people and JSON read them.</summary>
public static class AddressText
{
    /// <summary>0x and lower-case hexadecimal digits, without padding.</summary>
    public static string Hex(ulong value) => "0x" + value.ToString("x", CultureInfo.InvariantCulture);
}
