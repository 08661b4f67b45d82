namespace VmScope.Cli;

/// <summary>What a script reads from <c>$?</c>; the same for every command.</summary>
internal static class ExitCode
{
    /// <summary>Nothing wrong.</summary>
    internal const int Fine = 0;

    /// <summary>The answer is a finding: does not fit, differs, leaks, overlaps.</summary>
    internal const int Finding = 1;

    /// <summary>The command line is wrong.</summary>
    internal const int Usage = 2;

    /// <summary>The input cannot be read.</summary>
    internal const int Unreadable = 3;
}

/// <summary>The command line asks for something impossible; exit code 2.</summary>
internal sealed class UsageException(string message) : Exception(message);
