#!/usr/bin/env bash
# Measures what starting costs: the bare runtime, each library vmscope could touch, and vmscope itself.
# Every subject is started RUNS times (default 40), in turn rather than in blocks, so that a busy moment hits all alike;
# the table shows the smallest and the middle wall time, and the middle processor time, in milliseconds, and how many
# methods the runtime had to compile.
# usage: start-up.sh [RUNS]      results belong into docs/decisions/start-up.md
set -euo pipefail
runs=${1:-40}
root=$(cd "$(dirname "$0")/../.." && pwd -P)
work=$root/artifacts/start-up
mkdir -p "$work/probe"
cd "$work/probe"

# A project of its own: outside the repository's settings, with the SDK's defaults.
printf '<Project />' >Directory.Build.props
printf '<Project />' >Directory.Packages.props
cat >probe.csproj <<'XML'
<Project Sdk="Microsoft.NET.Sdk">
  <PropertyGroup>
    <OutputType>Exe</OutputType>
    <TargetFramework>net10.0</TargetFramework>
    <ImplicitUsings>enable</ImplicitUsings>
    <InvariantGlobalization>true</InvariantGlobalization>
  </PropertyGroup>
  <ItemGroup><PackageReference Include="System.CommandLine" Version="3.0.0" /></ItemGroup>
</Project>
XML
cat >probe.cs <<'CS'
using System.Collections.Frozen;
using System.Collections.Immutable;
using System.IO.Compression;
using System.Text.Json;
using System.Text.RegularExpressions;

switch (args.Length == 0 ? "" : args[0])
{
    case "linq":
        Linq();
        break;
    case "immutable":
        Immutable();
        break;
    case "frozen":
        Frozen();
        break;
    case "json":
        Json();
        break;
    case "regex":
        Pattern();
        break;
    case "gzip":
        Gzip();
        break;
    case "command-line":
        CommandLine();
        break;
    case "threads":
        Parallel.For(0, 2, _ => { });
        break;
}

Console.WriteLine("hello");

// One method for each: a method's libraries are loaded when it is first compiled.
static void Linq() => _ = Enumerable.Range(0, 9).Where(i => i > 3).OrderBy(i => -i).Sum();
static void Immutable() => _ = ImmutableArray.CreateRange([1, 2, 3]).Add(4);
static void Frozen() => _ = new Dictionary<string, int> { ["a"] = 1 }.ToFrozenDictionary();
static void Json()
{
    using Utf8JsonWriter writer = new(Stream.Null);
    writer.WriteStartObject();
    writer.WriteNumber("a", 1);
    writer.WriteEndObject();
}

static void Pattern() => _ = Regex.IsMatch("0xf8000000-0xf8002000", "^0x[0-9a-f]+-0x[0-9a-f]+$");
static void Gzip()
{
    using GZipStream gzip = new(new MemoryStream(), CompressionMode.Compress);
    gzip.WriteByte(1);
}

static void CommandLine()
{
    System.CommandLine.RootCommand root = new("probe") { new System.CommandLine.Option<bool>("--json"), new System.CommandLine.Argument<string?>("file") };
    root.SetAction(_ => 0);
    _ = root.Parse(["--json", "x"]).Invoke();
}
CS
dotnet build -c Release --nologo -v quiet -nodeReuse:false -p:UseSharedCompilation=false >build.log 2>&1 || { cat build.log; exit 1; }
probe=$work/probe/bin/Release/net10.0/probe.dll

"$root/vmscope" --version >/dev/null
plain=$root/artifacts/bin/VmScope.Cli/release/vmscope.dll
ready=$root/artifacts/ready/program/vmscope.dll
native=$root/artifacts/native/program/vmscope
list=$work/sixty-rows.txt
for ((i = 0; i < 60; i++)); do
    printf '0xffffc900%08x-0xffffc900%08x   16384 n_tty_open+0x19/0xe0 pages=3 vmalloc N0=3\n' $((i * 20480)) $((i * 20480 + 16384))
done >"$list"

names=() commands=()
subject() { names+=("$1"); commands+=("$2"); }
subject "hello world, default settings" "dotnet exec $probe"
for library in linq immutable frozen json regex gzip threads command-line; do
    subject "hello world + $library" "dotnet exec $probe $library"
done
if [ -f "$plain" ]; then
    subject "vmscope --version, not precompiled" "dotnet exec $plain --version"
    subject "vmscope explain, 60 rows, not precompiled" "dotnet exec $plain explain $list"
fi
if [ -f "$ready" ]; then
    subject "vmscope --version" "dotnet exec $ready --version"
    subject "vmscope --help" "dotnet exec $ready --help"
    subject "vmscope explain, 60 rows" "dotnet exec $ready explain $list"
    subject "vmscope explain --json, 60 rows" "dotnet exec $ready explain --json $list"
fi
subject "./vmscope --version (the launcher)" "$root/vmscope --version"
if [ -x "$native" ]; then
    subject "native vmscope --version" "$native --version"
    subject "native vmscope explain, 60 rows" "$native explain $list"
fi

rm -f "$work"/times.*
TIMEFORMAT='%3R %3U %3S'
for ((run = 0; run < runs; run++)); do
    for i in "${!commands[@]}"; do
        { time ${commands[i]} >/dev/null 2>&1 || true; } 2>>"$work/times.$i"
    done
done

printf '| Start of | smallest, ms | middle, ms | processor, ms | methods compiled |\n| --- | ---: | ---: | ---: | ---: |\n'
for i in "${!commands[@]}"; do
    rm -f "$work/compiled"
    DOTNET_JitStdOutFile=$work/compiled DOTNET_JitDisasmSummary=1 ${commands[i]} >/dev/null 2>&1 || true
    touch "$work/compiled"
    awk -v name="${names[i]}" -v compiled="$(grep -c . "$work/compiled" || true)" '
        { wall[NR] = $1 * 1000; cpu[NR] = ($2 + $3) * 1000 }
        function middle(a, n,   i, j, t) {
            for (i = 2; i <= n; i++) { t = a[i]; for (j = i - 1; j > 0 && a[j] > t; j--) a[j + 1] = a[j]; a[j + 1] = t }
            return n % 2 ? a[(n + 1) / 2] : (a[n / 2] + a[n / 2 + 1]) / 2
        }
        END { m = middle(wall, NR); c = middle(cpu, NR); printf "| %s | %.0f | %.0f | %.0f | %d |\n", name, wall[1], m, c, compiled }' "$work/times.$i"
done
