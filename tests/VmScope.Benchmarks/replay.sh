#!/usr/bin/env bash
# Measures replaying traces of a million events beside gawk, which only splits the same lines into the same fields:
# parse and exact placement in steady state inside one process, the whole process, and gawk, RUNS times in turn
# (default 5); the least processor time counts, so that other work on the machine does not.
# usage: replay.sh [RUNS]      results belong into docs/benchmarks/replay.md
set -euo pipefail
runs=${1:-5}
root=$(cd "$(dirname "$0")/../.." && pwd -P)
work=$root/artifacts/replay
mkdir -p "$work"
command -v gawk >/dev/null || { echo "replay.sh: no gawk found; it is the peer" >&2; exit 3; }
dotnet build "$root/tests/VmScope.Benchmarks" --configuration Release --verbosity quiet --nologo -nodeReuse:false
bench=$root/artifacts/bin/VmScope.Benchmarks/release/VmScope.Benchmarks.dll
"$root/vmscope" --version >/dev/null
dotnet exec "$bench" replay "$work/trace" | tee "$work/steady"

measure() { # NAME COMMAND...: one start; appends "cpu kilobytes" to NAME's file
    local name=$1
    shift
    /usr/bin/time -f '%U %S %M' -o "$work/one" "$@" >/dev/null
    awk '{ printf "%.2f %d\n", $1 + $2, $3 }' "$work/one" >>"$work/$name"
}

rm -f "$work"/time-*
for ((run = 0; run < runs; run++)); do
    for trace in "$work"/trace.*; do
        name=${trace##*.}
        measure "time-gawk-$name" gawk -F'[ =:]+' '{ n += NF } END { print n }' "$trace"
        measure "time-process-$name" "$root/vmscope" replay "$trace" --recorded-on 6.6 --json
    done
done

printf '\n%-12s %10s %10s %8s %14s %14s\n' trace gawk/s process/s peak/MB steady/gawk process/gawk
for trace in "$work"/trace.*; do
    name=${trace##*.}
    steady=$(awk -F'best ' -v name="$name:" '$1 ~ "^" name { print $2 + 0 }' "$work/steady")
    gawk=$(sort -n "$work/time-gawk-$name" | head -1 | cut -d' ' -f1)
    sort -n "$work/time-process-$name" | head -1 | awk -v name="$name" -v gawk="$gawk" -v steady="$steady" \
        '{ printf "%-12s %10.2f %10.2f %8.0f %14.2f %14.2f\n", name, gawk, $1, $2 / 1024, gawk * steady, gawk / $1 }'
done
