#!/bin/sh
# tally.sh DIR... - add up the TAP that tools/tap.sh left in DIR/tap, one file a
# program, and end with the line "N passed, N failed". Skipped tests are counted
# as neither. A program that ended early or badly without saying which test
# failed counts as one failure. Exits 1 if anything failed or nothing ran.
set -eu

for dir in "$@"; do
    for tap in "$dir"/tap/*.tap; do
        [ -e "$tap" ] || continue
        awk -v name="$dir" '
            /^1\.\.[0-9]+/     { planned += substr($1, 4) }
            /^ok .*# *[Ss][Kk][Ii][Pp]/ { skipped++; next }
            /^ok( |$)/         { passed++ }
            /^not ok( |$)/     { failed++ }
            /^# exit [1-9]/    { died = 1 }
            END {
                if (!failed && (died || passed + skipped != planned))
                    failed = 1
                printf "%s %d %d %d\n", name, passed, failed, skipped
            }' "$tap"
    done
done | awk '
    { passed[$1] += $2; failed[$1] += $3; skipped[$1] += $4 }
    !($1 in seen) { seen[$1] = 1; order[++n] = $1 }
    END {
        for (i = 1; i <= n; i++) {
            d = order[i]
            printf "%s: %d passed, %d failed, %d skipped\n", d, passed[d], failed[d], skipped[d]
            p += passed[d]; f += failed[d]
        }
        printf "%d passed, %d failed\n", p, f
        exit f > 0 || p == 0
    }'
