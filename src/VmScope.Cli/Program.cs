using VmScope.Cli.Output;

namespace VmScope.Cli;

internal static class Program
{
    private static int Main(string[] args)
    {
        using SystemTerminal terminal = new();
        return Cli.Run(args, terminal);
    }
}
