#!/bin/sh
# lint_words.sh [DIR] - what no file of the repository may hold: notes to
# ourselves, the paths of somebody's machine, tabs and trailing blanks in code,
# conflict markers, names of documents that do not exist, and files too large for
# a clone to be quick.
set -eu
cd "${1:-$(dirname "$0")/..}"
bad=$(mktemp)
files=$(mktemp)
trap 'rm -f "$bad" "$files"' EXIT

if [ -e .git ]; then
    git ls-files -co --exclude-standard
else
    find . -type f | sed 's|^\./||'
fi | sort -u | while read -r file; do
    [ -f "$file" ] && printf '%s\n' "$file"
done > "$files"

# find WHAT FILES PATTERN: complain wherever PATTERN occurs in text files.
find_text() {
    grep -E "$2" "$files" | grep -v '^tools/lint_' | tr '\n' '\0' |
        xargs -0 grep -nIE -e "$3" /dev/null 2> /dev/null |
        sed -E "s|^([^:]*:[0-9]+):.*|\1: $1|" >> "$bad" || true
}

code='\.(c|h|sh|awk|js|css|html|py)$|^run$|Makefile$'
prose='\.(c|h|sh|awk|js|css|html|py|md|yml)$|^run$|Makefile$'

find_text 'a note to ourselves: do it, or open an issue' "$prose" '(^|[^A-Za-z])(TODO|FIXME|XXX|HACK)([^A-Za-z]|$)'
find_text "a path of somebody's machine" "$prose" '(^|[^A-Za-z0-9_.-])/((root|work|Users|mnt)/[A-Za-z.]|home/([a-ln-z]|m[^e]))'
find_text 'a conflict marker' "$prose" '^(<<<<<<<|>>>>>>>|=======$)'
find_text 'blanks at the end of the line' "$code" '[ 	]+$'
find_text 'a tab' '\.(c|h|sh|py|js|css)$' '	'

# A document that a comment or another document names is there.
grep -E '\.(c|h|md|sh)$' "$files" | grep -v '^tools/lint_' | tr '\n' '\0' |
    xargs -0 grep -noE 'docs/[a-z0-9_/-]+\.md' /dev/null 2> /dev/null |
    while IFS=: read -r file line name; do
        [ -e "$name" ] || echo "$file:$line: there is no $name"
    done >> "$bad"

# A clone stays small: one file in a megabyte, but for models and recorded tensors.
while read -r file; do
    size=$(wc -c < "$file")
    case $file in
    models/*) limit=33554432 ;;
    tests/golden/*) limit=8388608 ;;
    *) limit=1048576 ;;
    esac
    [ "$size" -le "$limit" ] || echo "$file:1: $size bytes, at most $limit"
done < "$files" >> "$bad"

sort -t: -k1,1 -k2,2n "$bad"
[ ! -s "$bad" ]
