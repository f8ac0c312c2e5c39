#!/bin/sh
# lint_headers.sh [DIR] - every public header compiles alone, as C17 and as C++17,
# and every internal one alone as C17.
set -eu
cd "${1:-$(dirname "$0")/..}"

cc=${CC:-cc}
cxx=${CXX:-c++}
flags="-Iinclude -Isrc -Itests -D_DEFAULT_SOURCE -D_POSIX_C_SOURCE=200809L
       -DPCRE2_CODE_UNIT_WIDTH=8 -fopenmp -Wall -Wextra -Wpedantic -Werror -fsyntax-only"
bad=0

alone() {
    header=$1
    shift
    # shellcheck disable=SC2086 # a list of flags
    if ! said=$(printf '#include "%s"\n' "$header" | "$@" $flags - 2>&1); then
        echo "$header:1: does not compile alone ($1)"
        printf '%s\n' "$said" | head -n 5 | sed 's/^/    /'
        bad=1
    fi
}

for header in $(find include -name '*.h' 2> /dev/null | sort); do
    alone "${header#include/}" "$cc" -std=c17 -x c
    alone "${header#include/}" "$cxx" -std=c++17 -x c++
done
for header in $(find src -name '*.h' 2> /dev/null | sort); do
    alone "${header#src/}" "$cc" -std=c17 -x c
done
exit $bad
