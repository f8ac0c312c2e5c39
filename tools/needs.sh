#!/bin/sh
# needs.sh WHEN... - say which headers and programs are missing, and which Debian
# package each comes from; installs nothing. WHEN is a first column of `packages`.
set -eu

table=$(dirname "$0")/packages
cc=${CC:-cc}
missing=

has() {
    case $1 in
    cmocka.h)
        printf '#include <stdarg.h>\n#include <stddef.h>\n#include <stdint.h>\n#include <setjmp.h>\n' ;;
    esac | { cat; printf '#include <%s>\n' "$1"; } |
        "$cc" -E -fopenmp -DPCRE2_CODE_UNIT_WIDTH=8 -x c - > /dev/null 2>&1
}

for when in "$@"; do
    while read -r row package gives _; do
        [ "$row" = "$when" ] || continue
        case $gives in
        /*) [ -e "$gives" ] && continue ;;
        *.h) has "$gives" && continue ;;
        *) command -v "$gives" > /dev/null && continue ;;
        esac
        echo "quiver: $gives is missing; Debian has it in $package" >&2
        missing="$missing $package"
    done < "$table"
done

if [ "$missing" ]; then
    echo "quiver: apt-get install$missing" >&2
    exit 1
fi
