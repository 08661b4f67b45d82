namespace VmScope.Cli.Commands;

/// <summary>Reads the plain forms of <c>vmscope explain</c>'s command line without the command-line library.</summary>
/// <remarks>
/// The library costs more at start-up than reading and explaining a list (docs/decisions/start-up.md). Whatever is not
/// plain (help, an unknown or repeated option, a value joined by '=') is left to the library, which also words the
/// errors; a test holds both against each other.
/// </remarks>
internal static class ExplainArguments
{
    /// <summary>Reads the arguments behind the command's name.</summary>
    /// <returns>Null when some of them are not plain.</returns>
    internal static ExplainSettings? TryParse(ReadOnlySpan<string> args)
    {
        string? evidence = null;
        string? sample = null;
        string? color = null;
        string? by = null;
        string? sort = null;
        string? area = null;
        bool json = false;
        bool csv = false;
        bool all = false;
        bool ascii = false;
        for (int i = 0; i < args.Length; i++)
        {
            string arg = args[i];
            bool isPlain = arg switch
            {
                "--json" => Set(ref json),
                "--csv" => Set(ref csv),
                "--all" => Set(ref all),
                "--ascii" => Set(ref ascii),
                "--sample" => Take(args, ref i, ref sample),
                "--color" => Take(args, ref i, ref color) && color is "auto" or "always" or "never",
                "--by" => Take(args, ref i, ref by) && ExplainCommand.TryGrouping(by!) is not null,
                "--sort" => Take(args, ref i, ref sort) && ExplainCommand.TryOrder(sort!) is not null,
                "--area" => Take(args, ref i, ref area),
                _ => IsOperand(arg) && evidence is null && (evidence = arg) is not null,
            };
            if (!isPlain)
            {
                return null;
            }
        }

        return new ExplainSettings
        {
            Evidence = evidence,
            Sample = sample,
            Json = json,
            Csv = csv,
            All = all,
            Ascii = ascii,
            By = by is null ? Grouping.Caller : ExplainCommand.TryGrouping(by)!.Value,
            Sort = sort is null ? OwnerOrder.Bytes : ExplainCommand.TryOrder(sort)!.Value,
            Address = area is null ? null : ExplainCommand.ParseAddress(area),
            Color = color ?? "auto",
        };
    }

    private static bool Set(ref bool flag)
    {
        bool first = !flag;
        flag = true;
        return first;
    }

    private static bool Take(ReadOnlySpan<string> args, ref int at, ref string? value)
    {
        if (value is not null || at + 1 >= args.Length || !IsOperand(args[at + 1]))
        {
            return false;
        }

        value = args[++at];
        return true;
    }

    private static bool IsOperand(string arg) => arg == "-" || (arg.Length > 0 && arg[0] is not ('-' or '@'));
}
