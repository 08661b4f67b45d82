namespace VmScope.Analysis;

/// <summary>The words of a report, as JSON and text write them.</summary>
public static class DoctorWords
{
    /// <summary>The word for a verdict.</summary>
    public static string Word(DoctorVerdict verdict) => verdict switch
    {
        DoctorVerdict.Healthy => "healthy",
        DoctorVerdict.Harmless => "harmless",
        DoctorVerdict.NoRoom => "no-room",
        DoctorVerdict.Fragmentation => "fragmentation",
        DoctorVerdict.Exhausted => "exhausted",
        DoctorVerdict.LargerThanWindow => "larger-than-window",
        DoctorVerdict.ImpossibleSize => "impossible-size",
        DoctorVerdict.OutOfPages => "out-of-pages",
        DoctorVerdict.Corrupt => "corrupt",
        DoctorVerdict.LeakSuspect => "leak-suspect",
        DoctorVerdict.NearlyFull => "nearly-full",
    };

    /// <summary>The word for a window.</summary>
    public static string Word(FailedWindow window) => window switch
    {
        FailedWindow.None => "none",
        FailedWindow.Unknown => "unknown",
        FailedWindow.Vmalloc => "vmalloc",
        FailedWindow.Modules => "modules",
        FailedWindow.Bpf => "bpf",
        FailedWindow.Percpu => "percpu",
        FailedWindow.FixedRange => "fixed-range",
        FailedWindow.Early => "early",
    };

    /// <summary>The word for a severity.</summary>
    public static string Word(DoctorSeverity severity) => severity switch
    {
        DoctorSeverity.None => "none",
        DoctorSeverity.Harmless => "harmless",
        DoctorSeverity.Notice => "notice",
        DoctorSeverity.Serious => "serious",
    };

    /// <summary>The window of a request in a sentence, and what it was for.</summary>
    public static string Purpose(FailedRequest request) => (request.Window, request.Percpu) switch
    {
        (FailedWindow.Bpf, _) => "the module window, for BPF or other generated code",
        (FailedWindow.Percpu, PercpuShortage.Reserved) => "the area set aside for per-CPU variables of modules",
        (FailedWindow.Percpu, PercpuShortage.Atomic) => "the present per-CPU chunks",
        (FailedWindow.Percpu, _) => "the vmalloc window, for a per-CPU chunk",
        _ => Phrase(request.Window),
    };

    /// <summary>A window in a sentence.</summary>
    public static string Phrase(FailedWindow window) => window switch
    {
        FailedWindow.None => "no address window",
        FailedWindow.Unknown => "a window the evidence does not name",
        FailedWindow.Vmalloc => "the vmalloc window",
        FailedWindow.Modules => "the module window",
        FailedWindow.Bpf => "the module window",
        FailedWindow.Percpu => "the vmalloc window",
        FailedWindow.FixedRange => "the range the message prints",
        FailedWindow.Early => "the early mapping slots",
    };
}
