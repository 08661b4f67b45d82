using System.Globalization;
using System.Text;
using VmScope.Traces;

namespace VmScope.Tests.Traces;

/// <summary>
/// Goal: a line means the same whichever tool printed it, and nothing in a trace can do harm.
/// Method: the same event in the form of every tool; damaged, truncated and random bytes.
/// </summary>
public class TraceReaderTests
{
    private const string Placed =
        "alloc_vmap_area: va_start: 18446683600570023936 size=20480 align=16384 vstart=0xffffc90000000000 vend=0xffffe8ffffffffff failed=0";

    public static TheoryData<string> Forms() =>
    [
        "          <idle>-0       [002] d..1.     1.500000: " + Placed,
        "            bash-1234    [002] ....     1.500000: " + Placed,
        "            bash-1234    (   1200) [002] .....     1.500000: " + Placed,
        "            bash-1234    (-------) [002] .....     1.500000: " + Placed,
        "            bash-1234    [002]     1.500000: alloc_vmap_area:      " + Placed["alloc_vmap_area: ".Length..],
        "            bash-1234    [002] d..1.     1.500000: alloc_vmap_area:      " + Placed["alloc_vmap_area: ".Length..],
        "            bash  1234 [002]     1.500000: vmalloc:" + Placed,
        "            bash  1234/1236  [002]     1.500000000: vmalloc:" + Placed,
        "Web Content [0]-77 [002] .....     1.500000: " + Placed,
        "    kworker/u8:2-91      [002] .....     1.500000: " + Placed + "\r",
        "    bash-1234      2d..1. 1500000us : " + Placed,
        "kworker/-91        2.N... 1500000us+: " + Placed,
    ];

    [Theory, MemberData(nameof(Forms))]
    public void Every_tool_prints_the_same_event(string line)
    {
        TraceEvent read = Assert.Single(Read(line + "\n"));
        Assert.Equal(TraceEventKind.Placed, read.Kind);
        Assert.Equal(2, read.Cpu);
        Assert.Equal(1_500_000_000UL, read.Time);
        Assert.Equal(0xffffc90000000000, read.Start);
        Assert.Equal(0xffffc90000005000, read.End);
        Assert.Equal((20480UL, 16384UL), (read.SizeBytes, read.AlignBytes));
        Assert.Equal((0xffffc90000000000, 0xffffe8ffffffffff), (read.WindowStart, read.WindowEnd));
        Assert.False(read.Failed);
        Assert.Equal(1, read.Line);
    }

    [Fact]
    public void Probes_are_read_by_the_names_of_their_fields()
    {
        TraceEvent[] read = Read("""
            insmod-89      [000] .....     6.931870: alloc: (alloc_vmap_area+0x0/0x880) size=0x5000 align=0x1 vstart=0xf7000000 vend=0xfe000000 node=-1 gfp=0xcc0
            insmod-89      [000] .....     6.938419: alloc_ret: (__get_vm_area_node+0xb1/0x150 <- alloc_vmap_area) va=0xc440e940 start=0xf7595000 end=0xf759a000
            insmod-89      [000] .....     6.938420: alloc_ret: (__get_vm_area_node+0xb1/0x150 <- alloc_vmap_area) va=0xfffffff0 start=0x0 end=0x0
            insmod-89      [000] .....     6.938421: alloc_ret: (__get_vm_area_node+0xb1/0x150 <- alloc_vmap_area) va=0xfffffffffffffff4 start=(fault) end=(fault)
            insmod-89      [000] .....     6.938422: vmcap:free_noflush: (ffffffff81234567) end=0xf759a000 start=0xf7595000
            insmod-89      [000] .....     6.938423: pcpu_get_ret: (pcpu_create_chunk+0xc0/0x180 <- pcpu_get_vm_areas) vms=0xc12ebd78 addr0=0xfebb6000 size0=0x48000

            """);
        Assert.Equal(
            [TraceEventKind.ProbePlace, TraceEventKind.ProbePlaced, TraceEventKind.ProbePlaced, TraceEventKind.ProbePlaced,
                TraceEventKind.ProbeFree, TraceEventKind.ProbePercpuPlaced],
            read.Select(item => item.Kind));
        Assert.Equal((0x5000UL, 1UL, 0xf7000000UL, 0xfe000000UL),
            (read[0].SizeBytes, read[0].AlignBytes, read[0].WindowStart, read[0].WindowEnd));
        Assert.Equal([false, true, true], read[1..4].Select(item => item.Failed));
        Assert.Equal((0xf7595000UL, 0xf759a000UL), (read[4].Start, read[4].End));
        Assert.Equal((0xfebb6000UL, 0x48000UL), (read[5].Start, read[5].SizeBytes));
    }

    [Theory]
    [InlineData("CPU:2 [LOST 12345 EVENTS]", 2, 12345)]
    [InlineData("CPU:1 [17 EVENTS DROPPED]", 1, 17)]
    [InlineData("CPU:0 [EVENTS DROPPED]", 0, 1)]
    [InlineData("  bash 12 [001] 5.0: PERF_RECORD_LOST lost 33", 1, 33)]
    public void Lost_events_are_counted(string line, int cpu, ulong count)
    {
        TraceReader reader = new(new MemoryStream(Encoding.UTF8.GetBytes(line + "\n")), "trace");
        TraceEvent read = default;
        Assert.True(reader.TryRead(ref read));
        Assert.Equal((TraceEventKind.Lost, cpu, count, count), (read.Kind, read.Cpu, read.Count, reader.LostEvents));
    }

    [Fact]
    public void The_header_tells_processors_and_overwritten_events()
    {
        TraceReader reader = new(new MemoryStream("# entries-in-buffer/entries-written: 70/100   #P:6\n"u8.ToArray()), "trace");
        TraceEvent read = default;
        Assert.False(reader.TryRead(ref read));
        Assert.Equal((6, 30UL, 0L), (reader.HeaderCpus, reader.OverwrittenEvents, reader.OddLines));
    }

    [Theory]
    [InlineData("alloc_vmap_area: va_start: 99999999999999999999999 size=1 align=1 vstart=0x0 vend=0x1 failed=0")]
    [InlineData("alloc_vmap_area: va_start: 12 size=")]
    [InlineData("alloc_vmap_area: va_start=0x12 size=1 align=1")]
    [InlineData("free_vmap_area_noflush: va_start=0xfffffffffffffffff nr_lazy=1 nr_lazy_max=2")]
    [InlineData("purge_vmap_area_lazy: start=0x1")]
    public void A_damaged_event_is_an_odd_line(string text)
    {
        TraceReader reader = new(new MemoryStream(Encoding.UTF8.GetBytes("     task-1 [000] ..... 1.0: " + text)), "trace");
        TraceEvent read = default;
        Assert.False(reader.TryRead(ref read));
        Assert.Equal(1, reader.OddLines);
        Assert.StartsWith("line 1: ", Assert.Single(reader.OddLineSamples), StringComparison.Ordinal);
    }

    [Fact]
    public void A_line_without_end_is_passed_over()
    {
        byte[] text = [.. new byte[3 * TraceReader.LineBytesMax].Select(_ => (byte)'x'), (byte)'\n', .. Encoding.UTF8.GetBytes(
            "            bash-1234    [002] ....     1.500000: " + Placed + "\n")];
        TraceReader reader = new(new MemoryStream(text), "trace");
        TraceEvent read = default;
        Assert.True(reader.TryRead(ref read));
        Assert.Equal((TraceEventKind.Placed, 1L), (read.Kind, reader.OddLines));
        Assert.False(reader.TryRead(ref read));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Random_bytes_in_a_trace_do_no_harm(int seed)
    {
        Random random = new(seed);
        byte[] text = Encoding.UTF8.GetBytes(string.Concat(Enumerable.Repeat(
            "            bash-1234    [002] ....     1.500000: " + Placed + "\n", 400)));
        for (int i = 0; i < 3000; i++)
        {
            text[random.Next(text.Length)] = (byte)random.Next(256);
        }

        TraceReader reader = new(new MemoryStream(text), "trace");
        TraceEvent read = default;
        int events = 0;
        while (reader.TryRead(ref read))
        {
            events++;
        }

        Assert.InRange(events, 0, 800);
        Assert.True(reader.OddLines > 0, "damage went unnoticed");
    }

    private static TraceEvent[] Read(string text)
    {
        TraceReader reader = new(new MemoryStream(Encoding.UTF8.GetBytes(text)), "trace");
        List<TraceEvent> events = [];
        TraceEvent read = default;
        while (reader.TryRead(ref read))
        {
            events.Add(read);
        }

        return [.. events];
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void Every_width_of_every_number_is_read(int seed)
    {
        Random random = new(seed);
        for (int i = 0; i < 2000; i++)
        {
            int task = random.Next(1, Power(random.Next(1, 9)));
            int cpu = random.Next(0, i % 3 == 0 ? 2000 : 10);
            long seconds = random.Next(0, Power(random.Next(1, 8)));
            int micros = random.Next(0, 1_000_000);
            ulong start = (ulong)random.NextInt64() >> random.Next(64) << random.Next(2);
            ulong size = (ulong)random.NextInt64() >> random.Next(1, 64);
            string flags = random.Next(3) switch { 0 => "....", 1 => ".N.1.", _ => "d..21." };
            string line = string.Create(CultureInfo.InvariantCulture,
                $"            bash-{task,-7} [{cpu:000}] {flags} {seconds,5}.{micros:000000}: alloc_vmap_area: va_start: {start} size={size} align=1 vstart=0x{start:x} vend=0x{size:x} failed=0\n");
            TraceReader reader = new(new MemoryStream(Encoding.UTF8.GetBytes(line)), "trace");
            TraceEvent read = default;

            Assert.True(reader.TryRead(ref read), line);
            Assert.Equal((task, cpu, (ulong)((seconds * 1_000_000_000) + (micros * 1000L))), (read.Task, read.Cpu, read.Time));
            Assert.Equal((start, size, start, size), (read.Start, read.SizeBytes, read.WindowStart, read.WindowEnd));
        }

        static int Power(int digits) => (int)Math.Pow(10, digits);
    }

    [Theory]
    [InlineData("18446744073709551615", true)]
    [InlineData("18446744073709551616", false)]
    [InlineData("99999999999999999999", false)]
    [InlineData("000000000000000000001", false)]
    public void A_number_beyond_64_bits_is_no_number(string start, bool isRead)
    {
        string line = "            bash-1234    [002] ....     1.500000: alloc_vmap_area: va_start: " + start
            + " size=4096 align=1 vstart=0x1000 vend=0x2000 failed=0\n";
        TraceReader reader = new(new MemoryStream(Encoding.UTF8.GetBytes(line)), "trace");
        TraceEvent read = default;

        Assert.Equal(isRead, reader.TryRead(ref read));
        Assert.Equal(isRead ? 0 : 1, reader.OddLines);
    }
}
