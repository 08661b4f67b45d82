using System.Runtime.CompilerServices;
using VmScope.Proc;
using VmScope.Vmalloc;

namespace VmScope.Analysis;

/// <summary>Accounts for areas as they are read, in address order, and keeps none of them.</summary>
/// <remarks>
/// The windows have to be known before the first area, and most of what decides them is only seen at the end; so
/// <see cref="ListOutline"/> looks first, and what was seen in the end has to agree with it.
/// </remarks>
internal sealed class WindowWalk
{
    /// <summary>The accounts as the plan orders its windows.</summary>
    private readonly List<WindowAccount> _accounts;

    /// <summary>The same by address.</summary>
    private readonly WindowAccount[] _byAddress;
    private int _at;
    private AreaSlot _first;
    private AreaSlot _last;
    private ulong _highestEnd;
    private bool _isSound = true;
    private bool _hasBegun;

    /// <param name="plan">The windows; they do not overlap.</param>
    /// <param name="texts">Knows the owners.</param>
    /// <param name="totals">The sums, begun for an owner before its first area is taken.</param>
    internal WindowWalk(WindowPlan plan, TextTable texts, ListTotals totals)
    {
        _accounts = plan.NewAccounts(texts, totals);
        _byAddress = [.. _accounts];
        for (int i = 1; i < _byAddress.Length; i++)
        {
            for (int at = i; at > 0 && _byAddress[at].Window.Start < _byAddress[at - 1].Window.Start; at--)
            {
                (_byAddress[at], _byAddress[at - 1]) = (_byAddress[at - 1], _byAddress[at]);
            }
        }
    }

    /// <summary>The accounts, the vmalloc window's first.</summary>
    internal List<WindowAccount> Accounts => _accounts;

    /// <summary>The live areas outside every window.</summary>
    internal OutsideAreas Outside { get; } = new();

    /// <summary>Begins in the middle of a list.</summary>
    /// <param name="below">The area before the first that comes; it lies in one of the windows.</param>
    internal void BeginBehind(in AreaSlot below)
    {
        while (!_byAddress[_at].Window.Contains(below.Start))
        {
            _at++;
        }

        _byAddress[_at].BeginBehind(below);
        _last = below;
    }

    /// <summary>Accounts for areas that come next.</summary>
    [MethodImpl(HotPath.Compiled)]
    internal void Take(ReadOnlySpan<AreaSlot> run)
    {
        int i = 0;
        while (i < run.Length)
        {
            ref readonly AreaSlot area = ref run[i];
            if (_at == _byAddress.Length || area.Start < _byAddress[_at].Window.Start)
            {
                Outside.Note(area);
                i++;
                continue;
            }

            WindowAccount account = _byAddress[_at];
            if (!account.Window.Contains(area.Start))
            {
                _at++;
                continue;
            }

            if (!account.HasBegun)
            {
                // An area that reaches into the window from below is not in this account.
                _isSound &= (i > 0 ? run[i - 1] : _last).End <= account.Window.Start;
            }

            i += account.Take(run[i..]);
        }

        if (run.IsEmpty)
        {
            return;
        }

        _first = _hasBegun ? _first : run[0];
        _hasBegun = true;
        foreach (ref readonly AreaSlot area in run)
        {
            _highestEnd = Math.Max(_highestEnd, area.End);
        }

        _last = run[^1];
    }

    /// <summary>Adds what another walk has taken, which was begun behind the last area of this one.</summary>
    /// <param name="later">That walk.</param>
    /// <param name="ids">The owners' numbers here, by their numbers there.</param>
    internal void Append(WindowWalk later, ReadOnlySpan<int> ids)
    {
        _isSound &= later._isSound && _hasBegun && later._hasBegun && later._first.Start >= _last.Start && _highestEnd <= later._first.Start;
        for (int i = 0; i < _accounts.Count; i++)
        {
            _isSound = _isSound && _accounts[i].TryAppend(later._accounts[i], ids);
        }

        Outside.Append(later.Outside, ids);
        _last = later._last;
        _highestEnd = Math.Max(_highestEnd, later._highestEnd);
    }

    /// <summary>Whether everything was as it was taken for; when not, nothing of this walk is of use.</summary>
    /// <param name="lowest">The area the list was to begin with.</param>
    /// <param name="highest">The one it was to end with.</param>
    internal bool WasAsExpected(in AreaSlot lowest, in AreaSlot highest) =>
        _isSound && _hasBegun && _first.Start == lowest.Start && _last.Start == highest.Start && _last.End == highest.End && _highestEnd == highest.End;
}
