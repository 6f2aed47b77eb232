#!/bin/sh
# run.sh PART: the tests of `./dev test PART`, which installs what they need first.
#   all        unit, crash, sim, fuzz (corpus), e2e; then all but crash under ASan+UBSan
#   unit | crash | sim | fuzz | e2e   that suite in ./build
#   sanitize asan|tsan|ubsan  the suites that make sense under it
#   coverage   line coverage of units and simulator
#   lint       clang-format and clang-tidy
# Ends with one line: N passed, N failed.
set -eu
cd "$(dirname "$0")/.."
unset MESON_TESTTHREADS || :
log=$(mktemp)
trap 'rm -f "$log"' EXIT
passed=0 failed=0

say() { printf '%s\n' "test: $*"; }

# configure DIR OPTION...
configure() {
  dir=$1
  shift
  if [ -f "$dir/build.ninja" ]; then
    meson configure "$dir" "$@" >/dev/null
  else
    meson setup "$dir" "$@" >"$log" 2>&1 || { cat "$log" >&2; exit 1; }
  fi
}

# suite DIR SUITE...: builds and runs, adds to the counts. A sanitizer's report fails the run even
# where the test program exits 0 (Criterion does, on a leak).
suite() {
  dir=$1
  shift
  args=
  for s in "$@"; do args="$args --suite $s"; done
  ninja -C "$dir" --quiet >"$log" 2>&1 || { tail -n 60 "$log"; say "$dir does not build"; failed=$((failed + 1)); return 0; }
  code=0
  # shellcheck disable=SC2086
  meson test -C "$dir" --no-rebuild --print-errorlogs --timeout-multiplier "${BELFRY_TEST_PATIENCE:-3}" $args >"$log" 2>&1 || code=$?
  grep -E '^ *[0-9]+/[0-9]+ |^SKIPPED|SKIP' "$log" || :
  [ "$code" = 0 ] || cat "$log"
  ok=$(sed -n 's/^Ok: *\([0-9]*\).*/\1/p' "$log" | tail -n 1)
  expected=$(sed -n 's/^Skipped: *\([0-9]*\).*/\1/p' "$log" | tail -n 1)
  passed=$((passed + ${ok:-0}))
  [ "${expected:-0}" = 0 ] || say "SKIPPED ${expected} test(s) in $dir: see above for what could not be had"
  if [ "$code" != 0 ]; then
    bad=$(sed -n -e 's/^Fail: *\([0-9]*\).*/\1/p' -e 's/^Timeout: *\([0-9]*\).*/\1/p' "$log" | awk '{s += $1} END {print s + 0}')
    failed=$((failed + (bad > 0 ? bad : 1)))
  fi
  if grep -qE 'LeakSanitizer|AddressSanitizer|runtime error:|ThreadSanitizer' "$dir/meson-logs/testlog.txt"; then
    say "a sanitizer's report in $dir:"
    grep -nE -A 12 'LeakSanitizer|AddressSanitizer|runtime error:|ThreadSanitizer' "$dir/meson-logs/testlog.txt" | head -n 60
    failed=$((failed + 1))
  fi
}

sanitize() {
  case $1 in
    asan)
      say "units, simulator, fuzz corpus and programs under AddressSanitizer and UndefinedBehaviorSanitizer"
      configure build-asan -Dtests=true -Dbench=false -Db_sanitize=address,undefined -Dbuildtype=debugoptimized
      ASAN_OPTIONS=detect_leaks=1:abort_on_error=0 UBSAN_OPTIONS=print_stacktrace=1 suite build-asan unit sim fuzz e2e ;;
    ubsan)
      configure build-ubsan -Dtests=true -Dbench=false -Db_sanitize=undefined -Dbuildtype=debugoptimized
      UBSAN_OPTIONS=print_stacktrace=1 suite build-ubsan unit sim fuzz ;;
    tsan)
      # Criterion does not start under ThreadSanitizer: the simulator and the real programs do.
      configure build-tsan -Dtests=true -Dbench=false -Db_sanitize=thread -Dbuildtype=debugoptimized
      TSAN_OPTIONS="suppressions=$PWD/tests/tsan.supp second_deadlock_stack=1" suite build-tsan sim e2e ;;
    *) echo "test: '$1' is none of asan, tsan, ubsan" >&2; exit 2 ;;
  esac
}

coverage() {
  say "line coverage of units and simulator"
  configure build-cov -Dtests=true -Dbench=false -Db_coverage=true -Dbuildtype=debug
  suite build-cov unit sim
  gcovr --root . --object-directory build-cov --exclude 'build.*' --exclude 'tests/.*' --gcov-ignore-parse-errors 2>/dev/null |
    sed -n -e '/^TOTAL/p' -e '/^lib\|^agents\|^collector\|^cli/p' || say "gcovr gave no figures"
}

lint() {
  code=0
  git ls-files '*.c' '*.h' | xargs clang-format --dry-run -Werror || code=1
  configure build -Dtests=true
  ninja -C build --quiet
  git ls-files 'lib/*.c' 'agents/*.c' 'collector/*.c' 'cli/*.c' | xargs -n 8 -P 2 clang-tidy -p build --quiet || code=1
  return $code
}

case ${1:-all} in
  all)
    say "units, simulator, fuzz corpus and the shipped programs"
    configure build -Dtests=true
    suite build unit crash sim fuzz e2e
    sanitize asan ;;
  unit | crash | sim | fuzz | e2e | web) configure build -Dtests=true; suite build "$1" ;;
  sanitize) sanitize "${2:-asan}" ;;
  coverage) coverage ;;
  lint) lint; exit $? ;;
  *) echo "test: no part '$1'; there are unit, crash, sim, fuzz, e2e, sanitize, coverage" >&2; exit 2 ;;
esac
echo "$passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
