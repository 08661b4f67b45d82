namespace VmScope.Sources;

/// <summary>The names vmscope knows files by, and where the usual collections keep them.</summary>
internal static class EvidenceNames
{
    internal const string VmallocInfo = "vmallocinfo";
    internal const string Version = "version";
    internal const string Uname = "uname";
    internal const string CommandLine = "cmdline";
    internal const string Config = "config";
    internal const string Cpuinfo = "cpuinfo";
    internal const string Iomem = "iomem";
    internal const string Meminfo = "meminfo";
    internal const string Dmesg = "dmesg";
    internal const string Zoneinfo = "zoneinfo";
    internal const string Buddyinfo = "buddyinfo";
    internal const string Modules = "modules";
    internal const string Case = "case.json";
    internal const string Trace = "trace";
    internal const string PossibleCpus = "cpu-possible";
    internal const string PresentCpus = "cpu-present";

    /// <summary>The /proc files of a bundle, in the order they are collected.</summary>
    internal static readonly string[] ProcFiles =
        [Version, CommandLine, Cpuinfo, Iomem, Meminfo, VmallocInfo, Zoneinfo, Buddyinfo, Modules];

    private static readonly string[] Suffixes = ["", ".txt", ".gz", ".txt.gz"];

    /// <summary>
    /// Where a file may lie: as it is in a capture (with .txt or not, gzipped or not), below proc/ as in a copy of the
    /// root or an sosreport, and the places an sosreport has of its own.
    /// </summary>
    internal static IEnumerable<string> Candidates(string name)
    {
        if (name == Case)
        {
            yield return Case;
            yield break;
        }

        foreach (string suffix in Suffixes)
        {
            yield return name + suffix;
        }

        yield return "proc/" + name;
        yield return "proc/" + name + ".gz";
        foreach (string path in Elsewhere(name))
        {
            yield return path;
        }
    }

    private static string[] Elsewhere(string name) => name switch
    {
        Dmesg =>
        [
            "sos_commands/kernel/dmesg", "sos_commands/kernel/dmesg_-T", "sos_commands/general/dmesg",
            "var/log/dmesg", "kmsg", "kern.log", "dmesg.log",
            "sos_commands/logs/journalctl_--no-pager_--boot", "var/log/kern.log", "var/log/messages",
        ],
        // A recorded trace has listings from both its ends; the later one says how things are.
        VmallocInfo => ["vmallocinfo-after.txt", "vmallocinfo-after", "vmallocinfo-after.txt.gz"],
        Meminfo => ["meminfo-after.txt", "meminfo-after", "meminfo-after.txt.gz"],
        Uname => ["sos_commands/kernel/uname_-a", "sos_commands/host/uname_-a", "uname-a"],
        Config => [".config", "kconfig"],
        Trace => ["sys/kernel/tracing/trace", "sys/kernel/debug/tracing/trace"],
        PossibleCpus => ["sys/devices/system/cpu/possible"],
        PresentCpus => ["sys/devices/system/cpu/present"],
        _ => [],
    };
}
