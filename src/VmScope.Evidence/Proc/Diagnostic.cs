using System.Collections.Immutable;

namespace VmScope.Proc;

/// <summary>A line that could not be understood, kept beside what could.</summary>
/// <param name="File">The file's name inside the evidence.</param>
/// <param name="Line">Line number, from 1; 0 when the whole file is meant.</param>
/// <param name="Text">The line, cut at <see cref="DiagnosticList.TextLimit"/> characters; may hold anything, so print it through SafeText.</param>
/// <param name="Reason">Why, in a few words.</param>
public sealed record Diagnostic(string File, long Line, string Text, string Reason);

/// <summary>Diagnostics of a run, bounded: the first ones are kept, all are counted.</summary>
public sealed class DiagnosticList
{
    /// <summary>Most diagnostics kept.</summary>
    public const int Limit = 1000;

    /// <summary>Most characters of a line kept.</summary>
    public const int TextLimit = 200;

    private readonly List<Diagnostic> _items = [];
    private List<Diagnostic>? _damage;

    /// <summary>How many there were; more than are kept when the input is very odd.</summary>
    public long Count { get; private set; }

    /// <summary>The ones kept, in the order they were met.</summary>
    public ImmutableArray<Diagnostic> Items => [.. _items];

    /// <summary>What is wrong with whole files, one for each problem of a file; <see cref="Items"/> has them too.</summary>
    public ImmutableArray<Diagnostic> Damage => _damage is null ? [] : [.. _damage];

    /// <summary>Lines that belong to another text than the one that was read; null when there were none.</summary>
    public OtherText? OtherText { get; private set; }

    /// <summary>Told of damage to a whole file when it is met; null for nobody.</summary>
    internal Action<Diagnostic>? DamageMet { get; set; }

    /// <summary>Records one.</summary>
    public void Add(string file, long line, string text, string reason)
    {
        Count++;
        if (_items.Count < Limit)
        {
            _items.Add(new Diagnostic(file, line, text.Length > TextLimit ? text[..TextLimit] : text, reason));
        }
    }

    /// <summary>Records a line of another text; see <see cref="OtherText"/>.</summary>
    internal void AddOtherText(long line, ReadOnlySpan<byte> text) => (OtherText ??= new OtherText()).Add(line, text);

    /// <summary>Records that a whole file is damaged; once, however often the file is read.</summary>
    /// <param name="file">What to call the file.</param>
    /// <param name="problem">What is wrong, in a few words.</param>
    public void AddDamage(string file, string problem)
    {
        Diagnostic met = new(file, 0, "", problem);
        _damage ??= [];
        if (_damage.Contains(met) || _damage.Count == Limit)
        {
            return;
        }

        _damage.Add(met);
        Add(file, 0, "", problem);
        DamageMet?.Invoke(met);
    }

    /// <summary>What is wrong with a whole file; null when nothing is known to be.</summary>
    internal Diagnostic? DamageTo(string file) => _damage?.Find(met => string.Equals(met.File, file, StringComparison.Ordinal));

    /// <summary>Takes over what another list says of lines and of damage; notes on whole files that are sound stay there.</summary>
    internal void TakeFrom(DiagnosticList other)
    {
        // A file that is read twice, for two purposes, has its odd lines in there twice.
        HashSet<Diagnostic> seen = [];
        foreach (Diagnostic odd in other._items)
        {
            if (odd.Line > 0 && seen.Add(odd))
            {
                Add(odd.File, odd.Line, odd.Text, odd.Reason);
            }
        }

        Count += other.Count - other._items.Count;
        TakeDamageFrom(other);
    }

    /// <summary>Takes over what another list says of damage.</summary>
    internal void TakeDamageFrom(DiagnosticList other)
    {
        foreach (Diagnostic met in other.Damage)
        {
            AddDamage(met.File, met.Reason);
        }
    }
}
