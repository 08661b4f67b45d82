using System.CommandLine;
using System.Globalization;
using System.Numerics;
using System.Text.Json;
using VmScope.Analysis;
using VmScope.Cli.Output;
using VmScope.Cli.Output.Pictures;
using VmScope.Kernels;
using VmScope.Sources;

namespace VmScope.Cli.Commands;

/// <summary><c>vmscope fit</c>: would a request of this size find room.</summary>
internal static class FitCommand
{
    internal const string Name = "fit";

    internal static Command Create(Terminal terminal)
    {
        Argument<string> size = new("size") { Description = "What the caller asks for, in bytes or with K, M, G; the guard page is added" };
        Argument<string?> evidence = EvidenceArgument.Create();
        Option<string?> align = new("--align") { Description = "Alignment: a power of two, in bytes or with K, M, G", HelpName = "bytes" };
        Option<bool> ioremap = new("--ioremap") { Description = "A mapping of device memory: aligned as this kernel's ioremap does" };
        Option<bool> guarded = new("--guard-included") { Description = "SIZE already has its guard page in it, as the kernel's failure messages give it" };
        Option<string> window = new("--window") { Description = "vmalloc or modules", HelpName = "name", DefaultValueFactory = _ => "vmalloc" };
        window.AcceptOnlyFromAmong("vmalloc", "modules");
        Option<string?> sample = new("--sample") { Description = $"Look into a built-in list instead: {Samples.Names}", HelpName = "name" };
        sample.CompletionSources.Add(Samples.All.Select(known => known.Name).ToArray());
        Option<bool> json = new("--json") { Description = "Print JSON (docs/json.md)" };
        Command command = new Command(Name, "Say whether a request would find room, where, or by how many bytes it misses")
        {
            size, evidence, align, ioremap, guarded, window, sample, json,
        }.WithExamples(
            new Example("sudo vmscope fit 4M", "would vmalloc(4 MiB) find room on this machine?"),
            new Example("vmscope fit 256M bundle.tar.gz --ioremap", "a PCI window of 256 MiB, in a collected bundle"),
            new Example("vmscope fit 839680 list.txt --guard-included", "the size of a failure message"));
        PictureOptions pictures = new(command);
        command.SetAction(parsed => Run(
            parsed.GetValue(size)!, parsed.GetValue(evidence), parsed.GetValue(align), parsed.GetValue(ioremap),
            parsed.GetValue(guarded), parsed.GetValue(window)!, parsed.GetValue(sample), parsed.GetValue(json), terminal,
            pictures.AnyAsked(parsed) ? make => pictures.Write(parsed, terminal, make) : null));
        return command;
    }

    private static int Run(
        string sizeText, string? evidence, string? alignText, bool isIoremap, bool isGuarded, string window, string? sample, bool json, Terminal terminal,
        Action<Func<Picture>>? draw)
    {
        ulong size = ParseSize(sizeText, "size");
        ulong align = alignText is null ? 1 : ParseSize(alignText, "alignment");
        if (!BitOperations.IsPow2(align))
        {
            throw new UsageException($"alignment {align} is no power of two");
        }

        if (size > 1UL << 62)
        {
            throw new UsageException($"size {size} is larger than any address space; at most {1UL << 62}");
        }

        EvidenceBundle bundle = ExplainRun.Open(evidence, sample, terminal);
        ListExplanation list = ExplainRun.Read(bundle, new ExplainOptions { KeepAllGaps = draw is not null });
        if (list.Rows == 0)
        {
            throw new EvidenceException($"{list.File}: holds no row");
        }

        if (list.Addresses != AddressState.Real)
        {
            throw new EvidenceException($"{list.File}: the addresses are not real, so holes cannot be measured.{Environment.NewLine}"
                + "As root: sysctl kernel.kptr_restrict=1, then read the list again as root; or boot with no_hash_pointers (5.12 and later)");
        }

        WindowAccount? account = null;
        foreach (WindowAccount candidate in list.Windows)
        {
            account = string.Equals(candidate.Window.Name, window, StringComparison.Ordinal) ? candidate : account;
        }

        if (account is null)
        {
            throw new UsageException($"no window '{window}' is known of this list");
        }

        FitAnswer answer = FitCheck.Ask(list, account, new FitRequest(size, align, isIoremap, isGuarded));
        if (json)
        {
            WriteJson(list, account, answer, terminal.Out);
        }
        else
        {
            WriteText(list, account, answer, terminal);
        }

        draw?.Invoke(() => WindowPicture.Fitted(list, account, answer));
        return answer.Fits ? ExitCode.Fine : ExitCode.Finding;
    }

    /// <summary>Reads a size as the kernel reads one, and nothing behind it.</summary>
    /// <exception cref="UsageException">It is no size, or zero.</exception>
    private static ulong ParseSize(string text, string what)
    {
        string plain = text.EndsWith("iB", StringComparison.Ordinal) ? text[..^2] : text.EndsWith('B') ? text[..^1] : text;
        plain = plain.Replace(",", "", StringComparison.Ordinal).Replace("_", "", StringComparison.Ordinal);
        bool isDecimal = plain.Length > 0 && char.IsAsciiDigit(plain[0]);
        ulong? value = isDecimal ? KernelCommandLine.MemoryParse(plain.TrimStart('0').Length == 0 ? plain : TrimZeros(plain), out string rest) is { } parsed && rest.Length == 0 ? parsed : null : null;
        if (isDecimal && plain.Length >= 18 && plain.AsSpan().IndexOfAnyExceptInRange('0', '9') < 0 && value is not 0)
        {
            throw new UsageException($"{what} {text} is larger than any address space; at most {1UL << 62}");
        }

        return value is > 0 and ulong size && Fits(plain, size)
            ? size
            : throw new UsageException($"'{text}' is no {what}; give a number of bytes above 0, such as 839680, 0x1000, 820K or 4M");
    }

    /// <summary>A leading zero would make the kernel read octal, which nobody means here.</summary>
    private static string TrimZeros(string text) =>
        text.StartsWith("0x", StringComparison.OrdinalIgnoreCase) ? text : text.TrimStart('0');

    /// <summary>Whether the number was not cut to 64 bits on the way.</summary>
    private static bool Fits(string text, ulong value) => text.Length <= 18 && value <= 1UL << 63;

    private static void WriteText(ListExplanation list, WindowAccount account, FitAnswer answer, Terminal terminal)
    {
        TextWriter output = terminal.Out;
        int width = Math.Clamp(terminal.Width, 40, 160);
        string request = $"{SizeText.Grouped(answer.RequestBytes)} bytes ({SizeText.Short(answer.RequestBytes)}, guard page included)"
            + (answer.AlignBytes > 1 ? $", aligned to {SizeText.Short(answer.AlignBytes)}" : "");
        string comma = answer.AlignBytes > 1 ? "," : "";
        string verdict = answer.Fits
            ? $"fits: {request}{comma} would go to {list.Hex(answer.Address!.Value)}{(answer.IsAfterPurge ? " after a purge" : "")}{(answer.AddressIsCertain ? "" : " or higher")}."
            : $"does not fit: {request}; short by {SizeText.Grouped(answer.ShortByBytes)} bytes.";
        TextBlock.Write(output, "", 0, verdict, width, 2);
        TextBlock.Write(output, "  ", 2, $"{account.Window.Name} window {list.Hex(account.Window.Start)} - {list.Hex(account.Window.EndExclusive)} "
            + $"(bounds {AddressWindow.Word(account.Window.Sureness)}): {SizeText.Grouped(account.FreeBytes)} bytes free in {SizeText.Grouped((ulong)account.Holes)} {(account.Holes == 1 ? "hole" : "holes")}, "
            + $"the largest {SizeText.Grouped(account.LargestHole.Bytes)} bytes"
            + (answer.LargestHoleBytes > account.LargestHole.Bytes ? $", {SizeText.Grouped(answer.LargestHoleBytes)} bytes after a purge." : "."), width, 2);
        if (!answer.Fits && account.FreeBytes >= answer.RequestBytes)
        {
            string times = (account.FreeBytes / (double)answer.RequestBytes).ToString("0.#", CultureInfo.InvariantCulture);
            TextBlock.Write(output, "  ", 2, $"Free bytes are {times} times the request, but an area needs one hole: the free space is in pieces.", width, 2);
        }

        foreach (string note in answer.Notes)
        {
            TextBlock.Write(output, "  ", 2, SafeText.Line(note), width, 2);
        }
    }

    private static void WriteJson(ListExplanation list, WindowAccount account, FitAnswer answer, TextWriter output)
    {
        using JsonText text = new(output);
        Utf8JsonWriter json = text.Json;
        json.WriteStartObject();
        json.WriteString("source", list.Source);
        json.WriteString("kernel", list.Facts.Kernel?.Release);
        json.WriteString("arch", list.Architecture.Name());
        json.WriteBoolean("fits", answer.Fits);
        if (answer.Address is { } address)
        {
            text.Address("address", address);
        }
        else
        {
            json.WriteNull("address");
        }

        json.WriteNumber("requestBytes", answer.RequestBytes);
        json.WriteNumber("alignBytes", answer.AlignBytes);
        json.WriteNumber("largestHoleBytes", answer.LargestHoleBytes);
        json.WriteNumber("shortByBytes", answer.ShortByBytes);
        json.WriteNumber("freeBytes", account.FreeBytes);
        json.WriteNumber("holes", account.Holes);
        json.WriteBoolean("afterPurge", answer.IsAfterPurge);
        json.WriteBoolean("addressCertain", answer.AddressIsCertain);
        json.WriteStartObject("window");
        json.WriteString("name", account.Window.Name);
        text.Window(account.Window);
        json.WriteEndObject();
        json.WriteStartArray("notes");
        foreach (string note in answer.Notes)
        {
            json.WriteStringValue(note);
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }
}
