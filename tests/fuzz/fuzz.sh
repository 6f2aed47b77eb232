#!/bin/sh
# fuzz.sh [--for 10m] [TARGET ...]: builds the fuzz targets with clang under ASan and UBSan and lets each
# search for its share of the time, from the corpus and from what earlier runs found (var/fuzz/TARGET).
# A finding is kept, made smaller, and named; then the exit status is 1. `./dev fuzz` runs this.
set -eu
cd "$(dirname "$0")/../.."
all="app conf envelope event keyring mark spool topic"
time=10m targets=

say() { printf '%s\n' "fuzz: $*"; }
die() { printf '%s\n' "fuzz: $*" >&2; exit 2; }

while [ $# -gt 0 ]; do
  case $1 in
    --for) [ $# -gt 1 ] || die "--for wants a time: 90s, 10m, 2h"; time=$2; shift ;;
    --for=*) time=${1#--for=} ;;
    -h | --help) echo "usage: fuzz.sh [--for 10m] [TARGET ...]; targets: $all"; exit 0 ;;
    -*) die "no option '$1'; there is --for TIME" ;;
    *) case " $all " in
         *" $1 "*) targets="$targets $1" ;;
         *) die "no target '$1'; there are $all" ;;
       esac ;;
  esac
  shift
done
[ -n "$targets" ] || targets=$all
case ${time%[smh]} in
  '' | 0* | *[!0-9]*) die "--for $time: a time is wanted, as 90s, 10m or 2h" ;;
esac
case $time in
  *m) seconds=$((${time%m} * 60)) ;;
  *h) seconds=$((${time%h} * 3600)) ;;
  *) seconds=${time%s} ;;
esac
count=$(echo "$targets" | wc -w)
share=$((seconds / count))
[ "$share" -gt 0 ] || die "--for $time is no second for each of $count targets"

if [ ! -f build-fuzz/build.ninja ]; then
  say "configuring build-fuzz"
  log=$(mktemp)
  CC=clang meson setup build-fuzz -Dtests=true -Dbench=false -Dfuzz=true -Db_sanitize=address,undefined \
    -Db_lundef=false -Dbuildtype=debugoptimized -Dc_args=-fsanitize=fuzzer-no-link >"$log" 2>&1 || { cat "$log" >&2; rm -f "$log"; exit 2; }
  rm -f "$log"
fi
say "building"
programs=
for t in $targets; do programs="$programs tests/fuzz/fuzzer-$t"; done
# shellcheck disable=SC2086
ninja -C build-fuzz --quiet $programs

# The least input that still shows it, or the one that was found.
minimise() { # FUZZER FOUND
  small=$2.min
  "$1" -minimize_crash=1 -runs=20000 -max_total_time=30 -exact_artifact_path="$small" "$2" >/dev/null 2>&1 || :
  if [ -s "$small" ] && ! "$1" "$small" >/dev/null 2>&1; then mv "$small" "$2"; else rm -f "$small"; fi
}

export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 ASAN_OPTIONS=detect_leaks=1
findings=0
for t in $targets; do
  before=$findings
  case $t in
    topic) longest=256 ;;
    mark) longest=1400 ;;
    keyring) longest=4096 ;;
    conf) longest=8192 ;;
    *) longest=65600 ;;
  esac
  fuzzer=build-fuzz/tests/fuzz/fuzzer-$t
  work=var/fuzz/$t
  mkdir -p "$work/queue" "$work/findings"
  say "$t for $share s"
  status=0
  "$fuzzer" -max_total_time="$share" -timeout=10 -rss_limit_mb=1024 -max_len="$longest" -print_final_stats=1 \
    -artifact_prefix="$work/new-" "$work/queue" "tests/fuzz/corpus/$t" >"$work/log" 2>&1 || status=$?
  executed=$(sed -n 's/^stat::number_of_executed_units: *//p' "$work/log")
  covered=$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$work/log" | tail -n 1)
  say "$t: ${executed:-?} inputs, ${covered:-?} edges, $(find "$work/queue" -type f | wc -l) kept"
  for found in "$work"/new-*; do
    [ -e "$found" ] || continue
    kept=$work/findings/${found##*/new-}
    mv "$found" "$kept"
    minimise "$fuzzer" "$kept"
    findings=$((findings + 1))
    say "$t FOUND $kept ($(wc -c <"$kept") bytes)"
    "$fuzzer" "$kept" 2>&1 | grep -m 5 -E 'ERROR|runtime error|does not hold|SUMMARY' || :
    say "again: $fuzzer $kept; a fix comes with it as tests/fuzz/corpus/$t/NAME"
  done
  if [ "$status" != 0 ] && [ "$findings" = "$before" ]; then
    tail -n 20 "$work/log" >&2
    say "$t ended with status $status: see $work/log"
    exit 1
  fi
done
[ "$findings" = 0 ] || { say "$findings finding(s)"; exit 1; }
say "nothing found"
