using System.CommandLine;
using VmScope.Cli.Output;
using VmScope.Cli.Output.Layouts;
using VmScope.Cli.Output.Pictures;
using VmScope.Layout;
using VmScope.Sources;

namespace VmScope.Cli.Commands;

/// <summary><c>vmscope layout</c>: where a kernel will put everything, before it boots.</summary>
internal static class LayoutCommand
{
    internal static Command Create(Terminal terminal)
    {
        LayoutOptions options = new();
        Option<bool> json = new("--json") { Description = "Write JSON" };
        Option<bool> dmesg = new("--dmesg") { Description = "Write the lines this kernel prints about its layout while booting" };
        Option<bool> meminfo = new("--meminfo") { Description = "Write the Vmalloc lines of /proc/meminfo" };
        Option<string?> why = new("--why") { Description = "Derive one number (vmalloc-end, high-memory, a region, a fixmap entry), or say what an address is", HelpName = "name" };
        Option<string?> sweep = new("--sweep")
        {
            Description = "One row per value: ram=64M..4G:8M, vmalloc=…, nr_cpus=1..64:1, kernel=2.6.27,2.6.28",
            HelpName = "what",
        };
        Option<bool> csv = new("--csv") { Description = "With --sweep: comma-separated values" };
        Option<bool> observed = new("--observed") { Description = "Also show where evidence says randomised regions were" };
        Option<string?> symbols = new("--system-map") { Description = "With --dmesg: System.map of the build, for the lines about the image", HelpName = "file" };
        Option<string> color = ColorChoice.Option();
        Command command = new("layout", "Predict where a kernel puts each region of its address space");
        options.AddTo(command);
        foreach (Option option in (Option[])[json, dmesg, meminfo, why, sweep, csv, observed, symbols, color])
        {
            command.Options.Add(option);
        }

        PictureOptions pictures = new(command);
        command.SetAction(parsed =>
        {
            bool isJson = parsed.GetValue(json);
            bool isDmesg = parsed.GetValue(dmesg);
            bool isMeminfo = parsed.GetValue(meminfo);
            string? asked = parsed.GetValue(why);
            string? swept = parsed.GetValue(sweep);
            int forms = (isJson ? 1 : 0) + (isDmesg ? 1 : 0) + (isMeminfo ? 1 : 0) + (asked is null ? 0 : 1) + (swept is null ? 0 : 1);
            if (forms > 1)
            {
                throw new UsageException("--json, --dmesg, --meminfo, --why and --sweep are different outputs: give one of them");
            }

            if (parsed.GetValue(csv) && swept is null)
            {
                throw new UsageException("--csv goes with --sweep");
            }

            if (parsed.GetValue(symbols) is not null && !isDmesg)
            {
                throw new UsageException("--system-map goes with --dmesg");
            }

            if (parsed.GetValue(observed) && forms > 0 && !isJson)
            {
                throw new UsageException("--observed goes with the table and with --json");
            }

            LayoutInputs inputs = options.Read(parsed, terminal, out EvidenceBundle? evidence);
            Paint paint = new(ColorChoice.Resolve(parsed.GetValue(color)!, terminal));
            if (swept is not null && pictures.AnyAsked(parsed))
            {
                throw new UsageException("--svg and --html draw one layout, --sweep makes many");
            }

            if (swept is not null)
            {
                LayoutSweep.Run(inputs, swept, parsed.GetValue(csv), terminal, paint);
                return ExitCode.Fine;
            }

            KernelLayout layout = LayoutPredictor.Predict(inputs) switch
            {
                LayoutAnswer.Predicted predicted => predicted.Layout,
                LayoutAnswer.Impossible impossible => throw new UsageException($"no such layout: {impossible.Reason}"),
                _ => throw new InvalidOperationException("an answer of a third kind"),
            };
            ObservedBases? bases = parsed.GetValue(observed)
                ? ObservedBases.Read(evidence ?? throw new UsageException("--observed needs evidence"), layout)
                : null;
            if (isJson)
            {
                LayoutJson.Write(layout, terminal.Out, bases);
            }
            else if (isDmesg)
            {
                BootText.WriteDmesg(layout, parsed.GetValue(symbols), terminal);
            }
            else if (isMeminfo)
            {
                BootText.WriteMeminfo(layout, terminal);
            }
            else if (asked is not null)
            {
                LayoutWhy.Write(layout, asked, terminal.Out);
            }
            else
            {
                new LayoutText(layout, terminal, paint, bases).Write();
            }

            pictures.Write(parsed, terminal, () => LayoutPicture.Of(layout));
            return ExitCode.Fine;
        });
        return command.WithExamples(
            new Example("vmscope layout", "this machine, from its version, configuration, options and memory map"),
            new Example("vmscope layout --arch i386 --kernel 2.6.24 --ram 2G --why vmalloc-total", "why 114680 kB"),
            new Example("vmscope layout --arch i386 --kernel 6.1 --cmdline vmalloc=256M --sweep ram=64M..4G:64M", "lowmem against vmalloc"),
            new Example("vmscope layout boot.log --set CONFIG_VMSPLIT_2G=y --json", "the same boot with another split"));
    }
}
