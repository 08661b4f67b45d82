using System.Collections.Immutable;
using System.Globalization;
using System.IO.Compression;
using System.Text;
using VmScope.Proc;

namespace VmScope.Sources;

/// <summary>What became of one file while a bundle was collected.</summary>
/// <param name="Name">The known name.</param>
/// <param name="SizeBytes">Its size; 0 when it could not be read.</param>
/// <param name="Problem">Why it could not be read; null when it could.</param>
public sealed record CollectedFile(string Name, long SizeBytes, string? Problem);

/// <summary>Writes evidence into one archive that every command accepts.</summary>
public static class EvidenceCollector
{
    private const int FileLimitBytes = 512 << 20;
    private const string Summary = "collected.txt";

    /// <summary>Names beyond those of /proc that are taken along when they are there.</summary>
    private static readonly string[] Further =
    [
        EvidenceNames.Dmesg, EvidenceNames.Config, EvidenceNames.Uname, EvidenceNames.PossibleCpus, EvidenceNames.PresentCpus,
        EvidenceNames.Case,
    ];

    /// <summary>Writes a gzipped tar archive.</summary>
    /// <param name="bundle">What to collect.</param>
    /// <param name="output">Receives the archive; stays open.</param>
    /// <param name="folder">The archive's top folder: letters, digits, dots and dashes, at most 60.</param>
    /// <param name="redact">Whether to replace module and host names.</param>
    /// <param name="time">The time noted for the files.</param>
    /// <param name="collector">Who writes it, for the summary inside.</param>
    /// <returns>What became of each file.</returns>
    /// <exception cref="EvidenceException">Nothing at all could be read.</exception>
    public static ImmutableArray<CollectedFile> Write(
        EvidenceBundle bundle, Stream output, string folder, bool redact, DateTimeOffset time, string collector)
    {
        List<(string Name, byte[] Content)> files = [];
        ImmutableArray<CollectedFile>.Builder results = ImmutableArray.CreateBuilder<CollectedFile>();
        foreach (string name in EvidenceNames.ProcFiles.Concat(Further))
        {
            (byte[]? content, string? problem) = Take(bundle, name);
            if (content is not null)
            {
                files.Add((name, content));
            }

            // An absent file nobody expects (no /proc/config.gz, no uname text) is not worth a word.
            if (content is not null || problem is not null)
            {
                results.Add(new CollectedFile(name, content?.Length ?? 0, problem));
            }
        }

        if (files.Count == 0)
        {
            throw new EvidenceException($"{bundle.Name}: nothing could be read");
        }

        Redactor? redactor = redact ? new Redactor(files, HostNames(bundle)) : null;
        using GZipStream packed = new(output, CompressionLevel.Optimal, leaveOpen: true);
        TarWriter archive = new(packed, time);
        archive.Add($"{folder}/{Summary}", Encoding.UTF8.GetBytes(SummaryText(bundle, results, redactor, collector)));
        foreach ((string name, byte[] content) in files)
        {
            archive.Add($"{folder}/{(name == EvidenceNames.Case ? name : name + ".txt")}", redactor is null ? content : redactor.Redact(name, content));
        }

        archive.Finish();
        return results.ToImmutable();
    }

    private static (byte[]? Content, string? Problem) Take(EvidenceBundle bundle, string name)
    {
        try
        {
            bool found = name == EvidenceNames.Config
                ? bundle.Inputs.TryOpenConfig(out Stream stream)
                : bundle.TryOpen(name, out stream);
            if (found)
            {
                using (stream)
                {
                    return (SmallFile.ReadAll(stream, name, FileLimitBytes), null);
                }
            }

            bool expected = EvidenceNames.ProcFiles.Contains(name, StringComparer.Ordinal) || name == EvidenceNames.Dmesg
                || bundle.Missing(name) == MissingReason.NoPermission;
            return (null, expected ? bundle.WhyMissing(name) : null);
        }
        catch (EvidenceException error)
        {
            return (null, error.Message);
        }
        catch (IOException error)
        {
            return (null, FileProblem.Text(error));
        }
    }

    private static string SummaryText(
        EvidenceBundle bundle, IEnumerable<CollectedFile> results, Redactor? redactor, string collector)
    {
        StringBuilder text = new();
        text.Append(CultureInfo.InvariantCulture, $"Evidence collected by {collector} from {(redactor is null ? bundle.Name : "a machine")}.\n");
        text.Append("Read it with: vmscope explain THIS-ARCHIVE\n\n");
        foreach (CollectedFile file in results)
        {
            text.Append(file.Problem is null
                ? string.Create(CultureInfo.InvariantCulture, $"{file.Name}: {file.SizeBytes} bytes\n")
                : $"{file.Name}: NOT READ: {(redactor is null ? file.Problem : file.Problem.Replace(bundle.Name, "the evidence", StringComparison.Ordinal))}\n");
        }

        if (redactor is not null)
        {
            text.Append(CultureInfo.InvariantCulture,
                $"\nRedacted: {redactor.ModuleCount} module names (module1 …) and the host name (host); the same name is the same everywhere.\n");
        }

        return text.ToString();
    }

    private static string[] HostNames(EvidenceBundle bundle)
    {
        List<string> names = [];
        if (bundle.Kind == EvidenceKind.LiveMachine)
        {
            names.Add(Environment.MachineName);
        }

        if (bundle.TryOpen(EvidenceNames.Uname, out Stream stream))
        {
            using (stream)
            {
                // "Linux HOST RELEASE …"
                names.AddRange(SmallFile.ReadText(stream, EvidenceNames.Uname).Split(' ').Skip(1).Take(1));
            }
        }

        return [.. names];
    }
}
