#!/bin/sh
# figure2-transfer.sh - does likeness of weights predict what tasks gain from one another?
# The paper's figure: PAIRS of tasks, each learnt by one expert together. And what an expert
# does on another's task: the whole task-by-expert matrix.
cd "$(dirname "$0")/.."
. recipes/steps.sh
[ -z "${SMOKE:-}" ] || : "${PAIRS:=2}"
: "${PAIRS:=50}"

begin "Likeness and transfer (figure 2)"
build private private
for seed in $SEEDS; do
    step "$RUN/studies/transfer-$seed.json" "$QUIVER" study transfer \
        "$LIBRARIES/$seed/private" --model "$MODEL" --tasks "$RUN/upstream" \
        --limit "$LIMIT" --json
    step "$RUN/studies/joint-$seed.json" "$QUIVER" study joint "$LIBRARIES/$seed/private" \
        --model "$MODEL" --tasks "$RUN/upstream" --work "$RUN/pairs/$seed" \
        --pairs "$PAIRS" --seed "$seed" --limit "$LIMIT" --json
done
finish
