#!/bin/sh
# study.sh - libraries, routers, figures and adaptation on P3 and Natural Instructions, over
# the bundled base. recipes/study_tasks.sh comes first.
#
#   recipes/study.sh choose     routers and settings on the tasks to choose by, one seed
#   recipes/study.sh            everything that is reported
#
# Stop it at any time; it goes on where it was.
set -eu
cd "$(dirname "$0")/.."

: "${OUT:=runs/study}"
export TASKS=.data/study LIBRARIES="$OUT/built"
# The demo's settings (docs/study.md tells how they were chosen), with fewer steps. SMOKE=1 is
# the size at which everything happens and nothing is meant.
some=
few=
if [ -z "${SMOKE:-}" ]; then
    some=LIMIT=8
    few=TEST_TASKS=10
    export STEPS=60 BATCH=8 LR=0.006 RANK=4 ALPHA=1
    export SITES='.*o_proj|layers\.[45]\.mlp\.up_proj'
    export CLUSTERS=10 SKILLS=8 HEADS=8 TOP_K=4 LIMIT=20 MAX_TOKENS=16 GATE_STEPS=20
fi

# recipe NAME [VARIABLE=VALUE...]: its run lies in OUT/NAME.
recipe() {
    name=$1
    shift
    env RUN="$OUT/$name" "$@" "recipes/$name.sh"
}

if [ "${1:-}" = choose ]; then
    env RUN="$OUT/choose" TASKS=.data/study/valid SEEDS=1 GROUPED="private mbc" MIXED= UPSTREAM= \
        recipes/all-pairs.sh
    exit
fi
recipe all-pairs
recipe table2-clusterings
recipe table9_10-clusters
# The rest is of the first seed.
SEEDS=${SEEDS:-1}
export SEEDS="${SEEDS%% *}"
recipe figure2-transfer $some
recipe figure5-norms $some
recipe routing $some
recipe figure4-clusters
recipe adaptation $few
