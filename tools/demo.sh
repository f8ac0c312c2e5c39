#!/bin/sh
# demo.sh - from a model and a few tasks to a library of experts, and a page that
# shows what routing among them does. Called by ./run demo.
#
# Stop it at any moment and start it again: it goes on where it was. What it makes
# lies in runs/demo; `rm -r runs/demo` starts afresh. Everything below can be set
# from outside, as in: STEPS=200 RUN=runs/long ./run demo
set -eu
cd "$(dirname "$0")/.."

: "${RUN:=runs/demo}"       # where everything goes
: "${MODEL:=models/base}"   # the frozen model
: "${TASKS:=tasks}"         # tasks.json, and data/TASK.jsonl
: "${PER_FAMILY:=2}"        # tasks of each family to train on, at most
: "${STEPS:=100}"           # of training, a task
: "${BATCH:=8}"             # examples a step
: "${LR:=0.006}"            # learning rate
: "${ALPHA:=1}"             # of a LoRA of rank 4: its scale is 1 / 4
: "${SITES:=.*o_proj|layers\.[45]\.mlp\.up_proj}" # the linear maps that experts adapt
: "${CLUSTERS:=15}"         # of mbc: as many as there are families
: "${TOP_K:=1}"             # experts that arrow sends a token to
: "${SEED:=1}"
: "${UPSTREAM:=20}"         # examples a task to score on: tasks that were trained on,
: "${HELD_OUT:=20}"         # and tasks that were not
: "${MAX_TOKENS:=16}"       # of an answer

# Texts to follow token by token: the task each could be of, and the text.
texts() {
    cat << 'END'
translate_french|How do you say "the horse" in French? Answer:
extract_where|Clara lost a red scarf at the library on Friday. Where did it happen? Answer:
sentiment_films|A film critic writes: The plot was dull and the ending was awful. Positive or negative?
sums_add|Anna has four apples and finds three more. How many apples does she have? Answer:
opposites_choice|Which word is the opposite of "hot": cold or round? Answer:
riddle_animals|I have four legs, I bark, and I guard the house. What am I?
END
}

. recipes/steps.sh # step, choose, settle

settle "$MODEL $TASKS $PER_FAMILY $STEPS $BATCH $LR $ALPHA $SITES $CLUSTERS $TOP_K $SEED $UPSTREAM $HELD_OUT $MAX_TOKENS"
mkdir -p "$RUN/upstream" "$RUN/held_out" "$RUN/libraries" "$RUN/eval" "$RUN/routes"
cp "$TASKS/tasks.json" "$RUN/tasks.json"
for task in $(choose false "$PER_FAMILY"); do
    cp "$TASKS/data/$task.jsonl" "$RUN/upstream"
done
for task in $(choose true 99); do
    cp "$TASKS/data/$task.jsonl" "$RUN/held_out"
done
cat > "$RUN/run.json" << END
{"title": "A library of experts, routed token by token", "model": "$MODEL"}
END

# Three libraries over one frozen model.
for method in private shared mbc; do
    more=
    [ $method != mbc ] || more="--clusters $CLUSTERS"
    # shellcheck disable=SC2086 # $more is words
    step - "$QUIVER" build --model "$MODEL" --tasks "$RUN/upstream" --method $method $more \
        --library "$RUN/libraries/$method" --steps "$STEPS" --batch "$BATCH" --lr "$LR" \
        --alpha "$ALPHA" --sites "$SITES" --seed "$SEED"
done

# score SYSTEM WHO...: on unseen examples of the tasks trained on, and on other tasks.
score() {
    system=$1
    shift
    step - "$QUIVER" eval --model "$MODEL" "$@" --suite "$RUN/upstream" --split test \
        --limit "$UPSTREAM" --max-tokens "$MAX_TOKENS" --metric rougeL,loglik \
        --out "$RUN/eval/$system.upstream.json"
    case $system in *-oracle) return ;; esac # nobody was trained on the other tasks
    step - "$QUIVER" eval --model "$MODEL" "$@" --suite "$RUN/held_out" --split test \
        --limit "$HELD_OUT" --max-tokens "$MAX_TOKENS" --metric rougeL,loglik \
        --out "$RUN/eval/$system.held_out.json"
}
score base
score shared --library "$RUN/libraries/shared" --router uniform
for library in private mbc; do
    score $library-uniform --library "$RUN/libraries/$library" --router uniform
    score $library-arrow --library "$RUN/libraries/$library" --router arrow --top-k "$TOP_K"
    score $library-oracle --library "$RUN/libraries/$library" --router oracle
done

texts | while IFS='|' read -r task text; do
    step "$RUN/routes/private-arrow.$task.json" "$QUIVER" route --model "$MODEL" \
        --library "$RUN/libraries/private" --router arrow --top-k "$TOP_K" --json "$text"
done

printf '\n$ %s report %s\n' "$QUIVER" "$RUN"
"$QUIVER" report "$RUN"
