#!/bin/sh
# lint_arm.sh [DIR] - the library is also C for AArch64: every file of src/ is
# parsed and checked for it, against Debian's cross headers, without linking.
set -eu
cd "${1:-$(dirname "$0")/..}"

sources=$(find src -name '*.c' ! -name comm_mpi.c 2> /dev/null | sort)
[ "$sources" ] || exit 0
# shellcheck disable=SC2086 # a list of names
clang --target=aarch64-linux-gnu -std=c17 -fopenmp -fsyntax-only -Werror \
    -isystem /usr/aarch64-linux-gnu/include -idirafter /usr/include \
    -idirafter /usr/include/x86_64-linux-gnu -Iinclude -Isrc \
    -D_DEFAULT_SOURCE -D_POSIX_C_SOURCE=200809L -DPCRE2_CODE_UNIT_WIDTH=8 $sources 2>&1 |
    { ! grep -E 'error:'; }
