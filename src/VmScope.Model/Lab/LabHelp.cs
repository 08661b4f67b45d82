namespace VmScope.Lab;

/// <summary>What the lab says of itself.</summary>
public static class LabHelp
{
    private static readonly (string Name, string Text)[] Functions =
    [
        ("phys(X)", "physical address behind an address or page"),
        ("frame(X)", "page frame behind an address or page"),
        ("virt(PAGE)", "address of a page in the direct map; NULL for high memory"),
        ("zone(X)", "name of the zone a page lies in"),
        ("page(FRAME[, ORDER])", "a frame number as a page"),
        ("node(X)", "NUMA node of an address or page"),
        ("nodes()", "NUMA nodes of the machine"),
        ("size(X)", "size of the area an address lies in, guard page included"),
        ("what(X)", "what an address is, in words"),
        ("mapped(X)", "1 when the page tables map an address"),
        ("word(X[, BYTES])", "a little-endian number read at an address"),
        ("byte(X)", "a byte read at an address"),
        ("text(X[, BYTES])", "bytes read at an address, as a text"),
        ("layout(\"NAME\")", "a quantity of the layout, such as \"vmalloc-start\""),
        ("region(\"NAME\")", "first address of a region of the layout"),
        ("fixmap(\"NAME\")", "index of a fixmap entry"),
        ("free([\"ZONE\"[, NODE]])", "free pages, of all zones, of one, or of one on a node"),
        ("areas()", "busy vmalloc areas"),
        ("owned()", "pages that vmalloc owns"),
        ("lazy(), lazymax()", "pages that wait for a purge, and how many may"),
        ("purges()", "purges since boot"),
        ("flushes([\"page\"|\"range\"|\"full\"])", "TLB flushes since boot, summed over the CPUs"),
        ("hits(), misses()", "TLB hits and misses since boot, summed over the CPUs"),
        ("slot(X), count(X)", "pkmap slot of a page, and the slot's count"),
        ("sleepers()", "calls of kmap that sleep"),
        ("ok(), summary(), steps()", "of the last operation: whether it worked, its outcome, its reasons"),
        ("message()", "the last thing the kernel printed"),
        ("isnull(X)", "1 for NULL"),
        ("number(X), hex(X)", "a value as a plain number, or as a text in hexadecimal"),
        ("rand(N)", "a number below N; seed N makes the sequence repeat"),
    ];

    private static readonly (string Name, string Text)[] Topics =
    [
        ("areas", "busy vmalloc areas and the frames behind them"),
        ("vmallocinfo", "/proc/vmallocinfo as this kernel prints it"),
        ("vmlist", "the list of vm_struct: address and size"),
        ("layout", "every region of the address space"),
        ("dmesg", "what the kernel prints of its layout while booting"),
        ("boot", "memory taken before the page allocator started"),
        ("numa", "nodes: their CPUs, memory, and the order in which others are tried"),
        ("zones", "zones with marks and reserves"),
        ("zoneinfo, buddyinfo, meminfo, iomem", "those files of /proc, as far as they are modelled"),
        ("page X", "a frame's entry of mem_map"),
        ("pgdir [PROCESS|kernel]", "the root table's entries"),
        ("pagetables [PROCESS|kernel]", "everything mapped, as this kernel prints it in kernel_page_tables (2.6.26 on; page_tables/kernel from 4.15)"),
        ("pkmap", "slots of the pkmap window that are not free"),
        ("kmaps", "slots of kmap_atomic and kmap_local that map something"),
        ("fixmap", "fixmap entries"),
        ("tlb", "each CPU's TLB"),
        ("messages", "what the kernel printed"),
        ("variables", "names and values"),
    ];

    private static readonly string[] Language =
    [
        "One statement per line, or separated by ;   # begins a comment.",
        "  p = vmalloc 100          keeps the answer; p[i] = … keeps many",
        "  x = p + 4096             numbers: 123, 0x7b, 4K, 16M, 1G; + - * / % == != < <= > >= and ~ (contains)",
        "  repeat 3 { … }           runs lines several times; i counts from 0; repeat 3 as n names it n",
        "  expect p == 0xc8800000   must be true; a script that expects in vain ends with status 1",
        "  expect fail \"text\" CMD   CMD must fail, and say the text",
        "  expect fault \"text\" CMD  CMD must end in a page fault, and the explanation must say the text",
    ];

    /// <summary>The lines about a command, "functions", "topics", "language", or everything; null when there is nothing.</summary>
    public static IEnumerable<string>? About(string? topic)
    {
        switch (topic)
        {
            case null:
                return Overview();
            case "functions":
                return Pairs(Functions);
            case "topics" or "show":
                return [.. topic == "show" ? ["show TOPIC [--json]"] : Array.Empty<string>(), .. Pairs(Topics)];
            case "language":
                return Language;
        }

        return LabCommands.Find(topic) is { } command
            ? [$"{command.Name} {command.Usage}".TrimEnd(), "  " + command.Summary]
            : topic == "repeat" || topic == "expect" ? Language.Where(line => line.Contains(topic, StringComparison.Ordinal)) : null;
    }

    /// <summary>The whole reference as Markdown, for docs/lab.md.</summary>
    public static string Reference()
    {
        System.Text.StringBuilder text = new();
        foreach (IGrouping<string, LabCommand> group in LabCommands.Entries.GroupBy(command => command.Group))
        {
            text.Append($"### {char.ToUpperInvariant(group.Key[0])}{group.Key[1..]}\n\n");
            foreach (LabCommand command in group)
            {
                text.Append($"- `{$"{command.Name} {command.Usage}".TrimEnd()}` {command.Summary}\n");
            }

            text.Append('\n');
        }

        text.Append("### Functions\n\n");
        foreach ((string name, string meaning) in Functions)
        {
            text.Append($"- `{name}` {meaning}\n");
        }

        text.Append("\n### Topics of show\n\n");
        foreach ((string name, string meaning) in Topics)
        {
            text.Append($"- `{name}` {meaning}\n");
        }

        return text.ToString();
    }

    private static IEnumerable<string> Overview()
    {
        foreach (IGrouping<string, LabCommand> group in LabCommands.Entries.GroupBy(command => command.Group))
        {
            yield return $"{group.Key}: {string.Join(" ", group.Select(command => command.Name))}";
        }

        yield return "also: repeat, expect, and NAME = …";
        yield return "help COMMAND, help language, help functions, help topics tell more";
    }

    private static IEnumerable<string> Pairs((string Name, string Text)[] pairs)
    {
        int width = pairs.Max(pair => pair.Name.Length);
        return pairs.Select(pair => $"{pair.Name.PadRight(width)}  {pair.Text}");
    }
}
