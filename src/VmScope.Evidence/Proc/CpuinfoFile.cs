using System.Collections.Frozen;

namespace VmScope.Proc;

/// <summary>What /proc/cpuinfo says of the processors, as far as it bears on the address space.</summary>
/// <param name="OnlineCount">Processors listed: the ones online. A copy may hold only the first.</param>
/// <param name="ModelName">The processor's name; null when none is printed.</param>
/// <param name="Flags">Feature words of the first processor: x86 flags, arm Features, the letters and extensions of a riscv isa line.</param>
/// <param name="PhysicalBits">Physical address bits (x86); null when not printed.</param>
/// <param name="VirtualBits">Virtual address bits (x86); null when not printed.</param>
/// <param name="Mmu">The riscv paging mode: sv39, sv48, sv57; null elsewhere.</param>
public sealed record CpuinfoReport(
    int OnlineCount, string? ModelName, FrozenSet<string> Flags, int? PhysicalBits, int? VirtualBits, string? Mmu)
{
    /// <summary>Whether the first processor has a feature.</summary>
    public bool Has(string flag) => Flags.Contains(flag);
}

/// <summary>Reads /proc/cpuinfo.</summary>
public static class CpuinfoFile
{
    private const long LimitBytes = 64 << 20;

    /// <summary>Reads a cpuinfo text; a line without a colon becomes a diagnostic.</summary>
    /// <exception cref="EvidenceException">The text cannot be read or is far too long.</exception>
    public static CpuinfoReport Read(Stream stream, string file, DiagnosticList diagnostics)
    {
        int online = 0;
        string? model = null;
        string? mmu = null;
        HashSet<string> flags = new(StringComparer.Ordinal);
        bool haveFlags = false;
        int? physicalBits = null;
        int? virtualBits = null;
        TextLines text = new(stream, file, LimitBytes);
        while (text.TryRead(out string line))
        {
            int colon = line.IndexOf(':', StringComparison.Ordinal);
            if (colon < 0)
            {
                if (!string.IsNullOrWhiteSpace(line))
                {
                    diagnostics.Add(file, text.Number, line, "not a cpuinfo line");
                }

                continue;
            }

            string value = line[(colon + 1)..].Trim();
            switch (line[..colon].Trim())
            {
                case "processor":
                    online++;
                    break;
                case "model name" or "Processor" or "uarch":
                    model ??= value;
                    break;
                case "flags" or "Features" or "isa" or "features" when !haveFlags:
                    haveFlags = true;
                    flags.UnionWith(value.Split([' ', '_'], StringSplitOptions.RemoveEmptyEntries));
                    // An x86 flag may hold an underscore itself.
                    flags.UnionWith(value.Split(' ', StringSplitOptions.RemoveEmptyEntries));
                    break;
                case "mmu":
                    mmu ??= value;
                    break;
                case "address sizes":
                    Scan scan = new(value);
                    if (scan.Decimal(out ulong bits) && bits <= 64 && scan.Behind(", ") && scan.Decimal(out ulong more) && more <= 64)
                    {
                        (physicalBits, virtualBits) = ((int)bits, (int)more);
                    }

                    break;
                default:
                    break;
            }
        }

        return new CpuinfoReport(online, model, flags.ToFrozenSet(StringComparer.Ordinal), physicalBits, virtualBits, mmu);
    }
}
