using System.Collections.Immutable;
using System.Globalization;
using System.Text;
using VmScope.Kernels;
using VmScope.Machine;
using VmScope.Paging;
using VmScope.Physical;
using VmScope.Vmalloc;

namespace VmScope.Lab;

/// <content>What each command does.</content>
public sealed partial class LabSession
{
    private const int PeekBytesMax = 64 << 10;

    internal LabValue? Boot(LabCall call)
    {
        Architecture architecture = Architectures.Parse(call.Raw("an architecture"));
        if (architecture is not (Architecture.I386 or Architecture.X64))
        {
            throw call.At.Error("boot knows the architectures i386 and x86-64");
        }

        string release = call.Raw("a kernel version");
        KernelIdentity identity = KernelIdentity.Parse(release) ?? throw call.At.Error($"'{release}' is no kernel version; one looks like 2.6.27 or 6.1.176");
        bool is64Bit = architecture == Architecture.X64;
        bool pae = call.Flag("pae");
        bool la57 = call.Flag("la57");
        List<KeyValuePair<string, string>> config = [];
        if (!is64Bit)
        {
            // A machine for looking at high memory: on unless the configuration given says otherwise.
            config.Add(new("HIGHMEM", "y"));
            config.Add(new(pae ? "HIGHMEM64G" : "HIGHMEM4G", "y"));
            config.Add(new("X86_PAE", pae ? "y" : "n"));
        }

        if (call.Option("nr_cpus") is { } configured)
        {
            config.Add(new("NR_CPUS", configured.ToString()));
        }

        foreach (string setting in (call.TextOption("config") ?? "").Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
        {
            string[] parts = setting.Split('=', 2);
            config.Add(new(parts[0], parts.Length == 2 ? parts[1] : "y"));
        }

        _ = call.Flag("highmem");
        ImmutableHashSet<string> flags = ["pge", "nx", "pae"];
        flags = call.Flag("nopse") ? flags : flags.Add("pse");
        flags = la57 ? flags.Add("la57") : flags;
        flags = call.Flag("gbpages") ? flags.Add("pdpe1gb") : flags;
        flags = call.Flag("nonx") ? flags.Remove("nx") : flags;
        string commandLine = call.TextOption("cmdline") ?? "";
        int cpus = (int)call.NumberOption("cpus", 1, most: 64);
        MachineDescription description = new(new KernelDescription(identity, architecture)
        {
            Config = new KernelConfig(config, isComplete: false),
            CommandLine = KernelCommandLine.Parse(is64Bit && !commandLine.Contains("kaslr", StringComparison.Ordinal) ? $"{commandLine} nokaslr".Trim() : commandLine),
            Cpu = new CpuFacts { Flags = flags, Count = cpus },
        })
        {
            RamBytes = call.NumberOption("ram", 1 * Size.GiB),
            Cpus = cpus,
            PageTableIsolation = call.Flag("pti"),
            MinFreeKiB = call.Option("min_free")?.Number,
            Task = call.TextOption("task") ?? "insmod",
        };
        ulong nodes = call.NumberOption("nodes", 1, most: 64);
        if (nodes == 0)
        {
            throw call.At.Error("nodes=0: a machine has 1 to 64");
        }

        if (description.RamBytes / nodes < 32 * Size.MiB)
        {
            throw call.At.Error(nodes == 1
                ? $"ram={Layout.DerivationText.BytesText(description.RamBytes)}: a modelled machine has at least 32 MiB"
                : $"nodes={nodes}: {Layout.DerivationText.BytesText(description.RamBytes)} of RAM leave less than the 32 MiB each of them needs");
        }

        description = description.WithNodes((int)nodes);
        call.CheckAllUsed();
        switch (BootedMachine.Boot(description))
        {
            case BootOutcome.Impossible impossible:
                call.Report = new OperationReport($"boot {architecture.Name()} {identity.Version}", Succeeded: false, impossible.Reason, new ActionLog());
                return null;
            case BootOutcome.Booted booted:
                _machine = booted.Machine;
                _defaultCpu = 0;
                _messages.Clear();
                Layout.KernelLayout layout = _machine.Layout;
                ActionLog log = new();
                foreach (BootReservation reservation in Joined(_machine.Reservations.Where(reservation => reservation.Name != "page tables")))
                {
                    log.Step($"{reservation.Name}: physical {reservation.Range}");
                }

                int tables = _machine.Reservations.Count(reservation => reservation.Name == "page tables");
                log.Step($"{tables} page tables were made; swapper_pg_dir lies at physical {_machine.Tables.Root}");
                call.Report = new OperationReport($"boot {architecture.Name()} {identity.Version}", Succeeded: true,
                    $"{Layout.DerivationText.BytesText(description.RamBytes)} RAM, {cpus} CPU{(cpus == 1 ? "" : "s")}, {_machine.Tables.Geometry.Name}; direct map {layout.PageOffset}, high_memory {layout.HighMemory}, vmalloc {layout.Vmalloc}", log);
                return null;
            default:
                throw new ModelInvariantException("a boot that neither works nor fails");
        }
    }

    internal LabValue? Do(LabCall call, Func<BootedMachine, int, OperationReport> operation)
    {
        BootedMachine machine = Booted(call.At);
        call.Report = operation(machine, call.Cpu(machine));
        return AnswerOf(call.Report);
    }

    internal LabValue? UseCpu(LabCall call)
    {
        ulong cpu = call.Number("a CPU");
        if (cpu >= (ulong)Booted(call.At).Description.Cpus)
        {
            throw call.At.Error($"the machine has {_machine!.Description.Cpus} CPUs, counted from 0");
        }

        _defaultCpu = (int)cpu;
        return null;
    }

    internal LabValue? NewProcess(LabCall call) => Do(call, (machine, _) => machine.CreateProcess(call.Word("a name")));

    internal LabValue? RunProcess(LabCall call) => Do(call, (machine, cpu) =>
    {
        string name = call.Word("a process");
        return machine.RunProcess(name == "kernel" ? "" : name, cpu);
    });

    internal LabValue? SwitchTask(LabCall call) => Do(call, (machine, cpu) => machine.SwitchTask(call.Word("a task"), cpu));

    internal LabValue? CheckMachine(LabCall call)
    {
        Booted(call.At).CheckInvariants();
        if (_repeating == 0)
        {
            _host.Line("check: areas, frames, page tables and counts agree");
        }

        return LabValue.Of(1);
    }

    internal LabValue? Vmalloc(LabCall call, VmallocVariant variant) => Do(call, (machine, cpu) => machine.Allocate(new VmallocCall(call.Number("a size"), CallerOf(call))
    {
        Variant = variant,
        Cpu = cpu,
        AlignBytes = PowerOfTwo(call, call.NumberOption("align", 1)),
        Node = call.Node(machine),
        Interleaves = call.Flag("interleave"),
    }));

    internal LabValue? Ioremap(LabCall call) => Do(call, (machine, cpu) =>
    {
        PhysicalAddress physical = new(call.Number("a physical address"));
        ulong size = call.Number("a size");
        return size > 64 * Size.GiB
            ? throw call.At.Error("the lab maps devices of at most 64 GiB")
            : machine.Ioremap(physical, size, CallerOf(call), cpu);
    });

    internal LabValue? Vmap(LabCall call, bool isRam) => Do(call, (machine, cpu) =>
    {
        List<PageFrameNumber> frames = [];
        string caller = CallerOf(call);
        do
        {
            LabValue page = call.Page("a page");
            for (ulong i = 0; i < 1UL << page.Order; i++)
            {
                frames.Add(new PageFrameNumber(page.Number + i));
            }
        }
        while (call.HasMore);
        return isRam ? machine.MapRam(frames, caller, cpu) : machine.Vmap(frames, caller, cpu);
    });

    internal LabValue? SetMemory(LabCall call, PageRight right) => Do(call, (machine, _) =>
    {
        VirtualAddress address = call.Address("an address");
        ulong pages = call.Number("the number of pages");
        return pages is 0 or > 1 << 22
            ? throw call.At.Error($"{pages} pages: 1 to {1 << 22} can be changed at once")
            : machine.SetMemory(right, address, (int)pages);
    });

    internal LabValue? AllocatePages(LabCall call) => Do(call, (machine, cpu) =>
    {
        ZoneKind zone = call.OneOf("highmem", "normal", "dma32", "dma") switch
        {
            "highmem" => ZoneKind.HighMem,
            "dma" => ZoneKind.Dma,
            "dma32" => ZoneKind.Dma32,
            _ => ZoneKind.Normal,
        };
        return machine.AllocatePages(new PageRequest((int)call.NumberOption("order", 0, most: 63), zone,
            IsAtomic: call.Flag("atomic"), IsZeroed: call.Flag("zeroed"), Cpu: cpu, Node: call.Node(machine), IsNodeOnly: call.Flag("thisnode")));
    });

    internal LabValue? FreePages(LabCall call) => Do(call, (machine, cpu) =>
    {
        LabValue page = call.Page("a page");
        return machine.FreePages(new PageFrameNumber(page.Number), page.Order, cpu);
    });

    internal LabValue? Drain(LabCall call)
    {
        Booted(call.At).Pages.DrainCpus();
        return null;
    }

    internal LabValue? Kmap(LabCall call) => Do(call, (machine, _) =>
        machine.Kmap(new PageFrameNumber(call.Page("a page").Number), maySleep: !call.Flag("nosleep")));

    internal LabValue? KmapAtomic(LabCall call) => Do(call, (machine, cpu) =>
    {
        PageFrameNumber page = new(call.Page("a page").Number);
        return call.HasMore ? machine.KmapAtomic(page, call.Raw("a type"), cpu) : machine.KmapNext(page, cpu);
    });

    internal LabValue? KunmapAtomic(LabCall call) => Do(call, (machine, cpu) =>
        machine.AtomicKmaps?.Facts.AtomicRule == AtomicKmapRule.ByType
            ? machine.KunmapAtomic(call.Raw("a type"), cpu)
            : machine.KunmapNext(call.Address("an address"), cpu));

    internal LabValue? SetFixmap(LabCall call) => Do(call, (machine, _) =>
    {
        int index = (int)Math.Min(call.Number("an index"), int.MaxValue);
        return machine.SetFixmap(index, new PhysicalAddress(call.Number("a physical address")), call.Flag("device"));
    });

    internal LabValue? Peek(LabCall call)
    {
        BootedMachine machine = Booted(call.At);
        VirtualAddress address = call.Address("an address");
        ulong bytes = call.HasMore ? call.Number("a number of bytes") : 16;
        if (bytes is 0 or > PeekBytesMax)
        {
            throw call.At.Error($"peek reads 1 to {PeekBytesMax} bytes");
        }

        call.Report = machine.Read(address, (int)bytes, call.Cpu(machine));
        if (call.Report.Bytes is { } read)
        {
            call.Lines.AddRange(Dump(address, read));
            return bytes <= 8 ? LabValue.Of(ToNumber(read)) : LabValue.Of(Encoding.Latin1.GetString(read));
        }

        return LabValue.Null;
    }

    internal LabValue? Poke(LabCall call)
    {
        BootedMachine machine = Booted(call.At);
        VirtualAddress address = call.Address("an address");
        LabValue value = call.Value("a text or a number");
        int width = (int)call.NumberOption("width", 4, most: 8);
        byte[] bytes = value.Kind == LabValueKind.Text
            ? Encoding.UTF8.GetBytes(value.Text!)
            : BitConverter.GetBytes(value.Number)[..(width is 1 or 2 or 4 or 8 ? width : throw call.At.Error("width= is 1, 2, 4 or 8"))];
        if (bytes.Length == 0)
        {
            throw call.At.Error("an empty text writes nothing");
        }

        call.Report = machine.Write(address, bytes, call.Cpu(machine));
        return LabValue.Of(call.Report.Succeeded ? 1UL : 0);
    }

    internal LabValue? Fill(LabCall call)
    {
        BootedMachine machine = Booted(call.At);
        VirtualAddress address = call.Address("an address");
        ulong bytes = Bounded(call, call.Number("a number of bytes"));
        byte[] data = new byte[bytes];
        Array.Fill(data, (byte)call.Number("a byte"));
        call.Report = machine.Write(address, data, call.Cpu(machine));
        return LabValue.Of(call.Report.Succeeded ? 1UL : 0);
    }

    internal LabValue? Copy(LabCall call)
    {
        BootedMachine machine = Booted(call.At);
        VirtualAddress from = call.Address("where from");
        VirtualAddress to = call.Address("where to");
        ulong bytes = Bounded(call, call.Number("a number of bytes"));
        int cpu = call.Cpu(machine);
        PageFault? fault = machine.Copy(from, to, bytes, cpu);
        // A report with the fault's meaning comes from repeating the access that failed.
        call.Report = fault is null
            ? new OperationReport($"copy({from}, {to}, {bytes})", Succeeded: true, $"{bytes} bytes", new ActionLog())
            : fault.Access == AccessKind.Write ? machine.Write(fault.Address, [0], cpu) : machine.Read(fault.Address, 1, cpu);
        return LabValue.Of(call.Report.Succeeded ? 1UL : 0);
    }

    internal LabValue? Translate(LabCall call)
    {
        BootedMachine machine = Booted(call.At);
        VirtualAddress address = call.Address("an address");
        int cpu = call.Cpu(machine);
        call.Report = machine.Translate(address, cpu);
        if (!call.Report.Succeeded)
        {
            return LabValue.Null;
        }

        call.Lines.Add($"  {call.Report.Log.Steps[^1]}");
        call.Lines.Add($"  {address} is {machine.Describe(address)}");
        return LabValue.Of((call.Report.Frame!.Value.Value << 12) | (address.Value & 4095));
    }

    internal LabValue? Walk(LabCall call)
    {
        BootedMachine machine = Booted(call.At);
        VirtualAddress address = call.Address("an address");
        PageWalk walk = machine.Walk(address, call.Cpu(machine));
        ActionLog log = new();
        foreach (WalkStep step in walk.Steps)
        {
            string entry = step.Entry.ToString(machine.Tables.Geometry.EntryBytes == 4 ? "x8" : "x16", CultureInfo.InvariantCulture);
            log.Step($"{step.LevelName}[{step.Index}] at physical {step.EntryAddress} = {entry}{(step.Flags.IsEmpty ? "" : $" ({string.Join(" ", step.Flags)})")}: {step.Text}");
        }

        log.Step($"{address} is {machine.Describe(address)}");
        call.Lines.AddRange(log.Steps.Select(step => "  " + step));
        call.Report = new OperationReport($"walk({address})", walk.End == WalkEnd.Mapped, walk.Translation is { } translation ? $"physical {translation.Of(address)}" : walk.End switch
        {
            WalkEnd.NotPresent => "nothing is mapped there",
            WalkEnd.NotCanonical => "the address is not canonical",
            WalkEnd.TableUnreadable => "a table lies outside memory",
            WalkEnd.Mapped => "",
        }, log);
        return walk.Translation is { } found ? LabValue.Of(found.Of(address).Value) : LabValue.Null;
    }

    internal LabValue? Print(LabCall call)
    {
        StringBuilder line = new();
        while (call.HasMore)
        {
            line.Append(line.Length > 0 ? " " : "").Append(call.Value("a value"));
        }

        _host.Line(line.ToString());
        return null;
    }

    internal LabValue? Seed(LabCall call)
    {
        _random = new Random((int)(call.Number("a seed") & int.MaxValue));
        return null;
    }

    internal LabValue? Save(LabCall call)
    {
        _host.WriteScript(call.Word("a file name"), _history.ToString());
        return null;
    }

    internal LabValue? Load(LabCall call)
    {
        if (_loading >= LoadDepthMax)
        {
            throw call.At.Error($"scripts load each other deeper than {LoadDepthMax}");
        }

        string name = call.Word("a file name");
        string text = _host.ReadScript(name);
        _loading++;
        try
        {
            Run(text);
        }
        catch (LabException error)
        {
            throw call.At.Error($"{name}, line {error.Line}, column {error.Column}: {error.Message}");
        }
        finally
        {
            _loading--;
        }

        return null;
    }

    internal LabValue? Export(LabCall call)
    {
        if (!string.Equals(call.Raw("what to export"), "core", StringComparison.OrdinalIgnoreCase))
        {
            throw call.At.Error("export knows: export core FILE");
        }

        BootedMachine machine = Booted(call.At);
        string name = call.Word("a file name");
        using Stream stream = _host.Create(name);
        ulong bytes = ElfCoreWriter.Write(machine, stream);
        _host.Line($"export: {name}, {bytes} bytes; CR3 0x{machine.Tables.Cpus[_defaultCpu].Root.Value:x}");
        return null;
    }

    internal LabValue? Quit(LabCall call)
    {
        call.CheckAllUsed();
        IsOver = true;
        return null;
    }

    internal LabValue? ExplainLast(LabCall call)
    {
        if (call.HasMore)
        {
            _ = call.Flag("last");
        }

        bool json = call.Flag("--json");
        OperationReport report = _last ?? throw call.At.Error("nothing has been done yet");
        if (json)
        {
            _host.Line(LabJson.Of(report));
        }
        else
        {
            foreach (string line in Explain(report))
            {
                _host.Line(line);
            }
        }

        return null;
    }

    /// <summary>Who asks for memory: caller=, or the name the answer will have.</summary>
    internal string CallerOf(LabCall call)
    {
        string name = call.TextOption("caller") ?? $"lab_{call.TargetName ?? "user"}";
        return name.Contains('+', StringComparison.Ordinal) ? name : $"{name}+0x10/0x20";
    }

    private static LabValue AnswerOf(OperationReport report) =>
        !report.Succeeded ? LabValue.Null
        : report.Operation.StartsWith("alloc_pages", StringComparison.Ordinal) && report.Frame is { } frame ? LabValue.Of(frame, report.Order)
        : report.Address is { } address ? LabValue.Of(address)
        : LabValue.Of(1);

    private static ulong PowerOfTwo(LabCall call, ulong value) =>
        System.Numerics.BitOperations.IsPow2(value) ? value : throw call.At.Error($"align={value} is no power of two");

    private static ulong Bounded(LabCall call, ulong bytes) =>
        bytes is 0 or > BootedMachine.AccessBytesMax ? throw call.At.Error($"1 to {BootedMachine.AccessBytesMax} bytes are moved at a time") : bytes;

    private static ulong ToNumber(byte[] bytes)
    {
        ulong value = 0;
        for (int i = bytes.Length - 1; i >= 0; i--)
        {
            value = (value << 8) | bytes[i];
        }

        return value;
    }

    private static IEnumerable<string> Dump(VirtualAddress address, byte[] bytes)
    {
        for (int at = 0; at < bytes.Length; at += 16)
        {
            ReadOnlySpan<byte> row = bytes.AsSpan(at, Math.Min(16, bytes.Length - at));
            StringBuilder line = new($"  {new VirtualAddress(unchecked(address.Value + (ulong)at))} ");
            for (int i = 0; i < 16; i++)
            {
                line.Append(i == 8 ? "  " : " ").Append(i < row.Length ? row[i].ToString("x2", CultureInfo.InvariantCulture) : "  ");
            }

            line.Append("  ");
            foreach (byte value in row)
            {
                line.Append(value is >= 0x20 and < 0x7f ? (char)value : '.');
            }

            yield return line.ToString();
        }
    }
}
