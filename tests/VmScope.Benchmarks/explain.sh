#!/usr/bin/env bash
# Measures `vmscope explain` end to end on a list of a million rows, beside mawk summing sizes by owner and wc counting
# lines of the same file: RUNS starts of each (default 15), in turn so that a busy moment hits all alike; the table shows
# the smallest wall time, the processor time of that run, the peak memory, and how often mawk's time holds vmscope's.
# The native executable takes part once ./vmscope --native has built it.
# usage: explain.sh [RUNS]      results belong into docs/decisions/reading-lists.md
set -euo pipefail
runs=${1:-15}
root=$(cd "$(dirname "$0")/../.." && pwd -P)
work=$root/artifacts/explain
list=$work/list-1000000.txt
mkdir -p "$work"
dotnet build "$root/tests/VmScope.Benchmarks" --configuration Release --verbosity quiet --nologo -nodeReuse:false
bench=$root/artifacts/bin/VmScope.Benchmarks/release/VmScope.Benchmarks.dll
[ -f "$list" ] || dotnet exec "$bench" list make "$list"
"$root/vmscope" --version >/dev/null
native=$root/artifacts/native/program/vmscope
precompiled=("$root/vmscope")
[ ! -f "$root/artifacts/ready/program/vmscope.dll" ] || precompiled=(dotnet exec "$root/artifacts/ready/program/vmscope.dll")
head -60 "$list" >"$work/short.txt"

measure() { # NAME COMMAND...: one start; appends "wall-ms cpu-ms kilobytes" to NAME's file
    local name=$1
    shift
    local from=$EPOCHREALTIME
    /usr/bin/time -f '%U %S %M' -o "$work/one" "$@" >/dev/null 2>&1 || true
    local to=$EPOCHREALTIME
    tail -1 "$work/one" | awk -v us=$((${to/./} - ${from/./})) '{ printf "%.1f %.0f %d\n", us / 1000, ($1 + $2) * 1000, $3 }' >>"$work/$name"
}

rm -f "$work"/time-*
for ((run = 0; run < runs; run++)); do
    measure time-mawk mawk '{ sum[$3] += $2 } END { for (owner in sum) print owner, sum[owner] }' "$list"
    measure time-wc wc -l "$list"
    measure time-explain "${precompiled[@]}" explain "$list"
    [ ! -x "$native" ] || measure time-native "$native" explain "$list"
    measure time-json "${precompiled[@]}" explain "$list" --json
    measure time-short "${precompiled[@]}" explain "$work/short.txt"
    measure time-version "${precompiled[@]}" --version
done

best() { sort -n "$work/$1" | head -1; }
mawk=$(best time-mawk | cut -d' ' -f1)
printf '%-34s %8s %8s %10s %12s\n' subject wall/ms cpu/ms peak/MB mawk/this
for subject in mawk wc explain native json short version; do
    [ -f "$work/time-$subject" ] || continue
    best "time-$subject" | awk -v name="$subject" -v mawk="$mawk" \
        '{ printf "%-34s %8.1f %8.0f %10.1f %12s\n", name, $1, $2, $3 / 1024, ($1 > 0 ? sprintf("%.2f", mawk / $1) : "-") }'
done
dotnet exec "$bench" list speed "$list"
