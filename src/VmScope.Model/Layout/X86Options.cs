using VmScope.Kernels;

namespace VmScope.Layout;

/// <summary>Boot options of both kinds of x86 that the prediction does not follow, said aloud.</summary>
internal static class X86Options
{
    internal static void NoteZoneOptions(LayoutBuilder builder)
    {
        foreach (BootOption option in builder.Inputs.Kernel.CommandLine.Options)
        {
            if (option.Name is "kernelcore" or "movablecore" or "movable_node")
            {
                builder.Note($"{option.Name} moves memory into zone Movable; the zones here do not show that");
            }
        }
    }
}
