using System.Text;
using System.Text.Json;
using VmScope.Tests.Support;

namespace VmScope.Tests.Analysis;

/// <summary>
/// Goal: no bundle, however torn, makes doctor, diff or watch do anything but answer or refuse. Method: recorded
/// captures with seeded damage to every file (lines cut, moved, repeated, bytes changed, numbers blown up), packed anew.
/// </summary>
public sealed class HostileBundleTests : IDisposable
{
    private static readonly string[] Victims = ["dmesg", "vmallocinfo", "meminfo", "case.json", "iomem", "zoneinfo", "cpuinfo", "modules", "buddyinfo"];
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("vmscope-hostile");

    public void Dispose() => _folder.Delete(recursive: true);

    public static TheoryData<int> Seeds => [.. Enumerable.Range(1, 24)];

    [Theory, MemberData(nameof(Seeds))]
    public void Damaged_bundles_are_answered_or_refused(int seed)
    {
        Random random = new(seed);
        string[] kinds = ["-fail-", "armhf-", "amd64-", "arm64-", "riscv64-"];
        string[] fitting = [.. Captures.Names.Where(name => name.Contains(kinds[seed % kinds.Length], StringComparison.Ordinal))];
        string bundle = Path.Combine(_folder.FullName, "bundle");
        Damage(fitting[random.Next(fitting.Length)], bundle, random);
        string other = Path.Combine(_folder.FullName, "other");
        Damage(fitting[random.Next(fitting.Length)], other, random);
        foreach (string[] arguments in new string[][]
        {
            ["doctor", bundle], ["doctor", bundle, "--json", "--margin", "1G"], ["diff", bundle, other, "--json"], ["diff", other, bundle, bundle],
            ["doctor", Path.Combine(bundle, "dmesg")], ["watch", bundle, "--for", "100ms", "--every", "100ms"],
        })
        {
            CliRun run = CliRun.Of(arguments);
            Assert.InRange(run.ExitCode, 0, 3);
            Assert.DoesNotContain("   at VmScope", run.ErrorText, StringComparison.Ordinal);
            Assert.DoesNotContain(run.OutText + run.ErrorText, c => char.IsControl(c) && c != '\n');
            if (run.ExitCode < 2 && arguments.Contains("--json"))
            {
                _ = JsonDocument.Parse(run.OutText);
            }
        }
    }

    [Theory, InlineData(1), InlineData(2), InlineData(3)]
    public void Bytes_without_sense_are_refused(int seed)
    {
        Random random = new(seed);
        byte[] noise = new byte[random.Next(1, 20_000)];
        random.NextBytes(noise);
        foreach (string command in new[] { "doctor", "diff" })
        {
            CliRun run = CliRun.With(noise, command == "diff" ? ["diff", "-", "/dev/null"] : [command, "-"]);
            Assert.InRange(run.ExitCode, 2, 3);
            Assert.DoesNotContain(run.ErrorText, c => char.IsControl(c) && c != '\n');
        }
    }

    private static void Damage(string capture, string folder, Random random)
    {
        Directory.CreateDirectory(folder);
        VmScope.Sources.EvidenceBundle bundle = VmScope.Sources.EvidenceBundle.Open(Captures.Archive(capture), Stream.Null);
        foreach (string name in Victims)
        {
            if (random.Next(8) == 0 || !bundle.TryOpen(name, out Stream stream))
            {
                continue;
            }

            using StreamReader reader = new(stream, Encoding.Latin1);
            List<string> lines = [.. reader.ReadToEnd().Split('\n')];
            for (int edits = random.Next(0, 30); edits > 0 && lines.Count > 1; edits--)
            {
                int at = random.Next(lines.Count);
                lines[at] = random.Next(8) switch
                {
                    0 => lines[at][..random.Next(lines[at].Length + 1)],
                    1 => lines[random.Next(lines.Count)],
                    2 => lines[at].Replace('0', (char)random.Next(1, 256)),
                    3 => lines[at].Replace("1", "18446744073709551615", StringComparison.Ordinal),
                    4 => lines[at].Replace("0x", "0xffffffffffffffff", StringComparison.Ordinal),
                    5 => "vmap allocation for size " + random.NextInt64() + " failed: use vmalloc=<size> to increase size",
                    6 => $"vmalloc_node_range for size {random.NextInt64()} failed: Address range restricted to 0x{random.NextInt64():x} - 0x{random.NextInt64():x}",
                    _ => new string((char)random.Next(1, 256), random.Next(0, 300)),
                };
            }

            if (random.Next(6) == 0)
            {
                lines.RemoveRange(lines.Count / 2, lines.Count - (lines.Count / 2));
            }

            File.WriteAllText(Path.Combine(folder, name), string.Join('\n', lines), Encoding.Latin1);
        }
    }
}
