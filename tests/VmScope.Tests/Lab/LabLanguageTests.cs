using System.Text.Json;
using VmScope.Lab;
using VmScope.Tests.Support;

namespace VmScope.Tests.Lab;

/// <summary>Goal: the language does what docs/lab.md says, and a mistake names its place. Method: scripts and what they print.</summary>
public class LabLanguageTests
{
    private const string Boot = "boot i386 2.6.27 ram=1G\n";

    public static TheoryData<string, int, int, string> Mistakes() => new()
    {
        { "frobnicate 3", 1, 1, "no command 'frobnicate'" },
        { "p = vmalloc 100", 1, 5, "no machine runs yet" },
        { Boot + "p = vmalloc", 2, 5, "needs a size" },
        { Boot + "vfree nowhere", 2, 7, "there is no 'nowhere'" },
        { Boot + "vmalloc 100 200", 2, 13, "does not know what to do with '200'" },
        { Boot + "vmalloc 100 colour=3", 2, 13, "does not know what to do with 'colour'" },
        { Boot + "\n  poke 0xc0000000 \"open", 3, 19, "not closed" },
        { "x = (1 + 2", 1, 11, ") is missing" },
        { "repeat 3 {\nx = 1", 2, 6, "not closed with }" },
        { "x = 1 }", 1, 7, "closes nothing" },
        { "x = 5 / 0", 1, 7, "division by 0" },
        { "boot arm 6.1", 1, 1, "architectures i386 and x86-64" },
        { "boot i386 six", 1, 1, "no kernel version" },
        { Boot + "kmap 5", 2, 6, "must be a page" },
        { Boot + "show everything", 2, 1, "does not know 'everything'" },
        { Boot + "vmalloc 100 cpu=9", 2, 1, "cpu=9: the machine has 1" },
        { Boot + "vmalloc 100 align=3", 2, 1, "no power of two" },
        { "x = nothing()", 1, 5, "no machine" },
        { Boot + "x = nothing()", 2, 5, "no function 'nothing'" },
        { "x = 99999999999999999999", 1, 5, "there is no" },
        { "vmalloc = 3", 1, 1, "is a command" },
        { "x = \"a\" - 1", 1, 9, "does not work on texts" },
        { "$", 1, 1, "has no meaning" },
        { "print 1 \"\\q\"", 1, 10, "no escape" },
        { Boot + "expect fail x = 1", 2, 1, "need a command" },
        { Boot + "peek 0xc0000000 100000", 2, 1, "1 to 65536 bytes" },
        { Boot + "ioremap 0xf0000000 128G", 2, 1, "at most 64 GiB" },
        { "boot i386 2.4.22 ram=8M", 1, 1, "ram=8 MiB: a modelled machine has at least 32 MiB" },
        { "boot x86-64 6.1 ram=64M nodes=4", 1, 1, "nodes=4: 64 MiB of RAM leave less than the 32 MiB each of them needs" },
    };

    [Theory, MemberData(nameof(Mistakes))]
    public void A_mistake_names_line_and_column(string script, int line, int column, string message)
    {
        CliRun run = CliRun.With(script, "lab");
        Assert.Equal(2, run.ExitCode);
        Assert.Contains(message, run.ErrorText, StringComparison.Ordinal);
        Assert.Contains($"line {line}, column {column}:", run.ErrorText, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("x = 2 + 3 * 4\nprint x", "14")]
    [InlineData("x = (2 + 3) * 4; print x x-1 x - 1", "20 19 19")]
    [InlineData("print 5 -1", "5 18446744073709551615")]
    [InlineData("print 16K 0x10 2M", "16384 16 2097152")]
    [InlineData("print \"a\" + 1 \"abc\" ~ \"bc\" \"x\" == \"x\"", "a1 1 1")]
    [InlineData("repeat 3 as n { a[n] = n * 2 }\nprint a[0] a[1] a[1 + 1]", "0 2 4")]
    [InlineData("repeat 2 { repeat 2 as j { s[i * 2 + j] = i + j } }\nprint s[0] s[3]", "0 2")]
    [InlineData("seed 7\nx = rand(1000)\nseed 7\nprint x == rand(1000)", "1")]
    [InlineData("print hex(255) 7 % 4 3 < 4 4 <= 3", "0xff 3 1 0")]
    [InlineData("# a comment\n;;print 1 # more", "1")]
    public void Expressions_give_what_they_should(string script, string printed)
    {
        CliRun run = CliRun.With(script, "lab", "-q");
        Assert.Equal((0, printed), (run.ExitCode, run.OutText.TrimEnd('\n').Split('\n')[^1]));
    }

    [Fact]
    public void A_failed_expectation_sets_the_status_and_shows_both_sides()
    {
        CliRun run = CliRun.With(Boot + "p = vmalloc 100\nexpect p == 0\nexpect size(p) == 8K", "lab", "-q");
        Assert.Equal(1, run.ExitCode);
        Assert.Contains("expectation failed at line 3, column 1: not true: p == 0 (0xf8800000 == 0)", run.OutText, StringComparison.Ordinal);
        Assert.Contains("1 of 2 expectations failed", run.ErrorText, StringComparison.Ordinal);
    }

    [Fact]
    public void A_command_expected_to_fail_must_fail_and_say_why()
    {
        Assert.Equal(0, CliRun.With(Boot + "expect fail \"no area\" vfree 0xc0000000", "lab").ExitCode);
        Assert.Equal(1, CliRun.With(Boot + "expect fail \"something else\" vfree 0xc0000000", "lab").ExitCode);
        Assert.Equal(1, CliRun.With(Boot + "expect fail vmalloc 100", "lab").ExitCode);
        Assert.Equal(1, CliRun.With(Boot + "expect fault vfree 0xc0000000", "lab").ExitCode);
        Assert.Equal(0, CliRun.With(Boot + "expect fault peek 0 1", "lab").ExitCode);
    }

    [Fact]
    public void What_could_not_be_allocated_can_be_freed()
    {
        CliRun run = CliRun.With(Boot + "p = vmalloc 900M\nvfree p\nexpect ok()\nvunmap p\nexpect ok()\niounmap p\nexpect ok()\npeek p", "lab");
        Assert.Equal(2, run.ExitCode);
        Assert.Contains("line 9, column 6: an address is NULL", run.ErrorText, StringComparison.Ordinal);
    }

    /// <summary>A hole has the size it has, even where no aligned address lies in it.</summary>
    [Fact]
    public void Holes_passed_over_are_as_large_as_they_are()
    {
        CliRun run = CliRun.With("boot i386 2.6.24 ram=1G\nq = ioremap 0xfee00000 4K\nt = ioremap 0xfee00ffc 8\nexplain last", "lab", "-q");
        Assert.Contains("1 hole below 0xf8804000 was passed over", run.OutText, StringComparison.Ordinal);
        Assert.Contains("0xf8802000..0xf8803fff: 8192 bytes, 12288 are needed", run.OutText, StringComparison.Ordinal);
    }

    [Fact]
    public void A_null_pointer_is_told_from_other_user_addresses()
    {
        CliRun run = CliRun.With(Boot + "process a; run a\nexpect fault \"null pointer\" peek 8 4\nexpect fault \"user space\" peek 0x8048000 4\nexpect fail \"area\" vfree 0xc0000000\nvfree 0\nexpect ok()", "lab");
        Assert.Equal((0, ""), (run.ExitCode, run.ErrorText));
    }

    [Fact]
    public void Addresses_of_the_kernel_image_and_behind_the_last_RAM_say_so()
    {
        CliRun run = CliRun.With("boot x86-64 6.1 ram=1G\nexpect fault \"the kernel image, at physical 0x1000000\" poke 0xffffffff81000000 1\n"
            + "expect fault \"past the last RAM\" peek 0xffff888040000000 4\n"
            + "expect fault \"in the window of the kernel image\" peek 0xffffffff9f000000 4\n"
            + "expect fail \"no block of 2048\" alloc order=11\nexpect message() == \"\"\nexpect fail percpu_free 0xffffe8ffffc00000\nexpect message() == \"\"", "lab");
        Assert.Equal((0, ""), (run.ExitCode, run.ErrorText));
    }

    [Fact]
    public void Every_topic_has_a_text_and_JSON()
    {
        const string Script = Boot + "p = vmalloc 100\nq = ioremap 0xfee00000 4K\npg = alloc highmem\nk = kmap pg\na = kmap_atomic pg user0\nx = peek p\n";
        foreach (string topic in new[] { "areas", "boot", "buddyinfo", "dmesg", "fixmap", "iomem", "kmaps", "layout", "meminfo", "messages", "numa", "page p", "pagetables", "pgdir", "pkmap", "tlb", "variables", "vmlist", "zoneinfo", "zones" })
        {
            string about = topic == "page p" ? "page pg" : topic;
            CliRun text = CliRun.With(Script + $"show {about}", "lab", "-q");
            Assert.Equal((0, ""), (text.ExitCode, text.ErrorText));
            Assert.NotEqual("", text.OutText);
            CliRun json = CliRun.With(Script + $"show {about} --json", "lab", "-q");
            using JsonDocument document = JsonDocument.Parse(json.OutText[json.OutText.IndexOf('{', StringComparison.Ordinal)..]);
            Assert.Equal(about.Split(' ')[0], document.RootElement.GetProperty("show").GetString());
            Assert.True(document.RootElement.GetProperty("rows").GetArrayLength() > 0 || topic == "messages", topic);
        }
    }

    [Fact]
    public void A_process_has_only_those_of_the_kernels_later_tables_that_it_has_touched()
    {
        const string Script = "boot i386 2.6.32 ram=1G\nprocess app\np = vmalloc 4M\n";
        string kernel = CliRun.With(Script + "show pagetables kernel", "lab", "-q").OutText;
        string process = CliRun.With(Script + "show pagetables app", "lab", "-q").OutText;
        string touched = CliRun.With(Script + "run app\nx = peek p\nshow pagetables app", "lab", "-q").OutText;
        Assert.Contains("0xf7ffe000-0xf83fe000           4M     RW             GLB x  pte\n", kernel, StringComparison.Ordinal);
        Assert.DoesNotContain("-0xf83fe000", process, StringComparison.Ordinal);
        Assert.Contains("0xf7ffe000-0xf8000000           8K     RW             GLB x  pte\n", touched, StringComparison.Ordinal);
        Assert.DoesNotContain("-0xf83fe000", touched, StringComparison.Ordinal);
        CliRun unknown = CliRun.With(Script + "show pagetables nobody", "lab", "-q");
        Assert.Contains("there is no process nobody", unknown.OutText + unknown.ErrorText, StringComparison.Ordinal);
    }

    [Fact]
    public void The_last_operation_explains_itself_in_words_and_JSON()
    {
        CliRun text = CliRun.With(Boot + "p = vmalloc 5000\nexplain last", "lab", "-q");
        Assert.Contains("5000 bytes are 2 pages, 12288 bytes with the guard page", text.OutText, StringComparison.Ordinal);
        Assert.Contains("pte of 0xf8801000", text.OutText, StringComparison.Ordinal);
        CliRun json = CliRun.With(Boot + "p = vmalloc 5000\nexplain last --json", "lab", "-q");
        using JsonDocument document = JsonDocument.Parse(json.OutText);
        JsonElement root = document.RootElement;
        Assert.Equal(("0xf8800000", 2, 3), (root.GetProperty("address").GetString(), root.GetProperty("frame_count").GetInt32(), root.GetProperty("entry_count").GetInt32()));
    }

    [Fact]
    public void What_was_saved_loads_into_the_same_machine()
    {
        string folder = Directory.CreateTempSubdirectory("vmscope-lab-").FullName;
        try
        {
            string file = Path.Combine(folder, "saved.lab");
            const string Script = Boot + "seed 3\nrepeat 20 { p[i] = vmalloc 4K * (rand(5) + 1) }\nrepeat 10 as n { vfree p[n * 2] }\nq = vmalloc 9000\n";
            CliRun saved = CliRun.With(Script + $"show areas\nsave \"{file}\"", "lab", "-q");
            Assert.Equal((0, ""), (saved.ExitCode, saved.ErrorText));
            CliRun loaded = CliRun.With($"load \"{file}\"", "lab", "-q");
            Assert.Equal(saved.OutText, loaded.OutText);
            CliRun missing = CliRun.Of("lab", Path.Combine(folder, "missing.lab"));
            Assert.Equal(3, missing.ExitCode);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public void An_endless_script_ends()
    {
        CliRun run = CliRun.With("repeat 4000000000 { repeat 4000000000 { x = 1 } }", "lab");
        Assert.Equal(2, run.ExitCode);
        Assert.Contains("does not seem to end", run.ErrorText, StringComparison.Ordinal);
    }

    [Fact]
    public void Completion_knows_commands_topics_and_names()
    {
        LabSession session = new(new SilentHost());
        session.Run("boot i386 2.6.27; page1 = alloc highmem; page2 = alloc highmem");
        Assert.Equal(["vm_map_ram", "vm_unmap_ram"], session.Complete("x = vm_"));
        Assert.Equal(["vmallocinfo", "vmlist"], session.Complete("show vm"));
        Assert.Equal(["page1", "page2"], session.Complete("kmap pa"));
        Assert.Contains("repeat", session.Complete("rep"));
        Assert.Empty(session.Complete("zzz"));
        Assert.True(LabSession.NeedsMore("repeat 3 {"));
        Assert.False(LabSession.NeedsMore("repeat 3 { x = 1 }"));
    }

    /// <summary>
    /// Goal: whatever is typed, the lab answers with an outcome or a mistake that has a place, and the machine stays
    /// consistent. Method: seeded lines of commands with fitting and unfitting arguments.
    /// </summary>
    [Theory]
    [InlineData("i386 2.4.22", 1)]
    [InlineData("i386 2.6.32", 2)]
    [InlineData("i386 6.1 pae", 3)]
    [InlineData("x86-64 5.4", 4)]
    [InlineData("x86-64 6.12 cpus=4", 5)]
    public void No_line_breaks_the_lab(string machine, int seed)
    {
        Random random = new(seed);
        LabSession session = new(new SilentHost());
        session.Run($"boot {machine} ram=128M; a = 0; b = 0; c = 0; pg = alloc normal; hi = alloc highmem");
        string[] commands = [.. session.Complete("").Where(name => name is not ("boot" or "quit" or "repeat" or "expect"))];
        string[] words =
        [
            "a", "b", "c", "pg", "hi", "100", "0", "4K", "9M", "0xc0000003", "0xfee00000", "0xffffffffffffffff", "18446744073709551615", "\"text\"", "page(7)",
            "page(0xffffffffff)", "user0", "cpu=1", "cpu=0", "order=3", "highmem", "kernel", "core", "areas", "zones", "pagetables", "pkmap", "tlb", "last", "--json",
            "a+4096", "a-1", "-1", "rand(100)", "1", "2", "64", "65536", "x86-64", "6.1", "device", "width=8", "layout(\"vmalloc-start\")",
        ];
        int done = 0;
        for (int i = 0; i < 1500; i++)
        {
            string line = (random.Next(3) == 0 ? "abc"[random.Next(3)] + " = " : "") + commands[random.Next(commands.Length)];
            for (int n = random.Next(4); n > 0; n--)
            {
                line += " " + words[random.Next(words.Length)];
            }

            try
            {
                session.Run(line);
                done++;
            }
            catch (Exception error) when (error is LabException or IOException)
            {
                Assert.NotEqual("", error.Message);
            }
            catch (Exception error)
            {
                Assert.Fail($"{line}: {error}");
            }
        }

        Assert.True(done > 100, $"only {done} lines did anything");
        session.Machine!.CheckInvariants();
    }

    private sealed class SilentHost : LabHost
    {
        public override void Line(string text)
        {
        }

        public override string Text(VmScope.Vmalloc.VmallocReport report) => "";

        public override string Text(VmScope.Physical.BuddyinfoReport report) => "";

        public override string Text(VmScope.Physical.ZoneinfoReport report) => "";

        public override string Text(VmScope.Physical.MeminfoReport report) => "";

        public override string Text(VmScope.Physical.IomemReport report) => "";

        public override string ReadScript(string name) => throw new IOException(name);

        public override void WriteScript(string name, string text) => throw new IOException(name);

        public override Stream Create(string name) => throw new IOException(name);
    }
}
