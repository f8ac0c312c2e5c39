#!/bin/sh
# figure2-transfer.sh - does likeness of weights predict what an expert does on another
# task? The whole task-by-expert matrix, a seed each.
cd "$(dirname "$0")/.."
. recipes/steps.sh

begin "Likeness and transfer (figure 2)"
build private private
for seed in $SEEDS; do
    step "$RUN/studies/transfer-$seed.json" "$QUIVER" study transfer \
        "$LIBRARIES/$seed/private" --model "$MODEL" --tasks "$RUN/upstream" \
        --limit "$LIMIT" --json
done
finish
