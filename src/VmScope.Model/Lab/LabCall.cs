using VmScope.Machine;

namespace VmScope.Lab;

/// <summary>A command being run: its arguments, read one by one, and what it has to say.</summary>
internal sealed class LabCall
{
    private readonly LabSession _session;
    private readonly Statement.Command _command;
    private readonly HashSet<Argument> _used = [];

    internal LabCall(LabSession session, Statement.Command command) => (_session, _command) = (session, command);

    internal LabSession Session => _session;

    internal Token At => _command.At;

    /// <summary>What the operation did; null when the command is none.</summary>
    internal OperationReport? Report { get; set; }

    /// <summary>Further lines to print behind the outcome.</summary>
    internal List<string> Lines { get; } = [];

    /// <summary>The name the answer will have, for naming the caller of an allocation.</summary>
    internal string? TargetName => _command.Target?.Text;

    /// <summary>Arguments without a name that were not read yet.</summary>
    internal bool HasMore => _command.Arguments.Any(argument => argument.Option is null && !_used.Contains(argument));

    /// <summary>The next argument in its place.</summary>
    internal LabValue Value(string what) => _session.EvaluateArgument(Take(what));

    /// <summary>The next argument as a number or address.</summary>
    internal ulong Number(string what)
    {
        Argument argument = Take(what);
        LabValue value = _session.EvaluateArgument(argument);
        return value.Kind switch
        {
            LabValueKind.Number or LabValueKind.Address => value.Number,
            _ => throw argument.At.Error($"{what} must be a number, not {value}"),
        };
    }

    /// <summary>The next argument as an address.</summary>
    internal VirtualAddress Address(string what) => Address(what, mayBeNull: false);

    /// <summary>The next argument as an address, NULL as 0: for functions that take it as a matter of course.</summary>
    internal VirtualAddress AddressOrNull(string what) => Address(what, mayBeNull: true);

    private VirtualAddress Address(string what, bool mayBeNull)
    {
        Argument argument = Take(what);
        LabValue value = _session.EvaluateArgument(argument);
        return value.Kind switch
        {
            LabValueKind.Number or LabValueKind.Address => new VirtualAddress(value.Number),
            LabValueKind.Null when mayBeNull => default,
            LabValueKind.Null => throw argument.At.Error($"{what} is NULL"),
            LabValueKind.Page when _session.Machine!.DirectAddress(new PageFrameNumber(value.Number)) is { } direct => direct,
            _ => throw argument.At.Error($"{what} must be an address, not {value}"),
        };
    }

    /// <summary>The next argument as a block of frames.</summary>
    internal LabValue Page(string what)
    {
        Argument argument = Take(what);
        LabValue value = _session.EvaluateArgument(argument);
        return value.Kind == LabValueKind.Page ? value : throw argument.At.Error($"{what} must be a page (from alloc, or page(FRAME)), not {value}");
    }

    /// <summary>The next argument as it was written.</summary>
    internal string Raw(string what) => Take(what).Raw;

    /// <summary>The next argument as a text: a text in quotes, or a word as it was written.</summary>
    internal string Word(string what)
    {
        Argument argument = Take(what);
        return argument.Value is Expression.Literal { Value: { Kind: LabValueKind.Text, Text: { } text } } ? text : argument.Raw;
    }

    /// <summary>Whether a bare word is among the arguments.</summary>
    internal bool Flag(string name)
    {
        Argument? argument = _command.Arguments.FirstOrDefault(candidate => !_used.Contains(candidate) && candidate.Option is null
            && candidate.Value is Expression.Name { Index: null } && string.Equals(candidate.Raw, name, StringComparison.OrdinalIgnoreCase));
        argument ??= _command.Arguments.FirstOrDefault(candidate => string.Equals(candidate.Option, name, StringComparison.OrdinalIgnoreCase) && name.StartsWith("--", StringComparison.Ordinal));
        return argument is not null && _used.Add(argument);
    }

    /// <summary>Takes the first of several words that is among the arguments.</summary>
    internal string? OneOf(params ReadOnlySpan<string> names)
    {
        foreach (string name in names)
        {
            if (Flag(name))
            {
                return name;
            }
        }

        return null;
    }

    /// <summary>The value of name=…; null when it was not given.</summary>
    internal LabValue? Option(string name)
    {
        Argument? argument = Find(name);
        return argument is null ? null : _session.EvaluateArgument(argument);
    }

    /// <summary>The number of name=…; the default when it was not given.</summary>
    internal ulong NumberOption(string name, ulong byDefault, ulong most = ulong.MaxValue)
    {
        Argument? argument = Find(name);
        if (argument is null)
        {
            return byDefault;
        }

        LabValue value = _session.EvaluateArgument(argument);
        return value.Kind is not (LabValueKind.Number or LabValueKind.Address)
            ? throw argument.At.Error($"{name}= must be a number, not {value}")
            : value.Number > most ? throw argument.At.Error($"{name}={value.Number}: at most {most}") : value.Number;
    }

    /// <summary>The text of name=…, as it was written; null when it was not given.</summary>
    internal string? TextOption(string name)
    {
        Argument? argument = Find(name);
        return argument is null ? null
            : argument.Value is Expression.Literal { Value: { Kind: LabValueKind.Text, Text: { } text } } ? text : argument.Raw;
    }

    /// <summary>The CPU a command runs on: cpu=, or the session's own.</summary>
    internal int Cpu(BootedMachine machine)
    {
        ulong cpu = NumberOption("cpu", (ulong)_session.DefaultCpu);
        return cpu < (ulong)machine.Description.Cpus ? (int)cpu : throw At.Error($"cpu={cpu}: the machine has {machine.Description.Cpus}");
    }

    /// <summary>The NUMA node of node=; null for the node of the CPU.</summary>
    internal int? Node(BootedMachine machine)
    {
        if (Option("node") is not { } value)
        {
            return null;
        }

        return value.Kind == LabValueKind.Number && value.Number < (ulong)machine.Pages.NodeCount
            ? (int)value.Number
            : throw At.Error($"node={value}: the machine has {machine.Pages.NodeCount}");
    }

    /// <summary>Refuses arguments nobody read.</summary>
    internal void CheckAllUsed()
    {
        Argument? left = _command.Arguments.FirstOrDefault(argument => !_used.Contains(argument));
        if (left is not null)
        {
            throw left.At.Error($"{_command.Name} does not know what to do with '{(left.Option is null ? left.Raw : left.Option)}'; see: help {_command.Name}");
        }
    }

    private Argument Take(string what)
    {
        Argument? argument = _command.Arguments.FirstOrDefault(candidate => candidate.Option is null && !_used.Contains(candidate));
        if (argument is null)
        {
            throw At.Error($"{_command.Name} needs {what}; see: help {_command.Name}");
        }

        _used.Add(argument);
        return argument;
    }

    private Argument? Find(string name)
    {
        Argument? argument = _command.Arguments.FirstOrDefault(candidate => string.Equals(candidate.Option, name, StringComparison.OrdinalIgnoreCase));
        if (argument is not null)
        {
            _used.Add(argument);
        }

        return argument;
    }
}
