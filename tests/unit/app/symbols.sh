#!/bin/sh
# symbols.sh LIBRARY HEADER: what the library shows is what the header declares, all of it under a version;
# the header is C++ too.
set -eu
[ -f "$1" ] || { echo "$1 is not there"; exit 1; }
shown=$(nm -D --defined-only "$1" | awk '$2 != "A" {print $3}')
echo "$shown" | grep -v '@@BELFRY_' && { echo "a symbol without a version"; exit 1; }
shown=$(echo "$shown" | sed 's/@.*//' | sort)
said=$(grep -o 'belfry_[a-z_]* (' "$2" | sed 's/ (//' | sort -u)
[ "$shown" = "$said" ] || { printf 'shown:\n%s\ndeclared:\n%s\n' "$shown" "$said"; exit 1; }
readelf -d "$1" | grep -q 'SONAME.*libbelfry.so.0' || { echo "no versioned soname"; exit 1; }
if readelf -d "$1" | grep NEEDED | grep -E 'zmq|sodium|jansson'; then echo "applications load too much"; exit 1; fi

for cxx in c++ clang++ clang; do
  command -v "$cxx" >/dev/null 2>&1 || continue
  "$cxx" -x c++ -std=c++11 -Wall -Wextra -Wpedantic -Werror -fsyntax-only "$2"
  echo "$(echo "$shown" | wc -l) symbols; the header is C++ to $cxx"
  exit 0
done
echo "SKIPPED: no C++ compiler to look at the header with"
exit 77
