using System.Collections.Immutable;
using System.Text;
using VmScope.Machine;
using VmScope.Paging;

namespace VmScope.Lab;

/// <summary>A session of the lab: one machine, its variables, and what has been done to it.</summary>
public sealed partial class LabSession
{
    /// <summary>How many statements a session runs before it stops as endless.</summary>
    public const int StatementsMax = 20_000_000;

    private const int LoadDepthMax = 8;
    private readonly LabHost _host;
    private readonly SortedDictionary<string, LabValue> _variables = new(StringComparer.Ordinal);
    private readonly StringBuilder _history = new();
    private readonly List<string> _messages = [];
    private Random _random = new(1);
    private BootedMachine? _machine;
    private OperationReport? _last;
    private int _statements;
    private int _repeating;
    private int _loading;
    private int _defaultCpu;

    /// <summary>Starts a session without a machine.</summary>
    public LabSession(LabHost host) => _host = host;

    /// <summary>How many expectations did not hold.</summary>
    public int FailedExpectations { get; private set; }

    /// <summary>How many expectations were checked.</summary>
    public int CheckedExpectations { get; private set; }

    /// <summary>Whether somebody asked to leave.</summary>
    public bool IsOver { get; private set; }

    /// <summary>Whether operations say nothing of their outcome; reports, prints and expectations still do.</summary>
    public bool IsQuiet { get; set; }

    /// <summary>The machine; null before boot.</summary>
    public BootedMachine? Machine => _machine;

    /// <summary>Whether text ends inside a block, so that more lines must follow.</summary>
    /// <exception cref="LabException">The text has a mistake that more lines cannot mend.</exception>
    public static bool NeedsMore(string text) => LabParser.IsOpen(text);

    /// <summary>Runs statements.</summary>
    /// <param name="text">One or many lines.</param>
    /// <param name="firstLine">The number of the first line, for messages.</param>
    /// <exception cref="LabException">The text has a mistake; what stands before it has been done.</exception>
    public void Run(string text, int firstLine = 1)
    {
        ImmutableArray<Statement> statements = LabParser.Parse(text, LabCommands.IsCommand, firstLine);
        for (int i = 0; i < statements.Length && !IsOver; i++)
        {
            Execute(statements[i]);
            // What a loaded script did is kept in place of the load.
            if (statements[i] is not Statement.Command { Name: "save" or "load" or "quit" })
            {
                int end = i + 1 < statements.Length ? statements[i + 1].Offset : text.Length;
                _history.Append(text[statements[i].Offset..end].TrimEnd('\n', ' ', ';')).Append('\n');
            }
        }
    }

    /// <summary>Words that could complete what is typed: commands first, then topics and variables.</summary>
    /// <param name="before">The line up to the cursor.</param>
    /// <returns>The words, sorted, that begin with the last word of the line.</returns>
    public IReadOnlyList<string> Complete(string before)
    {
        int start = before.Length;
        while (start > 0 && (char.IsAsciiLetterOrDigit(before[start - 1]) || before[start - 1] is '_' or '-' or '.'))
        {
            start--;
        }

        string word = before[start..];
        string[] earlier = before[..start].Split([' ', '\t'], StringSplitOptions.RemoveEmptyEntries);
        bool isFirst = earlier.Length == 0 || earlier[^1] is "=" or "{" or "fault" or "fail";
        IEnumerable<string> candidates = isFirst
            ? LabCommands.Names.Concat(["repeat", "expect"])
            : earlier[0] switch
            {
                "show" => LabCommands.Topics,
                "help" => LabCommands.Names.Concat(LabCommands.Topics),
                "explain" => ["last"],
                "boot" => ["i386", "x86-64", "ram=", "cpus=", "pae", "highmem", "nr_cpus=", "cmdline=", "config=", "la57", "gbpages", "nopse", "nonx", "pti", "min_free="],
                "alloc" => ["highmem", "normal", "dma", "dma32", "order=", "atomic", "zeroed", "cpu="],
                _ => [],
            };
        return
        [
            .. candidates.Concat(isFirst ? [] : _variables.Keys)
                .Where(candidate => candidate.StartsWith(word, StringComparison.OrdinalIgnoreCase))
                .Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal),
        ];
    }

    private void Execute(Statement statement)
    {
        if (++_statements > StatementsMax)
        {
            throw statement.At.Error($"{StatementsMax} statements were run: this does not seem to end");
        }

        switch (statement)
        {
            case Statement.Command command:
                RunCommand(command);
                break;
            case Statement.Assign assign:
                Store(assign.Target, Evaluate(assign.Value));
                break;
            case Statement.Repeat repeat:
                RunRepeat(repeat);
                break;
            case Statement.Expect expect:
                Check(Evaluate(expect.Condition).IsTrue, expect.At, () => $"not true: {expect.Source}{Sides(expect.Condition)}");
                break;
            case Statement.ExpectFailure expect:
                RunExpectedFailure(expect);
                break;
        }
    }

    private void RunCommand(Statement.Command command)
    {
        LabCall call = new(this, command);
        LabValue? value;
        try
        {
            value = LabCommands.Find(command.Name)!.Run(call);
            call.CheckAllUsed();
        }
        catch (ArgumentException error)
        {
            throw command.At.Error(error.Message.Split(" (Parameter", 2)[0].Split('\n')[0]);
        }
        catch (OverflowException)
        {
            throw command.At.Error("a number is too large for this command");
        }

        if (command.Target is { } target)
        {
            Store(target, value ?? throw command.At.Error($"{command.Name} has no value to keep"));
        }

        if (call.Report is { } report)
        {
            Announce(report, command.Target, call);
        }
    }

    private void Announce(OperationReport report, Expression.Name? target, LabCall call)
    {
        _last = report;
        _messages.AddRange(report.Log.Messages);
        if (_repeating > 0 || IsQuiet)
        {
            return;
        }

        _host.Line($"{(target is null ? report.Operation : NameOf(target))}: {report.Summary}");
        foreach (string line in call.Lines)
        {
            _host.Line(line);
        }

        foreach (string message in report.Log.Messages)
        {
            _host.Line($"  kernel: {message}");
        }
    }

    private void RunRepeat(Statement.Repeat repeat)
    {
        LabValue count = Evaluate(repeat.Count);
        if (count.Kind != LabValueKind.Number)
        {
            throw repeat.At.Error($"{count} is no number of repetitions");
        }

        _repeating++;
        try
        {
            for (ulong i = 0; i < count.Number && !IsOver; i++)
            {
                _variables[repeat.Variable] = LabValue.Of(i);
                foreach (Statement statement in repeat.Body)
                {
                    Execute(statement);
                }
            }
        }
        finally
        {
            _repeating--;
        }

        if (_repeating == 0 && !IsQuiet)
        {
            _host.Line($"repeated {count.Number} times{(_last is { } last ? $"; last: {last.Operation}: {last.Summary}" : "")}");
        }
    }

    private void RunExpectedFailure(Statement.ExpectFailure expect)
    {
        _last = null;
        Execute(expect.Inner);
        OperationReport? report = _last;
        if (report is null)
        {
            throw expect.At.Error("expect fail and expect fault need a command that can fail");
        }

        bool failed = !report.Succeeded && (!expect.IsFault || report.Fault is not null);
        bool said = expect.Text is null || report.Summary.Contains(expect.Text, StringComparison.Ordinal)
            || report.Log.Messages.Exists(message => message.Contains(expect.Text, StringComparison.Ordinal));
        string wanted = (expect.IsFault ? "a fault" : "a failure") + (expect.Text is { } text ? $" with \"{text}\"" : "");
        Check(failed && said, expect.At, () => $"{wanted} was expected, but {report.Operation}: {report.Summary}");
    }

    private void Check(bool holds, Token at, Func<string> complaint)
    {
        CheckedExpectations++;
        if (!holds)
        {
            FailedExpectations++;
            _host.Line($"expectation failed at line {at.Line}, column {at.Column}: {complaint()}");
        }
    }

    private string Sides(Expression condition) =>
        condition is Expression.Binary binary ? $" ({Evaluate(binary.Left)} {binary.Operator} {Evaluate(binary.Right)})" : "";

    private void Store(Expression.Name target, LabValue value)
    {
        if (LabCommands.IsCommand(target.Text))
        {
            throw target.At.Error($"'{target.Text}' is a command and cannot be a name");
        }

        _variables[NameOf(target)] = value;
    }

    private string NameOf(Expression.Name name) =>
        name.Index is { } index ? $"{name.Text}[{Evaluate(index)}]" : name.Text;

    private BootedMachine Booted(Token at) => _machine ?? throw at.Error("no machine runs yet: boot one, for example: boot i386 2.6.27 ram=1G");

    /// <summary>The words of an operation, for people.</summary>
    private static List<string> Explain(OperationReport report)
    {
        const int Shown = 12;
        List<string> lines = [$"{report.Operation}: {report.Summary}"];
        ActionLog log = report.Log;
        for (int i = 0; i < log.Steps.Count; i++)
        {
            lines.Add($"  {i + 1}. {log.Steps[i]}");
        }

        void Section<T>(string title, IReadOnlyCollection<T> items, int total, Func<T, string> text)
        {
            if (total == 0)
            {
                return;
            }

            lines.Add($"  {title} ({total}):");
            foreach (T item in items.Take(Shown))
            {
                lines.Add("    " + text(item));
            }

            if (total > Shown)
            {
                lines.Add($"    … and {total - Shown} more");
            }
        }

        Section("holes passed over", log.Holes, log.Holes.Count, hole => $"{hole.Start}..{new VirtualAddress(hole.EndExclusive.Value - 1)}: {hole.Why}");
        Section("frames", log.Frames, log.Frames.Total, move => $"{(move.IsTaken ? "taken" : "given back")}: 0x{move.First.Value:x}{(move.Order > 0 ? $", order {move.Order}" : "")}, {move.Zone}, {move.What}");
        Section("entries written", log.Entries, log.Entries.Total, write => $"{write.LevelName} of {write.Address}, at physical {write.EntryAddress}: 0x{write.Old:x} to 0x{write.New:x}");
        Section("TLB flushes", log.Flushes, log.Flushes.Count, flush => $"{flush.Scope switch { FlushScope.Page => $"page {flush.Range!.Value.Start}", FlushScope.Range => $"range {flush.Range}", FlushScope.All => "everything" }}, {(flush.Cpu is { } cpu ? $"CPU {cpu}" : "all CPUs")}: {flush.Why}");
        Section("kernel messages", log.Messages, log.Messages.Count, message => message);
        return lines;
    }
}
