#!/bin/sh
# figure5-norms.sh - is the update of the own expert larger than others' on its examples?
cd "$(dirname "$0")/.."
. recipes/steps.sh

begin "Norms of updates (figure 5)"
build private private
for seed in $SEEDS; do
    step "$RUN/studies/norms-$seed.json" "$QUIVER" study norms "$LIBRARIES/$seed/private" \
        --model "$MODEL" --tasks "$RUN/upstream" --limit "$LIMIT" --json
done
finish
