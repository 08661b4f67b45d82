using System.Runtime.CompilerServices;
using Microsoft.Win32.SafeHandles;
using VmScope.Kernels;
using VmScope.Proc;
using VmScope.Sources;
using VmScope.Vmalloc;

namespace VmScope.Analysis;

/// <summary>What to keep of a list beside its sums.</summary>
public sealed record ExplainOptions
{
    /// <summary>Sums and the largest gaps.</summary>
    public static ExplainOptions Default { get; } = new();

    /// <summary>Whether to keep every gap.</summary>
    public bool KeepAllGaps { get; init; }

    /// <summary>
    /// Whether <see cref="ListExplanation.Areas"/> is wanted. Without it a long list in a file of its own takes no memory for its rows.
    /// </summary>
    public bool KeepAreas { get; init; } = true;

    /// <summary>How many cells the bar of a window has; 0 for no bar.</summary>
    public int BarCells { get; init; }

    /// <summary>An address to explain; null for none.</summary>
    public ulong? Address { get; init; }
}

/// <summary>A list of vmalloc areas explained: owners, windows, gaps, findings.</summary>
public sealed class ListExplanation
{
    private readonly ListTotals _totals;
    private readonly AreaTotals[] _kinds;
    private readonly AreaTotals[] _nodes;
    private readonly AddressWatch? _watch;
    private readonly Action<VmallocRowSink>? _readAgain;
    private readonly WindowPlan _plan;

    internal ListExplanation(ListReading reading, ExplainFacts facts, ExplainOptions options, string source)
    {
        facts = reading.WithText(facts);
        ListTotals totals = reading.Totals;
        (Facts, File, Source, Texts, Diagnostics) = (facts, reading.File, source, reading.Texts, reading.Diagnostics);
        (_totals, _watch, _readAgain) = (totals, reading.Watch, reading.ReadAgain);
        PageBytes = totals.PageBytes == 0 ? ListTotals.UsualPageBytes : totals.PageBytes;
        (Live, _kinds, _nodes) = (totals.Live, totals.SumByKind(), totals.SumByNode());
        Addresses = State(totals);
        Owners = CollectOwners(Texts, totals);
        totals.Areas.Sort();
        _plan = reading.Outline?.Plan ?? new WindowPlan(facts, totals.Areas, totals.AddressDigits, PageBytes, options);
        if (Addresses != AddressState.Real)
        {
            Chains = Addresses == AddressState.Hashed ? new HashChains(totals.OddRows) : null;
            (Windows, Outside) = ([], new OutsideAreas());
        }
        else if (totals.Walk is { } walk)
        {
            (Windows, Outside) = (walk.Accounts, walk.Outside);
        }
        else
        {
            Windows = _plan.NewAccounts(Texts, totals);
            foreach (WindowAccount account in Windows)
            {
                account.TakeAll(totals.Areas, _plan.TopAlignBytes(account.Window, totals));
            }

            Outside = FindOutside();
        }

        Findings = FindingRules.All(this);
    }

    /// <summary>What was known beside the list.</summary>
    public ExplainFacts Facts { get; }

    /// <summary>The list's name.</summary>
    public string File { get; }

    /// <summary>What to call the evidence.</summary>
    public string Source { get; }

    /// <summary>Owners and unknown words by number.</summary>
    public TextTable Texts { get; }

    /// <summary>Lines nobody understood.</summary>
    public DiagnosticList Diagnostics { get; }

    /// <summary>The architecture, as told or as the addresses show it.</summary>
    public Architecture Architecture => _plan.Architecture;

    /// <summary>Whether the architecture was told.</summary>
    public bool ArchitectureWasTold => _plan.ArchitectureWasTold;

    /// <summary>Bytes of a page.</summary>
    public ulong PageBytes { get; }

    /// <summary>How the addresses are given.</summary>
    public AddressState Addresses { get; }

    /// <summary>Rows understood, repeated ones counted once.</summary>
    public long Rows => _totals.Rows;

    /// <summary>Sums of the live areas: all rows but the unpurged ones.</summary>
    public AreaTotals Live { get; }

    /// <summary>Sums of the unpurged areas.</summary>
    public AreaTotals Unpurged => _kinds[(int)ListedKind.Unpurged];

    /// <summary>Sums by <see cref="ListedKind"/>.</summary>
    public ReadOnlySpan<AreaTotals> Kinds => _kinds;

    /// <summary>Sums by NUMA node; bytes are memory there.</summary>
    public ReadOnlySpan<AreaTotals> Nodes => _nodes;

    /// <summary>The owners, most address space first.</summary>
    public IReadOnlyList<OwnerRow> Owners { get; }

    /// <summary>The windows, the vmalloc one first; none when the addresses are not real.</summary>
    public List<WindowAccount> Windows { get; }

    /// <summary>The vmalloc window; null when the addresses are not real or there is no row.</summary>
    public WindowAccount? Vmalloc => Windows.Count > 0 ? Windows[0] : null;

    /// <summary>The live areas outside every window.</summary>
    public OutsideAreas Outside { get; }

    /// <summary>Which hashed areas touch; null when addresses are real or hidden.</summary>
    public HashChains? Chains { get; }

    /// <summary>What is worth saying, most serious first.</summary>
    public IReadOnlyList<Finding> Findings { get; }

    /// <summary>Every area with a real address, by address.</summary>
    /// <exception cref="InvalidOperationException">The list was read without <see cref="ExplainOptions.KeepAreas"/>.</exception>
    public AreaList Areas => _totals.Walk is null ? _totals.Areas : throw new InvalidOperationException("the areas were not kept");

    internal ListTotals Totals => _totals;

    /// <summary>What is at the address asked for; null when none was asked for or addresses are not real.</summary>
    public AddressAnswer? AtAddress => _watch is null || Addresses != AddressState.Real ? null : _watch.Answer(this);

    /// <summary>Reads and explains a list.</summary>
    /// <param name="stream">The list's bytes, not compressed, from its position on; read to the end, a long file of its own perhaps twice.</param>
    /// <param name="file">Its name.</param>
    /// <param name="facts">What else is known.</param>
    /// <param name="options">What to keep.</param>
    /// <param name="source">What to call the evidence; the file's name when left out.</param>
    /// <exception cref="EvidenceException">No line of it is a row.</exception>
    public static ListExplanation Read(Stream stream, string file, ExplainFacts facts, ExplainOptions options, string? source = null)
    {
        ListReading reading = ReadAny(stream, file, facts, options);
        return new ListExplanation(reading, facts, options, source ?? file);
    }

    private static ListReading ReadAny(Stream stream, string file, ExplainFacts facts, ExplainOptions options)
    {
        ListReading? reading = stream is FileStream { CanSeek: true, Position: 0 } plain ? LongList.Read(plain.SafeFileHandle, file, facts, options) : null;
        return reading ?? ListReading.Of(stream, file, facts, options);
    }

    /// <summary>Reads and explains the list of a bundle, with everything the bundle says beside it.</summary>
    /// <param name="bundle">The bundle.</param>
    /// <param name="options">What to keep.</param>
    /// <exception cref="EvidenceException">It holds no list, or no line of the list is a row.</exception>
    public static ListExplanation Read(EvidenceBundle bundle, ExplainOptions options)
    {
        using Stream stream = bundle.OpenList();
        string file = bundle.Describe(EvidenceNames.VmallocInfo);
        ExplainFacts facts = ExplainFacts.From(bundle);
        ListReading reading = ReadAny(stream, file, facts, options);
        if (bundle.Kind is EvidenceKind.Directory or EvidenceKind.Archive)
        {
            bundle.ReadAll();
        }

        // Files are read when they are asked for, and whether a stream was whole is known at its end: not before now.
        reading.Diagnostics.TakeFrom(bundle.Odd);
        return new ListExplanation(reading, facts, options, bundle.Name);
    }

    /// <summary>Reads and explains a list that comes alone, in a file of its own.</summary>
    /// <param name="file">The file; stays open.</param>
    /// <param name="name">What to call it.</param>
    /// <param name="options">What to keep.</param>
    /// <exception cref="EvidenceException">No line of it is a row.</exception>
    public static ListExplanation ReadFile(SafeFileHandle file, string name, ExplainOptions options)
    {
        ListReading? reading = LongList.Read(file, name, ExplainFacts.None, options);
        if (reading is null)
        {
            using FilePart whole = new(file, 0, long.MaxValue);
            reading = ListReading.Of(whole, name, ExplainFacts.None, options);
        }

        return new ListExplanation(reading, ExplainFacts.None, options, name);
    }

    /// <summary>An area as the list would print its beginning: range, size, owner.</summary>
    public string Describe(in AreaSlot area) =>
        $"{Hex(area.Start)}-{Hex(area.End)} {area.SizeBytes} {(area.Caller == 0 ? ListedKinds.Name(ListedKinds.Of(area.Flags)) : Texts.Text(area.Caller))}";

    /// <summary>A row as the list would print its beginning: range, size, owner.</summary>
    internal string Describe(in VmallocRow row) =>
        $"{Hex(row.Start)}-{Hex(row.End)} {row.SizeBytes} {(row.Caller == 0 ? ListedKinds.Name(ListedKinds.Of(row.Flags)) : Texts.Text(row.Caller))}";

    /// <summary>An address with as many digits as the list uses.</summary>
    public string Hex(ulong address) => _totals.AddressDigits <= 8 ? $"0x{address:x8}" : $"0x{address:x16}";

    /// <summary>Whether an owner is the allocator of per-CPU chunks.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool IsPercpu(int caller) => _totals.Owner(caller).IsPercpu;

    private static AddressState State(ListTotals totals)
    {
        if (totals.OddCount * 2 <= totals.Rows)
        {
            return AddressState.Real;
        }

        return totals.HiddenRows * 2 > totals.OddCount ? AddressState.Hidden : AddressState.Hashed;
    }

    private static List<OwnerRow> CollectOwners(TextTable texts, ListTotals totals)
    {
        int count = 0;
        for (int id = 0; id < totals.OwnerCount; id++)
        {
            count += totals.Owner(id).Totals.Areas > 0 ? 1 : 0;
        }

        ulong[] order = new ulong[count];
        int[] ids = new int[count];
        int at = 0;
        for (int id = 0; id < totals.OwnerCount; id++)
        {
            if (totals.Owner(id).Totals.Areas > 0)
            {
                order[at] = ~totals.Owner(id).Totals.Bytes;
                ids[at++] = id;
            }
        }

        // The non-generic overload: its code is in the framework already, a generic one would be compiled at every start.
        Array.Sort((Array)order, ids);
        List<OwnerRow> owners = new(count);
        foreach (int id in ids)
        {
            owners.Add(new OwnerRow(id, texts, totals.Owner(id)));
        }

        SettleTies(owners);
        return owners;
    }

    /// <summary>Owners of equal size go by name, so that output never depends on the order of rows.</summary>
    private static void SettleTies(List<OwnerRow> owners)
    {
        int start = 0;
        while (start < owners.Count)
        {
            int end = start + 1;
            while (end < owners.Count && owners[end].Totals.Bytes == owners[start].Totals.Bytes)
            {
                end++;
            }

            if (end - start > 1)
            {
                owners.Sort(start, end - start, ByName.Instance);
            }

            start = end;
        }
    }

    /// <summary>The account of a window that is none of <see cref="Windows"/>.</summary>
    /// <exception cref="InvalidOperationException">The list was read without <see cref="ExplainOptions.KeepAreas"/>.</exception>
    internal WindowAccount AccountOf(AddressWindow window)
    {
        WindowAccount account = new(window, _totals, _plan.NewRules(Texts));
        account.TakeAll(Areas, topAlignBytes: 0);
        return account;
    }

    /// <summary>Has every area counted.</summary>
    internal void Count(EqualCount counts)
    {
        if (_readAgain is not null)
        {
            _readAgain(counts);
            return;
        }

        for (int i = 0; i < Areas.Count;)
        {
            ReadOnlySpan<AreaSlot> run = Areas.From(i);
            foreach (ref readonly AreaSlot area in run)
            {
                counts.Note(area.Caller, area.SizeBytes, area.Flags);
            }

            i += run.Length;
        }
    }

    private OutsideAreas FindOutside()
    {
        OutsideAreas outside = new();
        int inWindows = 0;
        foreach (WindowAccount account in Windows)
        {
            inWindows += account.EndIndex - account.FirstIndex;
        }

        for (int i = 0; inWindows != Areas.Count && i < Areas.Count; i++)
        {
            ref readonly AreaSlot area = ref Areas[i];
            if (!IsInWindow(area.Start))
            {
                outside.Note(area);
            }
        }

        return outside;
    }

    private bool IsInWindow(ulong address)
    {
        foreach (WindowAccount account in Windows)
        {
            if (account.Window.Contains(address))
            {
                return true;
            }
        }

        return false;
    }

    private sealed class ByName : IComparer<OwnerRow>
    {
        internal static readonly ByName Instance = new();

        public int Compare(OwnerRow? x, OwnerRow? y) => string.CompareOrdinal(x!.FullName, y!.FullName);
    }
}
