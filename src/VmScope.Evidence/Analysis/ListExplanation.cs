using System.Runtime.CompilerServices;
using Microsoft.Win32.SafeHandles;
using VmScope.Kernels;
using VmScope.Proc;
using VmScope.Vmalloc;

namespace VmScope.Analysis;

/// <summary>What to keep of a list beside its sums.</summary>
public sealed record ExplainOptions
{
    /// <summary>Sums and the largest gaps.</summary>
    public static ExplainOptions Default { get; } = new();

    /// <summary>Whether to keep every gap.</summary>
    public bool KeepAllGaps { get; init; }

    /// <summary>An address to explain; null for none.</summary>
    public ulong? Address { get; init; }
}

/// <summary>A list of vmalloc areas explained: owners, windows, gaps, findings.</summary>
public sealed class ListExplanation
{
    /// <summary>The alignment of per-CPU chunks on x86-64: arch/x86/kernel/setup_percpu.c, PMD_SIZE.</summary>
    private const ulong PercpuAtomBytes = 2 * Size.MiB;

    private readonly ListTotals _totals;
    private readonly AreaTotals[] _kinds;
    private readonly AreaTotals[] _nodes;
    private readonly AddressWatch? _watch;

    private ListExplanation(ExplainFacts facts, string file, TextTable texts, DiagnosticList diagnostics, ListTotals totals, AddressWatch? watch, bool keepAllGaps)
    {
        (Facts, File, Texts, Diagnostics, _totals, _watch) = (facts, file, texts, diagnostics, totals, watch);
        PageBytes = totals.PageBytes == 0 ? 4096 : totals.PageBytes;
        (Live, _kinds, _nodes) = (totals.Live, totals.SumByKind(), totals.SumByNode());
        Addresses = State(totals);
        Owners = CollectOwners(texts, totals);
        totals.Areas.Sort();
        WindowFinder finder = new(facts, totals.Areas, totals.AddressDigits);
        Architecture = finder.Architecture;
        ArchitectureWasTold = finder.ArchitectureWasTold;
        if (Addresses != AddressState.Real)
        {
            Chains = Addresses == AddressState.Hashed ? new HashChains(totals.OddRows) : null;
            Windows = [];
        }
        else
        {
            AlignmentRule rule = new(texts, PageBytes, facts.Kernel?.Version, Architecture, facts.Config.IsSet("X86_PAE") == true);
            PlacementEra? era = facts.Kernel is { } kernel ? VmallocTimelines.Era.At(kernel.Version) : null;
            Windows = [];
            foreach (AddressWindow window in finder.Find())
            {
                bool isTop = Windows.Count == 0 && totals.HasPercpu && Architecture == Architecture.X64;
                Windows.Add(new WindowAccount(window, totals, rule, PageBytes, era, keepAllGaps, isTop ? PercpuAtomBytes : 0));
            }

            CountOutside();
        }

        Findings = FindingRules.All(this);
    }

    /// <summary>What was known beside the list.</summary>
    public ExplainFacts Facts { get; }

    /// <summary>The list's name.</summary>
    public string File { get; }

    /// <summary>What to call the evidence.</summary>
    public string Source { get; private init; } = "";

    /// <summary>Owners and unknown words by number.</summary>
    public TextTable Texts { get; }

    /// <summary>Lines nobody understood.</summary>
    public DiagnosticList Diagnostics { get; }

    /// <summary>The architecture, as told or as the addresses show it.</summary>
    public Architecture Architecture { get; }

    /// <summary>Whether the architecture was told.</summary>
    public bool ArchitectureWasTold { get; }

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

    /// <summary>Live areas outside every window.</summary>
    public long OutsideAreas { get; private set; }

    /// <summary>Bytes of live areas outside every window.</summary>
    public ulong OutsideBytes { get; private set; }

    /// <summary>The first of the areas outside every window.</summary>
    public AreaSlot FirstOutside { get; private set; }

    /// <summary>Which hashed areas touch; null when addresses are real or hidden.</summary>
    public HashChains? Chains { get; }

    /// <summary>What is worth saying, most serious first.</summary>
    public IReadOnlyList<Finding> Findings { get; }

    /// <summary>Every area with a real address, by address.</summary>
    public AreaList Areas => _totals.Areas;

    internal ListTotals Totals => _totals;

    /// <summary>What is at the address asked for; null when none was asked for or addresses are not real.</summary>
    public AddressAnswer? AtAddress => _watch is null || Addresses != AddressState.Real ? null : _watch.Answer(this);

    /// <summary>Reads and explains a list.</summary>
    /// <param name="stream">The list's bytes, not compressed; read once from front to back.</param>
    /// <param name="file">Its name.</param>
    /// <param name="facts">What else is known.</param>
    /// <param name="options">What to keep.</param>
    /// <param name="source">What to call the evidence; the file's name when left out.</param>
    /// <exception cref="EvidenceException">No line of it is a row.</exception>
    public static ListExplanation Read(Stream stream, string file, ExplainFacts facts, ExplainOptions options, string? source = null)
    {
        TextTable texts = new();
        DiagnosticList diagnostics = new();
        ListTotals totals = new(texts, facts.PageBytes);
        AddressWatch? watch = options.Address is { } address ? new AddressWatch(address, texts) : null;
        VmallocRowSink sink = watch is null ? totals : new TwoSinks(totals, watch);
        long lines = VmallocInfoReader.Read(stream, file, texts, diagnostics, sink);
        if (totals.Rows == 0 && diagnostics.Count > 0)
        {
            throw new EvidenceException($"{file}: none of its {lines} lines is a row of /proc/vmallocinfo");
        }

        return new ListExplanation(facts, file, texts, diagnostics, totals, watch, options.KeepAllGaps) { Source = source ?? file };
    }

    /// <summary>Reads and explains a list in a file of its own; a long one with two processors, each a half.</summary>
    /// <param name="file">The file; stays open.</param>
    /// <param name="name">What to call it.</param>
    /// <param name="options">What to keep.</param>
    /// <exception cref="EvidenceException">No line of it is a row.</exception>
    public static ListExplanation ReadFile(SafeFileHandle file, string name, ExplainOptions options)
    {
        long middle = options.Address is null && Environment.ProcessorCount > 1 ? ListHalves.FindMiddle(file) : 0;
        if (middle == 0 || ListHalves.Read(file, middle, name) is not { } halves)
        {
            using FilePart whole = new(file, 0, long.MaxValue);
            return Read(whole, name, ExplainFacts.None, options);
        }

        return new ListExplanation(ExplainFacts.None, name, halves.Texts, halves.Diagnostics, halves.Totals, watch: null, options.KeepAllGaps)
        {
            Source = name,
        };
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

    /// <summary>Whether any owner is the allocator of per-CPU chunks.</summary>
    internal bool HasPercpu => _totals.HasPercpu;

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

    private void CountOutside()
    {
        int inWindows = 0;
        foreach (WindowAccount account in Windows)
        {
            inWindows += account.EndIndex - account.FirstIndex;
        }

        if (inWindows == Areas.Count)
        {
            return;
        }

        for (int i = 0; i < Areas.Count; i++)
        {
            ref readonly AreaSlot area = ref Areas[i];
            if ((area.Flags & AreaFlags.Unpurged) == AreaFlags.None && !IsInWindow(area.Start))
            {
                FirstOutside = OutsideAreas == 0 ? area : FirstOutside;
                OutsideAreas++;
                OutsideBytes += area.SizeBytes;
            }
        }
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

    private sealed class TwoSinks(VmallocRowSink first, VmallocRowSink second) : VmallocRowSink
    {
        public override void Add(ReadOnlySpan<VmallocRow> rows, ReadOnlySpan<NodePages> nodes)
        {
            first.Add(rows, nodes);
            second.Add(rows, nodes);
        }
    }
}
