using VmScope.Physical;
using VmScope.Vmalloc;

namespace VmScope.Lab;

/// <summary>What the lab needs of the world: somewhere to write, files, and the texts of /proc.</summary>
public abstract class LabHost
{
    /// <summary>Prints a line of output.</summary>
    public abstract void Line(string text);

    /// <summary>The list of areas as the kernel writes it.</summary>
    public abstract string Text(VmallocReport report);

    /// <summary>/proc/buddyinfo as the kernel writes it.</summary>
    public abstract string Text(BuddyinfoReport report);

    /// <summary>/proc/zoneinfo as the kernel writes it.</summary>
    public abstract string Text(ZoneinfoReport report);

    /// <summary>/proc/meminfo as the kernel writes it.</summary>
    public abstract string Text(MeminfoReport report);

    /// <summary>/proc/iomem as the kernel writes it.</summary>
    public abstract string Text(IomemReport report);

    /// <summary>Reads a script.</summary>
    /// <exception cref="IOException">It cannot be read.</exception>
    public abstract string ReadScript(string name);

    /// <summary>Writes a script.</summary>
    /// <exception cref="IOException">It cannot be written.</exception>
    public abstract void WriteScript(string name, string text);

    /// <summary>Opens a file for writing.</summary>
    /// <exception cref="IOException">It cannot be opened.</exception>
    public abstract Stream Create(string name);
}
