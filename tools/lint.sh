#!/bin/bash
# lint.sh - run every tools/lint_*.sh and say of each whether it held, as TAP, so
# that its results are counted as tests are.
set -u
cd "$(dirname "$0")/.."

lints=(selftest layers names sizes calls words headers arm format)
dir=build/lint/tap
rm -rf "$dir"
mkdir -p "$dir"
status=0

echo "1..${#lints[@]}" > "$dir/lint.tap"
for i in "${!lints[@]}"; do
    name=${lints[$i]}
    if said=$(tools/lint_"$name".sh 2>&1); then
        result="ok $((i + 1)) - lint: $name"
    else
        result="not ok $((i + 1)) - lint: $name"
        status=1
    fi
    [ "$said" ] && printf '%s\n' "$said"
    echo "$result" | tee -a "$dir/lint.tap"
done
exit $status
