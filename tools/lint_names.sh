#!/bin/sh
# lint_names.sh [DIR] - what a name promises.
#
# A function of src/ that other files can see is qv__name, or qv_name if a public
# header declares it. No type ends in _t. No file is called utils or common. Every
# file of the library opens with "/* its-name - what it is".
set -eu
cd "${1:-$(dirname "$0")/..}"
bad=$(mktemp)
public=$(mktemp)
trap 'rm -f "$bad" "$public"' EXIT

find src include tests bench examples -name '*.[ch]' 2> /dev/null |
    grep -E '(^|/|_)(utils?|common|helpers?|misc)[_.]' | sed 's|$|:1: a name for a layer nobody named|' >> "$bad" || true

sources=$(find src include -name '*.[ch]' 2> /dev/null | sort)
headers=$(find include -name '*.h' 2> /dev/null)
[ "$sources" ] || exit 0

# shellcheck disable=SC2086 # lists of names, here and below
if [ "$headers" ]; then
    ctags -x --kinds-C=pf --langmap=C:.h --_xformat='%N' $headers > "$public"
    grep -n 'qv__' $headers /dev/null | sed 's|$| <- qv__ in a public header|' >> "$bad" || true
fi

# shellcheck disable=SC2086
ctags -x --kinds-C=f --langmap=C:.c --fields=+f --_xformat='%F %n %N %{file}|' $(echo "$sources" | grep '\.c$') |
    awk -v list="$public" '
    BEGIN { while ((getline name < list) > 0) is_public[name] = 1 }
    {
        if ($4 != "-|") { # the file again, if the function is static
            if ($3 ~ /^qv__/)
                printf "%s:%d: %s is static and needs no prefix\n", $1, $2, $3
            next
        }
        if ($3 == "main" || $3 ~ /^qv__/ || ($3 in is_public))
            next
        if ($3 ~ /^qv_/)
            printf "%s:%d: %s is in no public header: call it qv__\n", $1, $2, $3
        else if ($1 !~ /^src\/cli\//  || $3 !~ /^cmd_/)
            printf "%s:%d: %s is visible to others: static, or qv__\n", $1, $2, $3
    }' >> "$bad"

# shellcheck disable=SC2086
ctags -x --kinds-C=t --langmap=C:.c.h --_xformat='%F %n %N' $sources |
    awk '$3 ~ /_t$/ { printf "%s:%d: %s: names in _t are POSIX'\''s\n", $1, $2, $3 }' >> "$bad"

for file in $sources; do
    opening="/* ${file##*/} - "
    if [ "$(head -n 1 "$file" | cut -c "1-${#opening}")" != "$opening" ]; then
        echo "$file:1: does not open with \"$opening...\""
    fi
done >> "$bad"

sort -t: -k1,1 -k2,2n "$bad"
[ ! -s "$bad" ]
