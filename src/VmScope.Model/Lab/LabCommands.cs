using System.Collections.Immutable;
using VmScope.Machine;

namespace VmScope.Lab;

/// <summary>A command of the lab.</summary>
/// <param name="Name">What is typed.</param>
/// <param name="Group">Under which heading help lists it.</param>
/// <param name="Usage">Its arguments.</param>
/// <param name="Summary">What it does, in one sentence.</param>
/// <param name="Run">Does it; the answer is what an assignment keeps.</param>
internal sealed record LabCommand(string Name, string Group, string Usage, string Summary, Func<LabCall, LabValue?> Run);

/// <summary>Every command, in the order help lists them.</summary>
internal static class LabCommands
{
    private static readonly ImmutableArray<LabCommand> All =
    [
        new("boot", "machine", "i386|x86-64 VERSION [ram=1G] [cpus=1] [nodes=1] [pae] [highmem] [nr_cpus=N] [cmdline=\"…\"] [config=\"A=y,B=n\"] [la57] [gbpages] [nopse] [nonx] [pti] [min_free=KIB] [task=NAME]",
            "boots a machine, in place of the one before", call => call.Session.Boot(call)),
        new("cpu", "machine", "N", "makes CPU N the one commands run on", call => call.Session.UseCpu(call)),
        new("process", "machine", "NAME", "makes a process: a directory with an empty user half and a copy of the kernel half", call => call.Session.NewProcess(call)),
        new("run", "machine", "NAME|kernel [cpu=N]", "loads a process's directory, or the kernel's own, into a CPU", call => call.Session.RunProcess(call)),
        new("switch", "machine", "TASK [cpu=N]", "makes another task run on a CPU: kmap_local mappings leave and come with their tasks, and failure messages name it", call => call.Session.SwitchTask(call)),
        new("check", "machine", "", "checks every mechanism against the others", call => call.Session.CheckMachine(call)),

        new("vmalloc", "vmalloc", "SIZE [caller=NAME] [cpu=N] [align=N] [node=N] [interleave]", "allocates pages and maps them side by side", call => call.Session.Vmalloc(call, Vmalloc.VmallocVariant.Plain)),
        new("vzalloc", "vmalloc", "SIZE [caller=NAME] [cpu=N] [node=N] [interleave]", "vmalloc with cleared pages", call => call.Session.Vmalloc(call, Vmalloc.VmallocVariant.Zeroed)),
        new("vmalloc_32", "vmalloc", "SIZE [caller=NAME] [cpu=N] [node=N] [interleave]", "vmalloc with pages a 32-bit device reaches", call => call.Session.Vmalloc(call, Vmalloc.VmallocVariant.Below4G)),
        new("vmalloc_user", "vmalloc", "SIZE [caller=NAME] [cpu=N] [node=N] [interleave]", "vmalloc fit to be mapped into user space", call => call.Session.Vmalloc(call, Vmalloc.VmallocVariant.User)),
        new("vmalloc_huge", "vmalloc", "SIZE [caller=NAME] [cpu=N] [node=N] [interleave]", "vmalloc with large pages where the kernel can", call => call.Session.Vmalloc(call, Vmalloc.VmallocVariant.Huge)),
        new("vfree", "vmalloc", "ADDRESS [cpu=N]", "gives an area of vmalloc, vmap or a module back", call => call.Session.Do(call, (machine, cpu) => machine.Vfree(call.AddressOrNull("an address"), cpu))),
        new("vmap", "vmalloc", "PAGE… [caller=NAME]", "maps pages side by side", call => call.Session.Vmap(call, isRam: false)),
        new("vunmap", "vmalloc", "ADDRESS", "undoes vmap", call => call.Session.Do(call, (machine, cpu) => machine.Vunmap(call.AddressOrNull("an address"), cpu))),
        new("ioremap", "vmalloc", "PHYSICAL SIZE [caller=NAME]", "maps a device", call => call.Session.Ioremap(call)),
        new("iounmap", "vmalloc", "ADDRESS", "undoes ioremap", call => call.Session.Do(call, (machine, cpu) => machine.Iounmap(call.AddressOrNull("an address"), cpu))),
        new("vm_map_ram", "vmalloc", "PAGE… [cpu=N]", "maps a few pages for a short time, from a block of the CPU", call => call.Session.Vmap(call, isRam: true)),
        new("vm_unmap_ram", "vmalloc", "ADDRESS PAGES [cpu=N]", "undoes vm_map_ram", call => call.Session.Do(call, (machine, cpu) => machine.UnmapRam(call.Address("an address"), (int)Math.Min(call.Number("the number of pages"), int.MaxValue), cpu))),
        new("percpu", "vmalloc", "", "places a per-CPU chunk from the top of the area", call => call.Session.Do(call, (machine, _) => machine.PercpuChunk())),
        new("percpu_free", "vmalloc", "ADDRESS", "gives a per-CPU chunk back", call => call.Session.Do(call, (machine, _) => machine.FreePercpuChunk(call.Address("an address")))),
        new("stack", "vmalloc", "[caller=NAME] [cpu=N]", "allocates a kernel stack", call => call.Session.Do(call, (machine, cpu) => machine.AllocateStack(call.Session.CallerOf(call), cpu))),
        new("stack_free", "vmalloc", "ADDRESS [cpu=N]", "gives a kernel stack back, to the CPU's cache while it has room", call => call.Session.Do(call, (machine, cpu) => machine.FreeStack(call.Address("an address"), cpu))),
        new("module", "vmalloc", "SIZE [caller=NAME]", "makes room for a module", call => call.Session.Do(call, (machine, cpu) => machine.AllocateModule(call.Number("a size"), call.Session.CallerOf(call), cpu))),
        new("unmap_aliases", "vmalloc", "", "purges everything freed lazily, as every change of page attributes does", call => call.Session.Do(call, (machine, _) => machine.UnmapAliases())),

        new("alloc", "pages", "[highmem|normal|dma|dma32] [order=N] [atomic] [zeroed] [node=N] [thisnode] [cpu=N]", "takes 2^N contiguous pages (alloc_pages)", call => call.Session.AllocatePages(call)),
        new("free", "pages", "PAGE [cpu=N]", "gives pages back", call => call.Session.FreePages(call)),
        new("drain", "pages", "", "returns the pages parked on CPUs to the free lists", call => call.Session.Drain(call)),

        new("kmap", "highmem", "PAGE [nosleep]", "gives a page an address in the pkmap window", call => call.Session.Kmap(call)),
        new("kunmap", "highmem", "PAGE", "gives that address back", call => call.Session.Do(call, (machine, _) => machine.Kunmap(new PageFrameNumber(call.Page("a page").Number)))),
        new("kmap_atomic", "highmem", "PAGE [TYPE] [cpu=N]", "maps a page in a slot of the CPU: of a type up to 2.6.36, the next one later", call => call.Session.KmapAtomic(call)),
        new("kunmap_atomic", "highmem", "TYPE|ADDRESS [cpu=N]", "gives the slot back", call => call.Session.KunmapAtomic(call)),
        new("kmap_local", "highmem", "PAGE [cpu=N]", "maps a page in the next slot of the running task", call => call.Session.Do(call, (machine, cpu) => machine.KmapLocal(new PageFrameNumber(call.Page("a page").Number), cpu))),
        new("kunmap_local", "highmem", "ADDRESS [cpu=N]", "gives the newest slot back", call => call.Session.Do(call, (machine, cpu) => machine.KunmapLocal(call.Address("an address"), cpu))),
        new("set_fixmap", "highmem", "INDEX PHYSICAL [device]", "points a fixmap entry at a physical page", call => call.Session.SetFixmap(call)),
        new("clear_fixmap", "highmem", "INDEX", "points it at nothing", call => call.Session.Do(call, (machine, _) => machine.ClearFixmap((int)Math.Min(call.Number("an index"), int.MaxValue)))),
        new("early_ioremap", "highmem", "PHYSICAL SIZE", "maps a device in a boot-time slot", call => call.Session.Do(call, (machine, _) => machine.EarlyMap(new PhysicalAddress(call.Number("a physical address")), call.Number("a size")))),
        new("early_iounmap", "highmem", "ADDRESS SIZE", "undoes early_ioremap", call => call.Session.Do(call, (machine, _) => machine.EarlyUnmap(call.Address("an address"), call.Number("a size")))),

        new("peek", "memory", "ADDRESS [BYTES] [cpu=N]", "reads and prints bytes", call => call.Session.Peek(call)),
        new("poke", "memory", "ADDRESS \"text\"|NUMBER [width=4] [cpu=N]", "writes a text or a number", call => call.Session.Poke(call)),
        new("fill", "memory", "ADDRESS BYTES VALUE [cpu=N]", "writes the same byte many times", call => call.Session.Fill(call)),
        new("copy", "memory", "FROM TO BYTES [cpu=N]", "copies bytes", call => call.Session.Copy(call)),
        new("execute", "memory", "ADDRESS [cpu=N]", "tries to fetch an instruction", call => call.Session.Do(call, (machine, cpu) => machine.Execute(call.Address("an address"), cpu))),
        new("set_memory_ro", "memory", "ADDRESS PAGES", "makes pages read-only, here and in the direct map", call => call.Session.SetMemory(call, PageRight.ReadOnly)),
        new("set_memory_rw", "memory", "ADDRESS PAGES", "makes them writable again", call => call.Session.SetMemory(call, PageRight.Writable)),
        new("set_memory_x", "memory", "ADDRESS PAGES", "allows to execute them", call => call.Session.SetMemory(call, PageRight.Executable)),
        new("set_memory_nx", "memory", "ADDRESS PAGES", "forbids it", call => call.Session.SetMemory(call, PageRight.NotExecutable)),
        new("translate", "memory", "ADDRESS [cpu=N]", "tells the physical address, through the CPU's TLB", call => call.Session.Translate(call)),
        new("walk", "memory", "ADDRESS [cpu=N]", "walks the page tables step by step, the TLB aside", call => call.Session.Walk(call)),

        new("show", "reports", "TOPIC [--json]", "prints a report; help topics lists them", call => call.Session.Show(call)),
        new("explain", "reports", "last [--json]", "tells what the last operation did and why", call => call.Session.ExplainLast(call)),
        new("print", "reports", "VALUE…", "prints values", call => call.Session.Print(call)),
        new("help", "reports", "[COMMAND|functions|topics|language]", "explains", call => call.Session.Help(call)),

        new("seed", "session", "N", "restarts rand() from a seed", call => call.Session.Seed(call)),
        new("save", "session", "FILE", "writes everything done so far as a script", call => call.Session.Save(call)),
        new("load", "session", "FILE", "runs a script", call => call.Session.Load(call)),
        new("export", "session", "core FILE", "writes physical memory as an ELF core file", call => call.Session.Export(call)),
        new("quit", "session", "", "leaves", call => call.Session.Quit(call)),
    ];

    private static readonly Dictionary<string, LabCommand> ByName =
        All.ToDictionary(command => command.Name, StringComparer.OrdinalIgnoreCase);

    /// <summary>What show can show.</summary>
    internal static ImmutableArray<string> Topics { get; } =
    [
        "areas", "boot", "buddyinfo", "dmesg", "fixmap", "iomem", "kmaps", "layout", "meminfo", "messages", "numa", "page", "pagetables",
        "pgdir", "pkmap", "tlb", "variables", "vmallocinfo", "vmlist", "zoneinfo", "zones",
    ];

    /// <summary>Names of all commands.</summary>
    internal static IEnumerable<string> Names => All.Select(command => command.Name);

    /// <summary>All commands, in the order of help.</summary>
    internal static ImmutableArray<LabCommand> Entries => All;

    /// <summary>Whether a word is a command.</summary>
    internal static bool IsCommand(string name) => ByName.ContainsKey(name);

    /// <summary>The command of a name; null when there is none.</summary>
    internal static LabCommand? Find(string name) => ByName.GetValueOrDefault(name);
}
