#!/bin/sh
# lint_format.sh [DIR] - every C file is as clang-format 14 writes it.
# `make format` rewrites those that are not.
set -eu
cd "${1:-$(dirname "$0")/..}"

format=$(command -v clang-format-14 || command -v clang-format)
case $($format --version) in
*"version 14."*) ;;
*) echo "lint_format: needs clang-format 14, which Debian 12 has" && exit 1 ;;
esac

sources=$(find src include tests bench examples tools tasks models -name '*.[ch]' 2> /dev/null | sort)
[ "$sources" ] || exit 0
# One line a file: clang-format repeats itself for every blank it would move.
# shellcheck disable=SC2086 # a list of names
$format --dry-run -Werror --ferror-limit=1 $sources 2>&1 |
    sed -nE 's/^([^:]+:[0-9]+):[0-9]+: error: .*/\1: not as clang-format writes it/p' |
    { ! grep .; }
