namespace VmScope.Kernels;

/// <summary>How the boot log writes zone ranges.</summary>
internal enum ZoneLineForm
{
    /// <summary>Not read.</summary>
    NotKnown,

    /// <summary>Byte ranges of at least eight digits.</summary>
    EightDigits,

    /// <summary>Byte ranges of sixteen digits.</summary>
    SixteenDigits,
}

/// <summary>How the boot log wrote zone ranges over time.</summary>
internal static class ZoneLineForms
{
    internal static readonly Timeline<ZoneLineForm> Rows = new(
        new(new(2, 4), "UNVERIFIED: mm/page_alloc.c, free_area_init_nodes(): frame numbers before 3.5", ZoneLineForm.NotKnown),
        new(new(3, 5), "UNVERIFIED: mm/page_alloc.c, free_area_init_nodes(), 3.5 to 3.19", ZoneLineForm.EightDigits),
        new(new(4, 0), "mm/page_alloc.c, free_area_init(); recorded boots of 5.10 to 7.3-rc7", ZoneLineForm.SixteenDigits));
}
