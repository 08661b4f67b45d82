using System.Globalization;
using VmScope.Analysis;
using VmScope.Sources;
using VmScope.Tests.Support;
using VmScope.Vmalloc;

namespace VmScope.Tests.Analysis;

/// <summary>Goal: what real kernels refused is explained from their own files, and what did not fail is left in peace.</summary>
public class DoctorCaptureTests
{
    public static TheoryData<string> Failed => Captures.Theory(name => name.Contains("-fail-", StringComparison.Ordinal));

    public static TheoryData<string> All => [.. Captures.Names.Chunk(20).Select(chunk => string.Join(' ', chunk))];

    /// <summary>
    /// Method: largest hole and shortfall by a scan of the list written here; the cure by the captures booted with larger
    /// windows, and by counting down: one MiB less is refused.
    /// </summary>
    [Theory, MemberData(nameof(Failed))]
    public void A_recorded_failure_is_measured_and_cured(string name)
    {
        DoctorReport report = Examine(name);
        Assert.Equal(DoctorSeverity.Serious, report.Severity);
        Assert.Equal(FailedWindow.Vmalloc, report.Request!.Window);
        Assert.True(report.Request.GuardIncluded);
        (ulong start, ulong end) = RecordedWindow(name);
        Assert.Equal((start, end), (report.Window!.Start, report.Window.EndExclusive));
        (ulong free, ulong largest) = ScanHoles(report.List!, start, end);
        Assert.Equal(free, report.FreeBytes);
        Assert.Equal(largest, report.LargestHoleBytes);
        Assert.Equal(report.Request.Bytes!.Value - largest, report.ShortByBytes!.Value);
        Assert.Equal(free >= report.Request.Bytes ? DoctorVerdict.Fragmentation : DoctorVerdict.Exhausted, report.Verdict);

        VmallocCure cure = report.Cure!;
        Assert.True(cure.IsProved);
        Assert.Equal((end - start) + Size.MiB, cure.After.Vmalloc.SizeBytes);
        Assert.Equal(cure.Bytes, cure.After.Vmalloc.SizeBytes);
        Assert.InRange(cure.ExactBytes, (end - start) + 4096, cure.Bytes);
        Assert.Equal(Size.MiB, cure.LowmemLostBytes);

        // The same machine booted with other values of vmalloc=: what the cure is computed with is what these kernels did.
        string prefix = name[..name.IndexOf("-fail-", StringComparison.Ordinal)] + "-vmalloc-";
        string[] booted = [.. Captures.Names.Where(other => other.StartsWith(prefix, StringComparison.Ordinal) && other.EndsWith('M') && !other[prefix.Length..].Contains('-', StringComparison.Ordinal))];
        Assert.NotEmpty(booted);
        CureSearch search = SearchOf(name, report);
        foreach (string other in booted)
        {
            ulong value = ulong.Parse(other[prefix.Length..^1], CultureInfo.InvariantCulture) * Size.MiB;
            EvidenceBundle bundle = EvidenceBundle.Open(Captures.Archive(other), Stream.Null);
            Assert.Equal(bundle.Meminfo!.VmallocTotalKiB, search.Predict(value)!.VmallocTotalKiB);
            Assert.True(value >= cure.Bytes);
        }
    }

    [Theory, MemberData(nameof(Failed))]
    public void A_margin_asks_for_more(string name)
    {
        ulong plain = Examine(name).Cure!.Bytes;
        VmallocCure wide = VmScope.Analysis.Doctor.Examine(EvidenceBundle.Open(Captures.Archive(name), Stream.Null), new DoctorOptions { MarginBytes = 64 * Size.MiB }).Cure!;
        Assert.InRange(wide.Bytes, plain + (63 * Size.MiB), plain + (65 * Size.MiB));
        Assert.Equal(wide.Bytes - plain, wide.LowmemLostBytes - Size.MiB);
    }

    /// <summary>Method: every capture; whether something failed is read from the log's text by a search of its own.</summary>
    [Theory, MemberData(nameof(All))]
    public void A_machine_is_called_sick_when_its_log_holds_a_failure_and_only_then(string names)
    {
        foreach (string name in names.Split(' '))
        {
            EvidenceBundle bundle = EvidenceBundle.Open(Captures.Archive(name), Stream.Null);
            bool failed = bundle.TryOpen("dmesg", out Stream log) && new StreamReader(log).ReadToEnd().Split('\n')
                .Any(line => line.Contains("vmap allocation for size", StringComparison.Ordinal) || line.Contains("vmalloc_node_range for size", StringComparison.Ordinal));
            DoctorReport report = VmScope.Analysis.Doctor.Examine(bundle, DoctorOptions.Default);
            Assert.True(failed == report.IsProblem, $"{name}: {report.Verdict}: {report.Summary}");
            Assert.Equal(failed, report.Request is not null);
        }
    }

    /// <summary>
    /// Goal: the PCI configuration space that 32-bit arm maps bus by bus is told from a full window. The recorded machine
    /// (QEMU virt, LPAE) refused 1 MiB although its list, taken later, is almost empty.
    /// </summary>
    [Fact]
    public void A_configuration_window_mapped_bus_by_bus_needs_room_for_every_bus()
    {
        DoctorReport report = Examine("armhf-5.10.223-armmp-lpae-1024-base");
        Assert.Equal((DoctorVerdict.NoRoom, FailedWindow.Vmalloc), (report.Verdict, report.Request!.Window));
        Assert.Contains(report.Statements, statement => statement.Text.Contains("256 mappings of 1,052,672 bytes", StringComparison.Ordinal) && statement.Text.Contains("402,653,184 in all", StringComparison.Ordinal));
        Assert.InRange(report.Cure!.Bytes, 384 * Size.MiB, 408 * Size.MiB);
    }

    [Fact]
    public void Every_statement_of_a_line_quotes_that_line()
    {
        string name = Captures.Names.First(other => other.Contains("-fail-", StringComparison.Ordinal));
        EvidenceBundle bundle = EvidenceBundle.Open(Captures.Archive(name), Stream.Null);
        string[] lines = new StreamReader(bundle.OpenRequired("dmesg")).ReadToEnd().Split('\n');
        DoctorStatement[] quoting = [.. Examine(name).Statements.Where(statement => statement.Line > 0 && statement.Text.StartsWith('"'))];
        Assert.NotEmpty(quoting);
        Assert.All(quoting, statement =>
            Assert.Contains(statement.Text[1..statement.Text.LastIndexOf('"')], lines[statement.Line - 1], StringComparison.Ordinal));
    }

    private static CureSearch SearchOf(string name, DoctorReport report)
    {
        EvidenceBundle bundle = EvidenceBundle.Open(Captures.Archive(name), Stream.Null);
        return new CureSearch(bundle.Inputs.ToLayoutInputs(bundle.Name), report.Cure!.Before!, report.List, report.Account);
    }

    private static DoctorReport Examine(string name) =>
        VmScope.Analysis.Doctor.Examine(EvidenceBundle.Open(Captures.Archive(name), Stream.Null), DoctorOptions.Default);

    /// <summary>The window as /proc/kcore showed it: an answer of the kernel that nothing in the doctor reads.</summary>
    private static (ulong Start, ulong End) RecordedWindow(string name)
    {
        EvidenceBundle bundle = EvidenceBundle.Open(Captures.Archive(name), Stream.Null);
        string[] words = new StreamReader(bundle.OpenRequired("kcore")).ReadToEnd().Split('\n').First(line => !line.StartsWith('#')).Split(' ');
        return (ulong.Parse(words[0], NumberStyles.HexNumber, CultureInfo.InvariantCulture), ulong.Parse(words[1], NumberStyles.HexNumber, CultureInfo.InvariantCulture) + 1);
    }

    private static (ulong Free, ulong Largest) ScanHoles(ListExplanation list, ulong start, ulong end)
    {
        bool[] taken = new bool[(end - start) / 4096];
        for (int i = 0; i < list.Areas.Count; i++)
        {
            if ((list.Areas[i].Flags & AreaFlags.Unpurged) == AreaFlags.None)
            {
                for (ulong at = list.Areas[i].Start; at < list.Areas[i].End; at += 4096)
                {
                    taken[(at - start) / 4096] = true;
                }
            }
        }

        ulong run = 0;
        ulong largest = 0;
        foreach (bool page in taken)
        {
            run = page ? 0 : run + 4096;
            largest = Math.Max(largest, run);
        }

        return ((ulong)taken.Count(page => !page) * 4096, largest);
    }
}
