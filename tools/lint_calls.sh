#!/bin/sh
# lint_calls.sh [DIR] - what may not be written, and who is excepted.
set -eu
tools=$(cd "$(dirname "$0")" && pwd)
cd "${1:-$tools/..}"
bad=$(mktemp)
code=$(mktemp)
trap 'rm -f "$bad" "$code"' EXIT

find src include tests bench examples tools tasks models -name '*.[ch]' 2> /dev/null | sort |
    xargs awk -f "$tools/strip.awk" > "$code"

# ban WHERE PATTERN WHY [EXCEPT]: extended regular expressions over "file:line:code".
ban() {
    grep -E "^($1)[^:]*:[0-9]+:.*$2" "$code" | { grep -vE "^(${4-$^})" || true; } |
        awk -F: -v why="$3" '{ printf "%s:%d: %s\n", $1, $2, why }' >> "$bad" || true
}

everywhere='src|include|tests|bench|examples|tools|tasks|models'
library='src|include'
call='(^|[^A-Za-z0-9_>.])'

ban "$everywhere" "${call}(strcpy|strcat|sprintf|vsprintf|gets|atoi|atol|atoll|atof|strtok) *\(" \
    "banned: it cannot say how much it may write, or that it failed"
ban "$everywhere" "${call}(alloca|setjmp|longjmp|_Generic) *\(" "banned: see STYLE.md" \
    'tests/support/'
ban "$library" "${call}(exit|_exit|_Exit|quick_exit) *\(" "a library does not end its caller" \
    'src/cli/'
ban "$library" "${call}abort *\(" "only qv_check and the arena may abort" 'src/base/(err|arena)\.c'
ban "$library" "${call}assert *\(" "qv_check, which stays on in release builds"
ban "$library" "${call}(s?rand|random|drand48|time) *\(" "randomness is a function of (seed, position)" \
    'src/(base/log|cli/|server/)'
ban "$library" "${call}(printf|puts|putchar|perror) *\(" "a library does not print" 'src/cli/'
ban "$library" "(^|[^A-Za-z0-9_])(stderr|stdout)([^A-Za-z0-9_]|$)" "a library does not print" \
    'src/cli/|src/base/(err|arena)\.c'
ban "$library" "${call}(secure_)?(getenv|setenv|putenv) *\(" "settings are options, not environment" \
    'src/cli/|src/kern/dispatch\.c'
ban "$library" '# *(if|ifdef|ifndef|elif) .*__(x86_64|AVX|SSE|aarch64|ARM|linux)' \
    "conditions on the machine belong to base/ and kern/" 'src/(base|kern)/'
ban 'src/[a-z]*/[a-z0-9_]*\.c' '\bextern ' "a declaration belongs to a header"

sort -t: -k1,1 -k2,2n "$bad"
[ ! -s "$bad" ]
