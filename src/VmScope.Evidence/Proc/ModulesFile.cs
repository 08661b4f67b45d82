using System.Collections.Immutable;

namespace VmScope.Proc;

/// <summary>One line of /proc/modules.</summary>
/// <param name="Name">The module.</param>
/// <param name="SizeBytes">Its memory in bytes.</param>
/// <param name="Users">How many users keep it loaded; null where the kernel prints "-".</param>
/// <param name="UsedBy">The modules that use it.</param>
/// <param name="State">Live, Loading or Unloading.</param>
/// <param name="Address">Where it is loaded; null when the kernel hides addresses (all zeros) or prints none.</param>
/// <param name="Taints">The letters in parentheses: O, E, P …; empty for none.</param>
public sealed record LoadedModule(
    string Name, ulong SizeBytes, ulong? Users, ImmutableArray<string> UsedBy, string State, VirtualAddress? Address, string Taints);

/// <summary>Reads /proc/modules.</summary>
/// <remarks>Source: kernel/module/procfs.c, m_show() (kernel/module.c before 5.19).</remarks>
public static class ModulesFile
{
    private const long LimitBytes = 8 << 20;

    /// <summary>Reads a modules text; a line of another shape becomes a diagnostic.</summary>
    /// <exception cref="EvidenceException">The text cannot be read or is far too long.</exception>
    public static ImmutableArray<LoadedModule> Read(Stream stream, string file, DiagnosticList diagnostics)
    {
        ImmutableArray<LoadedModule>.Builder modules = ImmutableArray.CreateBuilder<LoadedModule>();
        TextLines text = new(stream, file, LimitBytes);
        while (text.TryRead(out string line))
        {
            if (TryParse(line) is { } module)
            {
                modules.Add(module);
            }
            else if (!string.IsNullOrWhiteSpace(line))
            {
                diagnostics.Add(file, text.Number, line, "not a modules line");
            }
        }

        return modules.ToImmutable();
    }

    private static LoadedModule? TryParse(string line)
    {
        Scan scan = new(line);
        string name = scan.Word().ToString();
        scan.Blanks();
        if (name.Length == 0 || !scan.Decimal(out ulong size) || scan.Blanks() == 0)
        {
            return null;
        }

        ulong? users = null;
        if (scan.Decimal(out ulong count))
        {
            users = count;
        }
        else if (!scan.Text("-"))
        {
            return null;
        }

        scan.Blanks();
        string by = scan.Word().ToString();
        scan.Blanks();
        string state = scan.Word().ToString();
        scan.Blanks();
        VirtualAddress? address = scan.Hex(out ulong value) && value != 0 ? new VirtualAddress(value) : null;
        scan.Blanks();
        string taints = scan.Word().ToString();
        return new LoadedModule(name, size, users,
            by is "-" or "" ? [] : [.. by.Split(',', StringSplitOptions.RemoveEmptyEntries)],
            state, address, taints.Trim('(', ')'));
    }
}
