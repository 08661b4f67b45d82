using VmScope.Kernels;

namespace VmScope.Layout;

/// <summary>Boot options of both kinds of x86 that the prediction does not follow, said aloud.</summary>
internal static class X86Options
{
    internal static void NoteZoneOptions(LayoutBuilder builder)
    {
        if (MovableZone.NotFollowed(builder.Inputs.Kernel.CommandLine) is { } option)
        {
            builder.Note($"{option} moves memory into zone Movable; the zones here do not show that");
        }
    }

    /// <summary>States what is taken for the memory when no map was given.</summary>
    internal static void StateMemory(LayoutBuilder builder)
    {
        if (builder.Inputs.Memory is not null)
        {
            return;
        }

        if (builder.Inputs.RamBytes is null)
        {
            builder.Assume(new Assumption("RAM", DerivationText.BytesText(X86Memory.AssumedRamBytes), "nobody said how much there is"));
        }

        builder.Assume(new Assumption("memory map", "RAM from 0 on without holes but 640 KiB to 1 MiB",
            "only the amount was given; firmware keeps some at the top"));
    }

    /// <summary>Where the highest frame number comes from.</summary>
    internal static string MemorySource(LayoutInputs inputs) => (inputs.Memory, inputs.RamBytes) switch
    {
        ({ }, _) => "given: the memory map, after the boot options",
        (null, { }) => "given: the amount of RAM, after the boot options",
        _ => "assumed: the amount of RAM",
    };

    /// <summary>Says which of the options that move things on other kernels do nothing on this one.</summary>
    internal static void NoteIgnored(LayoutBuilder builder, ReadOnlySpan<string> names)
    {
        foreach (string name in names)
        {
            if (builder.Inputs.Kernel.CommandLine.Has(name))
            {
                builder.Note($"{name}= does nothing on this kernel");
            }
        }
    }
}
