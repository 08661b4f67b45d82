using System.Globalization;
using System.Text;
using VmScope.Proc;

namespace VmScope.Sources;

/// <summary>Replaces module and host names in a set of files, the same name by the same word everywhere.</summary>
/// <remarks>
/// A caller inside a module tells the module by its own name (e1000_setup_all_tx_resources), so the symbol in front of a
/// "[module]" goes too: module1_symbol1. Offsets, sizes and addresses stay: they are the evidence.
/// </remarks>
internal sealed class Redactor
{
    /// <summary>Names of nobody: replacing them would hide the distribution and protect no one.</summary>
    private static readonly string[] CommonHosts = ["localhost", "(none)", "linux", "debian", "ubuntu", "fedora", "kernel", "host"];

    private readonly Dictionary<string, string> _words = new(StringComparer.Ordinal);
    private readonly Dictionary<string, string> _symbols = new(StringComparer.Ordinal);
    private readonly HashSet<string> _hosts = new(StringComparer.OrdinalIgnoreCase);

    /// <summary>Finds the names to replace.</summary>
    internal Redactor(IEnumerable<(string Name, byte[] Content)> files, IEnumerable<string> hostNames)
    {
        foreach (string host in hostNames)
        {
            AddHost(host);
        }

        foreach ((string name, byte[] content) in files)
        {
            if (name == EvidenceNames.Modules)
            {
                foreach (LoadedModule module in ModulesFile.Read(new MemoryStream(content, writable: false), name, new DiagnosticList()))
                {
                    AddModule(module.Name);
                    foreach (string user in module.UsedBy)
                    {
                        AddModule(user);
                    }
                }
            }
            else if (name is EvidenceNames.VmallocInfo or EvidenceNames.Dmesg)
            {
                string text = Encoding.Latin1.GetString(content);
                FindBracketed(text);
                if (name == EvidenceNames.Dmesg)
                {
                    FindInLog(text);
                }
            }
        }
    }

    /// <summary>How many modules have a new name.</summary>
    internal int ModuleCount { get; private set; }

    /// <summary>The file with its names replaced.</summary>
    internal byte[] Redact(string name, byte[] content)
    {
        // Elsewhere the kernel writes neither, and a word that equals a name (a host "zone", a module "processor") is its own.
        bool hasModules = name is EvidenceNames.Modules or EvidenceNames.VmallocInfo or EvidenceNames.Iomem || IsFree(name);
        if (!hasModules)
        {
            return content;
        }

        // Latin-1 keeps every byte, whatever the text's encoding.
        string text = Encoding.Latin1.GetString(content);
        text = Symbols(text);
        text = Words(text, IsFree(name));
        return Encoding.Latin1.GetBytes(name is EvidenceNames.Version or EvidenceNames.Dmesg ? Builder(text) : text);
    }

    /// <summary>Whether a file holds what people and programs wrote, not only what the kernel prints.</summary>
    private static bool IsFree(string name) => name is EvidenceNames.Dmesg or EvidenceNames.CommandLine or EvidenceNames.Version
        or EvidenceNames.Uname or EvidenceNames.Case;

    private void AddHost(string name)
    {
        string first = name.Trim().Split('.')[0];
        // A number alone would be found in every time stamp.
        if (first.Length > 1 && first.Any(char.IsAsciiLetter) && !CommonHosts.Contains(first, StringComparer.OrdinalIgnoreCase))
        {
            _hosts.Add(first);
        }
    }

    // The host a syslog line names, the one systemd sets, and the modules an oops lists.
    private void FindInLog(string text)
    {
        const string linked = "Modules linked in:";
        foreach (ReadOnlySpan<char> line in text.AsSpan().EnumerateLines())
        {
            int at = line[..Math.Min(line.Length, 128)].IndexOf(" kernel: ", StringComparison.Ordinal);
            if (at > 0 && DmesgPrefix.Strip(line).Length <= line.Length - at - " kernel: ".Length)
            {
                AddHost(line[(line[..at].LastIndexOf(' ') + 1)..at].ToString());
            }

            at = line.IndexOf("ostname ", StringComparison.Ordinal);
            int open = at < 0 ? -1 : line[at..].IndexOf("to <", StringComparison.Ordinal);
            if (open >= 0 && line[(at + open)..].IndexOf('>') is > 4 and int close)
            {
                AddHost(line[(at + open + 4)..(at + open + close)].ToString());
            }

            at = line.IndexOf(linked, StringComparison.Ordinal);
            if (at >= 0)
            {
                foreach (string word in line[(at + linked.Length)..].ToString().Split(' ', StringSplitOptions.RemoveEmptyEntries))
                {
                    // "name(OE)", and "[last unloaded: name]" in the end.
                    AddModule(word.TrimStart('[').TrimEnd(']').Split('(')[0]);
                }
            }
        }
    }

    private void AddModule(string name)
    {
        if (name.Length == 0 || name is "last" or "unloaded" || name.AsSpan().IndexOfAnyExcept(Names) >= 0 || _words.ContainsKey(name))
        {
            return;
        }

        string replacement = string.Create(CultureInfo.InvariantCulture, $"module{++ModuleCount}");
        _words[name] = replacement;
        // Tools and people write a module's name with dashes as well.
        _words.TryAdd(name.Replace('_', '-'), replacement);
        _words.TryAdd(name.Replace('-', '_'), replacement);
    }

    private static readonly System.Buffers.SearchValues<char> Names = System.Buffers.SearchValues.Create(
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");

    // "symbol+0x97/0x550 [module]": the module of a caller that is no longer loaded is in no module list.
    private void FindBracketed(string text)
    {
        for (int at = text.IndexOf(" [", StringComparison.Ordinal); at >= 0; at = text.IndexOf(" [", at + 2, StringComparison.Ordinal))
        {
            if (IsOffset(text, at, out _) && text.IndexOf(']', at) is > 0 and int close && close - at < 80)
            {
                // "[module buildid]" on kernels that print it.
                AddModule(text[(at + 2)..close].Split(' ')[0]);
            }
        }
    }

    private string Symbols(string text)
    {
        StringBuilder result = new(text.Length);
        int copied = 0;
        for (int at = text.IndexOf(" [", StringComparison.Ordinal); at >= 0; at = text.IndexOf(" [", at + 2, StringComparison.Ordinal))
        {
            if (!IsOffset(text, at, out int symbolEnd) || text.IndexOf(']', at) is not (> 0 and int close)
                || !_words.TryGetValue(text[(at + 2)..close].Split(' ')[0], out string? module))
            {
                continue;
            }

            int start = symbolEnd;
            while (start > 0 && (char.IsAsciiLetterOrDigit(text[start - 1]) || text[start - 1] is '_' or '.' or '$'))
            {
                start--;
            }

            if (start == symbolEnd || start < copied)
            {
                continue;
            }

            string key = module + " " + text[start..symbolEnd];
            if (!_symbols.TryGetValue(key, out string? replacement))
            {
                replacement = string.Create(CultureInfo.InvariantCulture, $"{module}_symbol{_symbols.Count + 1}");
                _symbols[key] = replacement;
            }

            result.Append(text, copied, start - copied).Append(replacement);
            copied = symbolEnd;
        }

        return result.Append(text, copied, text.Length - copied).ToString();
    }

    // Whether "symbol+0x12/0x34" ends at a place; tells where the symbol itself ends.
    private static bool IsOffset(string text, int end, out int symbolEnd)
    {
        int at = end;
        while (at > 0 && (char.IsAsciiHexDigit(text[at - 1]) || text[at - 1] is 'x' or '/'))
        {
            at--;
        }

        symbolEnd = at - 1;
        return at > 1 && end - at >= 3 && text[at - 1] == '+' && text[at] == '0';
    }

    private string Words(string text, bool isFree)
    {
        StringBuilder result = new(text.Length);
        int at = 0;
        while (at < text.Length)
        {
            if (!IsWord(text[at]))
            {
                result.Append(text[at++]);
                continue;
            }

            int start = at;
            while (at < text.Length && IsWord(text[at]))
            {
                at++;
            }

            at = Word(text, start, at, isFree, result);
        }

        return result.ToString();
    }

    // A word with dashes may be a name as a whole ("my-host", "snd-hda-intel") or have one at its start ("e1000-rx-0").
    private int Word(string text, int start, int end, bool isFree, StringBuilder result)
    {
        string word = text[start..end];
        if (isFree && _hosts.Contains(word))
        {
            result.Append("host");
            return PastDomain(text, end);
        }

        if (_words.TryGetValue(word, out string? replacement))
        {
            result.Append(replacement);
            return end;
        }

        int dash = word.IndexOf('-', StringComparison.Ordinal);
        if (dash > 0 && _words.TryGetValue(word[..dash], out replacement))
        {
            result.Append(replacement).Append(word, dash, word.Length - dash);
            return end;
        }

        // A log names a module's functions and threads without naming the module: "e1000_probe".
        for (int under = isFree ? word.LastIndexOf('_') : -1; under > 0; under = word.LastIndexOf('_', under - 1))
        {
            if (_words.TryGetValue(word[..under], out replacement))
            {
                result.Append(replacement).Append(word, under, word.Length - under);
                return end;
            }
        }

        result.Append(word);
        return end;
    }

    private static int PastDomain(string text, int at)
    {
        int end = at;
        while (end + 1 < text.Length && text[end] == '.' && char.IsAsciiLetterOrDigit(text[end + 1]))
        {
            end++;
            while (end < text.Length && IsWord(text[end]))
            {
                end++;
            }
        }

        return end;
    }

    private static bool IsWord(char c) => char.IsAsciiLetterOrDigit(c) || c is '_' or '-';

    // "Linux version 6.1.0 (user@machine) …": the builder's machine is a host as well, unless it is a distribution's.
    private static string Builder(string text)
    {
        int banner = text.IndexOf("Linux version ", StringComparison.Ordinal);
        int open = banner < 0 ? -1 : text.IndexOf(" (", banner, StringComparison.Ordinal);
        int close = open < 0 ? -1 : text.IndexOf(')', open);
        if (close < 0 || close - open > 200)
        {
            return text;
        }

        string builder = text[(open + 2)..close];
        return !builder.Contains('@', StringComparison.Ordinal) || builder.Contains("debian.org", StringComparison.Ordinal)
            ? text
            : string.Concat(text.AsSpan(0, open + 2), "user@host", text.AsSpan(close));
    }
}
