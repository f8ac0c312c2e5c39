#!/bin/sh
# figure4-clusters.sh - the number of MBC's clusters, from one to one a task.
cd "$(dirname "$0")/.."
. recipes/steps.sh
[ -z "${SMOKE:-}" ] || : "${COUNTS:=1 2}"
: "${COUNTS:=1 5 10 25}"

# What MBC learns before it clusters is the same for all numbers of clusters: it is trained
# for the first of them.
share_first_part() {
    for seed in $SEEDS; do
        from=$LIBRARIES/$seed/mbc${COUNTS%% *}/.build/first
        to=$LIBRARIES/$seed/$1/.build
        [ -d "$from" ] && [ ! -d "$to" ] || continue
        mkdir -p "$to"
        cp -R "$from" "$to/first.part"
        mv "$to/first.part" "$to/first"
    done
}

begin "How many clusters (figure 4)"
for k in $COUNTS; do
    share_first_part "mbc$k"
    build "mbc$k" mbc --clusters "$k"
    for suite in held_out upstream; do
        score "mbc$k-uniform" $suite "mbc$k" --router uniform
    done
done
points=$(for k in $COUNTS; do printf '[%s, "mbc%s-uniform"]\n' "$k" "$k"; done | list)
figure() {
    printf '{"title": "Figure 4: %s.", "suite": "%s", "metric": "%s", "x_label": "clusters",
 "y_label": "%s", "note": "%s", "series": [{"name": "MBC, uniform", "points": %s}]}\n' \
        "$1" "$2" "$3" "$3" "$4" "$points"
}
cat > "$RUN/tables.json" << END
{"figures": $({
    figure 'held-out tasks' held_out rougeL 'The paper, Phi-2, accuracy with 1, 5, 10, 25, 256: 65.6, 66.7, 67.1, 66.5, 64.8.' | tr '\n' ' '
    echo
    figure upstream upstream loglik 'The paper: -0.88, -0.72, -0.65, -0.655, -0.965.' | tr '\n' ' '
    echo
} | list)}
END
finish
