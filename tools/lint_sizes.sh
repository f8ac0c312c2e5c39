#!/bin/sh
# lint_sizes.sh [DIR] - ceilings: lines of a file and of a function, parameters,
# nesting. What must be larger is listed here with its reason, and leaves the list
# when it no longer is.
set -eu
whole=$(($# == 0)) # the tables below are about this tree, not about one to try
cd "${1:-$(dirname "$0")/..}"

# lines of a function, at most; file:function  ceiling  reason
longer='
'

# parameters of a function, at most; file:function  ceiling  reason
wider='
src/op/gemm.c:qv__sgemm  13  those of sgemm in BLAS, in its order
'

# lines of a file, at most; file  ceiling  reason
larger='
src/kern/vector.h  240  the one body of avx2.c and avx512.c
'

sources=$(find src include tests bench examples tools tasks models -name '*.[ch]' 2> /dev/null | sort)
[ "$sources" ] || exit 0
bad=$(mktemp)
trap 'rm -f "$bad"' EXIT

# Lines of files.
# shellcheck disable=SC2086 # a list of names
wc -l $sources | awk -v larger="$larger" -v whole="$whole" '
    BEGIN {
        n = split(larger, row, "\n")
        for (i = 1; i <= n; i++)
            if (split(row[i], field, " ") > 1)
                allowed[field[1]] = field[2]
    }
    $2 == "total" { next }
    {
        limit = $2 ~ /\.c$/ ? 800 : $2 ~ /^include\// ? 300 : 150
        if ($2 in allowed) {
            if ($1 <= limit)
                printf "%s:1: %d lines need no exception in tools/lint_sizes.sh\n", $2, $1
            limit = allowed[$2]
            delete allowed[$2]
        }
        if ($1 > limit)
            printf "%s:1: %d lines, at most %d\n", $2, $1, limit
    }
    END {
        for (name in allowed)
            if (whole) printf "%s:1: has an exception in tools/lint_sizes.sh and does not exist\n", name
    }' >> "$bad"

# Lines and parameters of functions.
# shellcheck disable=SC2086
ctags -x --kinds-C=f --langmap=C:.c.h --fields=+neS --_xformat='%F %n %{end} %N %S' $sources |
    awk -v longer="$longer" -v wider="$wider" -v whole="$whole" '
    function read(table, into,    n, i, row, field) {
        n = split(table, row, "\n")
        for (i = 1; i <= n; i++)
            if (split(row[i], field, " ") > 1)
                into[field[1]] = field[2]
    }
    BEGIN {
        read(longer, allowed)
        read(wider, allowed_parameters)
    }
    {
        file = $1; first = $2; last = $3; name = $4
        signature = $0
        sub(/^[^(]*/, "", signature)
        lines = last - first + 1
        limit = 70
        if ((file ":" name) in allowed) {
            if (lines <= limit)
                printf "%s:%d: %s needs no exception in tools/lint_sizes.sh\n", file, first, name
            limit = allowed[file ":" name]
            delete allowed[file ":" name]
        }
        if (lines > limit)
            printf "%s:%d: %s has %d lines, at most %d\n", file, first, name, lines, limit

        depth = 0
        parameters = 1
        for (i = 1; i <= length(signature); i++) {
            c = substr(signature, i, 1)
            depth += (c == "(") - (c == ")")
            parameters += c == "," && depth == 1
        }
        limit = 9
        if ((file ":" name) in allowed_parameters) {
            limit = allowed_parameters[file ":" name]
            delete allowed_parameters[file ":" name]
        }
        if (parameters > limit)
            printf "%s:%d: %s has %d parameters, at most %d\n", file, first, name, parameters, limit
    }
    END {
        for (name in allowed)
            if (whole) printf "%s: has an exception in tools/lint_sizes.sh and does not exist\n", name
        for (name in allowed_parameters)
            if (whole) printf "%s: has an exception in tools/lint_sizes.sh and does not exist\n", name
    }' >> "$bad"

# Nesting: clang-format indents by four, so the column of a keyword is its depth.
# shellcheck disable=SC2086
awk '/^(    )+(if|for|while|do|switch)( |$)/ {
        match($0, /^ */)
        if (RLENGTH > 16)
            printf "%s:%d: nested %d deep, at most 4\n", FILENAME, FNR, RLENGTH / 4
    }' $sources >> "$bad"

sort -t: -k1,1 -k2,2n "$bad"
[ ! -s "$bad" ]
