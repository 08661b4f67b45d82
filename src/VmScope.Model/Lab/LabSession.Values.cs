using System.Text;
using VmScope.Machine;
using VmScope.Paging;
using VmScope.Physical;

namespace VmScope.Lab;

/// <content>Expressions: variables, operators, and functions that look at the machine.</content>
public sealed partial class LabSession
{
    internal int DefaultCpu => _defaultCpu;

    internal LabValue EvaluateArgument(Argument argument) => Evaluate(argument.Value);

    private LabValue Evaluate(Expression expression) => expression switch
    {
        Expression.Literal literal => literal.Value,
        Expression.Name name => _variables.TryGetValue(NameOf(name), out LabValue? value)
            ? value
            : throw name.At.Error($"there is no '{NameOf(name)}'"),
        Expression.Unary unary => LabValue.Of(unchecked(0 - Evaluate(unary.Operand).Number)),
        Expression.Binary binary => Combine(binary),
        Expression.Call call => Invoke(call),
        _ => throw expression.At.Error("this is no value"),
    };

    private LabValue Combine(Expression.Binary binary)
    {
        LabValue left = Evaluate(binary.Left);
        LabValue right = Evaluate(binary.Right);
        bool isText = left.Kind == LabValueKind.Text || right.Kind == LabValueKind.Text;
        switch (binary.Operator)
        {
            case "==":
                return LabValue.Of(Same(left, right, isText) ? 1UL : 0);
            case "!=":
                return LabValue.Of(Same(left, right, isText) ? 0UL : 1);
            case "~":
                return LabValue.Of(left.ToString().Contains(right.ToString(), StringComparison.Ordinal) ? 1UL : 0);
            case "+" when isText:
                return LabValue.Of(left.ToString() + right);
        }

        if (isText)
        {
            throw binary.At.Error($"{binary.Operator} does not work on texts");
        }

        (ulong a, ulong b) = (left.Number, right.Number);
        if (binary.Operator is "/" or "%" && b == 0)
        {
            throw binary.At.Error("division by 0");
        }

        ulong result = unchecked(binary.Operator switch
        {
            "<" => a < b ? 1UL : 0,
            "<=" => a <= b ? 1UL : 0,
            ">" => a > b ? 1UL : 0,
            ">=" => a >= b ? 1UL : 0,
            "+" => a + b,
            "-" => a - b,
            "*" => a * b,
            "/" => a / b,
            "%" => a % b,
            _ => throw binary.At.Error($"'{binary.Operator}' is no operator"),
        });
        // An address moved by a number is an address; the distance of two addresses is a number.
        bool isAddress = binary.Operator is "+" or "-" && (left.Kind == LabValueKind.Address ^ right.Kind == LabValueKind.Address);
        return isAddress ? LabValue.Of(new VirtualAddress(result)) : LabValue.Of(result);
    }

    private static bool Same(LabValue left, LabValue right, bool isText) =>
        isText ? string.Equals(left.ToString(), right.ToString(), StringComparison.Ordinal)
            : left.Number == right.Number && (left.Kind == LabValueKind.Page) == (right.Kind == LabValueKind.Page);

    private LabValue Invoke(Expression.Call call)
    {
        Token at = call.At;
        LabValue Argument(int index) => index < call.Arguments.Length
            ? Evaluate(call.Arguments[index])
            : throw at.Error($"{call.Function}() needs {index + 1} argument{(index == 0 ? "" : "s")}");
        ulong NumberOr(int index, ulong otherwise) => index < call.Arguments.Length ? Argument(index).Number : otherwise;
        VirtualAddress Address(int index) => Argument(index) is { Kind: LabValueKind.Page } page
            ? Booted(at).DirectAddress(new PageFrameNumber(page.Number)) ?? throw at.Error($"{page} has no address in the direct map")
            : new VirtualAddress(Argument(index).Number);
        switch (call.Function)
        {
            case "page":
                return LabValue.Of(new PageFrameNumber(Argument(0).Number), (int)NumberOr(1, 0));
            case "number":
                return LabValue.Of(Argument(0).Number);
            case "hex":
                return LabValue.Of($"0x{Argument(0).Number:x}");
            case "rand":
                return LabValue.Of((ulong)_random.NextInt64((long)Math.Clamp(Argument(0).Number, 1, long.MaxValue)));
            case "message":
                return LabValue.Of(_messages.Count == 0 ? "" : _messages[^1]);
            case "summary":
                return LabValue.Of(_last?.Summary ?? "");
            case "ok":
                return LabValue.Of(_last is { Succeeded: true } ? 1UL : 0);
            case "steps":
                return LabValue.Of(string.Join("\n", _last?.Log.Steps ?? []));
            case "isnull":
                return LabValue.Of(Argument(0).Kind == LabValueKind.Null ? 1UL : 0);
        }

        BootedMachine machine = Booted(at);
        switch (call.Function)
        {
            case "phys":
                return LabValue.Of(Argument(0).Kind == LabValueKind.Page ? Argument(0).Number << 12 : Translated(machine, Address(0), at).Value);
            case "frame":
                return LabValue.Of(Argument(0).Kind == LabValueKind.Page ? Argument(0).Number : Translated(machine, Address(0), at).Value >> 12);
            case "virt":
                return machine.DirectAddress(new PageFrameNumber(Argument(0).Number)) is { } direct ? LabValue.Of(direct) : LabValue.Null;
            case "zone":
                ulong frame = Argument(0).Kind == LabValueKind.Page ? Argument(0).Number : Translated(machine, Address(0), at).Value >> 12;
                return LabValue.Of(machine.Pages.Entry(new PageFrameNumber(frame)).Zone?.Name() ?? "none");
            case "node":
                ulong own = Argument(0).Kind == LabValueKind.Page ? Argument(0).Number : Translated(machine, Address(0), at).Value >> 12;
                return LabValue.Of((ulong)(machine.Pages.Entry(new PageFrameNumber(own)).Node ?? throw at.Error($"frame 0x{own:x} belongs to no node")));
            case "nodes":
                return LabValue.Of((ulong)machine.Pages.NodeCount);
            case "size":
                return LabValue.Of(machine.Vmalloc.AreaAt(Address(0))?.SizeBytes ?? throw at.Error($"{Address(0)} lies in no area"));
            case "mapped":
                return LabValue.Of(machine.Walk(Address(0), _defaultCpu).End == WalkEnd.Mapped ? 1UL : 0);
            case "what":
                return LabValue.Of(machine.Describe(Address(0)));
            case "word":
                return LabValue.Of(Peek(machine, Address(0), (int)Math.Min(NumberOr(1, 4), 8), at));
            case "byte":
                return LabValue.Of(Peek(machine, Address(0), 1, at));
            case "text":
                byte[] bytes = machine.Read(Address(0), (int)Math.Clamp(NumberOr(1, 16), 1, 4096), _defaultCpu).Bytes ?? throw at.Error($"{Argument(0)} cannot be read");
                return LabValue.Of(Encoding.Latin1.GetString(bytes));
            case "layout":
                return LabValue.Of(machine.Layout.FindQuantity(Argument(0).ToString())?.Value
                    ?? throw at.Error($"this layout has no '{Argument(0)}'; show layout lists what it has"));
            case "region":
                return LabValue.Of(machine.Layout.FindRegion(Argument(0).ToString())?.Range.Start
                    ?? throw at.Error($"this layout has no region '{Argument(0)}'; show layout lists them"));
            case "fixmap":
                return LabValue.Of(FixmapIndex(machine, Argument(0), at));
            case "free":
                return LabValue.Of(call.Arguments.Length == 0 ? machine.Pages.FreePages
                    : ZonesNamed(machine, Argument(0).ToString(), call.Arguments.Length > 1 ? NumberOr(1, 0) : null, at).Aggregate(0UL, (sum, zone) => sum + zone.FreePages + zone.PagesOnCpus));
            case "areas":
                return LabValue.Of((ulong)machine.Vmalloc.Space.BusyCount);
            case "lazy":
                return LabValue.Of(machine.Vmalloc.Space.LazyPages);
            case "lazymax":
                return LabValue.Of(machine.Vmalloc.Environment.Setup.LazyPagesMax);
            case "purges":
                return LabValue.Of((ulong)machine.Vmalloc.PurgeCount);
            case "owned":
                return LabValue.Of(machine.Vmalloc.OwnedPages);
            case "flushes":
                return LabValue.Of(Flushes(machine, call.Arguments.Length == 0 ? "all" : Argument(0).ToString(), at));
            case "hits":
                return LabValue.Of(machine.Tables.Cpus.Aggregate(0UL, (sum, cpu) => sum + cpu.Tlb.Counts.Hits));
            case "misses":
                return LabValue.Of(machine.Tables.Cpus.Aggregate(0UL, (sum, cpu) => sum + cpu.Tlb.Counts.Misses));
            case "slot":
                return LabValue.Of((ulong)(SlotOf(machine, Argument(0), at)?.Slot ?? throw at.Error($"{Argument(0)} has no pkmap slot")));
            case "count":
                return LabValue.Of((ulong)(SlotOf(machine, Argument(0), at)?.Count ?? 0));
            case "sleepers":
                return LabValue.Of((ulong)(machine.Pkmap?.SleeperCount ?? 0));
            default:
                throw at.Error($"there is no function '{call.Function}'; help functions lists them");
        }
    }

    private static Highmem.PkmapSlot? SlotOf(BootedMachine machine, LabValue value, Token at)
    {
        ulong frame = value.Kind == LabValueKind.Page ? value.Number
            : machine.Pkmap?.PageAt(new VirtualAddress(value.Number))?.Value ?? throw at.Error($"{value} lies in no pkmap slot");
        return machine.Pkmap?.Slots.FirstOrDefault(slot => slot.Page?.Value == frame);
    }

    private static ulong Flushes(BootedMachine machine, string scope, Token at) => machine.Tables.Cpus.Aggregate(0UL, (sum, cpu) => sum + scope switch
    {
        "page" => cpu.Tlb.Counts.PageFlushes,
        "range" => cpu.Tlb.Counts.RangeFlushes,
        "full" => cpu.Tlb.Counts.FullFlushes,
        "all" => cpu.Tlb.Counts.PageFlushes + cpu.Tlb.Counts.RangeFlushes + cpu.Tlb.Counts.FullFlushes,
        _ => throw at.Error("flushes() knows \"page\", \"range\", \"full\" and \"all\""),
    });

    private PhysicalAddress Translated(BootedMachine machine, VirtualAddress address, Token at) =>
        machine.Walk(address, _defaultCpu).Translation is { } translation
            ? translation.Of(address)
            : throw at.Error($"{address} is not mapped: {machine.Describe(address)}");

    private ulong Peek(BootedMachine machine, VirtualAddress address, int bytes, Token at)
    {
        byte[] read = machine.Read(address, bytes, _defaultCpu).Bytes ?? throw at.Error($"{address} cannot be read: {machine.Describe(address)}");
        ulong value = 0;
        for (int i = bytes - 1; i >= 0; i--)
        {
            value = (value << 8) | read[i];
        }

        return value;
    }

    private static ulong FixmapIndex(BootedMachine machine, LabValue name, Token at)
    {
        foreach (Layout.FixmapEntry entry in machine.Layout.Fixmap)
        {
            if (string.Equals(entry.Name, name.ToString(), StringComparison.OrdinalIgnoreCase))
            {
                return (ulong)entry.Index;
            }
        }

        throw at.Error($"this kernel has no fixmap entry '{name}'; show fixmap lists them");
    }

    private static List<MemoryZone> ZonesNamed(BootedMachine machine, string name, ulong? node, Token at)
    {
        List<MemoryZone> zones = [.. machine.Pages.Zones.Where(zone => string.Equals(zone.Kind.Name(), name, StringComparison.OrdinalIgnoreCase) && (node is null || (ulong)zone.Node == node))];
        return zones.Count > 0
            ? zones
            : throw at.Error($"this machine has no zone '{name}'{(node is null ? "" : $" on node {node}")}; it has {string.Join(", ", machine.Pages.Zones.Select(zone => zone.Kind.Name()).Distinct())}{(machine.Pages.NodeCount > 1 ? $" on {machine.Pages.NodeCount} nodes" : "")}");
    }
}
