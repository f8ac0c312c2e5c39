# shellcheck shell=sh
# steps.sh - what the recipes share; each begins with `. recipes/steps.sh`.
#
# Everything below can be set from outside. A recipe that is stopped or killed goes on
# where it was when it is started again: a step that is in RUN/commands.tsv is done, and
# builds and adaptations resume within themselves. SMOKE=1 is the smallest size at which
# all steps happen, to see that they do.
set -eu

recipe=${RECIPE:-$(basename "$0" .sh)} # one that calls another names it
[ -z "${SMOKE:-}" ] || : "${STEPS:=3}" "${BATCH:=2}" "${LIMIT:=2}" "${MAX_TOKENS:=4}" \
    "${SEEDS:=1}" "${TRAIN_TASKS:=4}" "${TEST_TASKS:=2}" "${PER_FAMILY:=1}" \
    "${CLUSTERS:=2}" "${SKILLS:=2}" "${SHARE:=1}" "${EVALUATIONS:=4}" "${GATE_STEPS:=2}" \
    "${RUN:=runs/smoke/$recipe}"

: "${QUIVER:=./quiver}"
: "${MODEL:=models/base}"     # the frozen model
: "${TASKS:=tasks}"           # tasks.json with family and held_out, and data/TASK.jsonl or .json
: "${PER_FAMILY:=99}"         # tasks of each family to train on, at most
: "${TRAIN_TASKS:=9999}"      # and in all
: "${TEST_TASKS:=9999}"       # held-out tasks
: "${SEEDS:=1 2 3}"
: "${LIMIT:=100}"             # examples a task to score on
: "${MAX_TOKENS:=32}"         # of an answer
: "${STEPS:=400}"             # of training, a task
: "${BATCH:=8}"
: "${LR:=1e-4}"               # the paper's, as are rank and alpha
: "${RANK:=4}"
: "${ALPHA:=16}"
: "${SITES:=q_proj|k_proj|v_proj|o_proj|dense}" # of each map's name, what there is
: "${CLUSTERS:=10}"
: "${SKILLS:=8}"              # of poly and mhr
: "${HEADS:=8}"               # of mhr
: "${TOP_K:=4}"               # of arrow
: "${RUN:=runs/$recipe}"      # where everything goes
: "${LIBRARIES:=$RUN/built}"  # SEED/NAME: recipes of equal settings may share them
first_seed=${SEEDS%% *}

# A command as one could type it.
typed() {
    for word in "$@"; do
        case $word in
        *[!A-Za-z0-9_./=,:-]*) printf " '%s'" "$(printf %s "$word" | sed "s/'/'\\\\''/g")" ;;
        *) printf ' %s' "$word" ;;
        esac
    done | cut -c2-
}

# step FILE COMMAND...: run it, its output to FILE (- for none), unless it was run.
step() {
    file=$1
    shift
    line=$(typed "$@")
    [ "$file" = - ] || line="$line > $file"
    if [ -f "$RUN/commands.tsv" ] && cut -f2- "$RUN/commands.tsv" | grep -qxF -- "$line"; then
        return 0
    fi
    printf '\n$ %s\n' "$line"
    begun=$(date +%s)
    if [ "$file" = - ]; then
        "$@" > /dev/null
    else
        "$@" > "$file.part"
        mv "$file.part" "$file"
    fi
    printf '%s\t%s\n' "$(($(date +%s) - begun))" "$line" >> "$RUN/commands.tsv"
}

# A run is of one choice of settings, given as words: they are kept in RUN.
settle() {
    if [ -f "$RUN/settings" ] && [ "$(cat "$RUN/settings")" != "$*" ]; then
        printf '%s was made with other settings: remove it, or set RUN to another place\n' \
            "$RUN" >&2
        exit 1
    fi
    mkdir -p "$RUN"
    printf '%s\n' "$*" > "$RUN/settings"
}

# The tasks that are held out (true) or not (false): at most $2 of a family, $3 in all.
choose() {
    sed -n "s/^\"\([A-Za-z0-9_-]*\)\":{\"family\":\"\([A-Za-z0-9_]*\)\",\"held_out\":$1.*/\2 \1/p" \
        "$TASKS/tasks.json" |
        awk -v most="$2" -v all="${3:-9999}" \
            'n[$1]++ < most && m < all { m++; print $2 }'
}

# What this run is made of: the program, the machine, every file that goes in.
record_versions() {
    {
        "$QUIVER" --version
        git describe --always --dirty 2> /dev/null || true
        uname -srm
        printf 'seeds %s\n' "$SEEDS"
        sha256sum "recipes/$(basename "$0")" recipes/steps.sh "$TASKS/tasks.json" "$RUN"/upstream/* \
            "$RUN"/held_out/*
        if [ -d "$MODEL" ]; then sha256sum "$MODEL"/*.*; else sha256sum "$MODEL"; fi
    } > "$RUN/versions.txt"
}

# begin TITLE [SETTING...]: the directory of the run, with its tasks. Settings are those of
# the recipe alone.
begin() {
    title=$1
    shift
    settle "$MODEL $TASKS $PER_FAMILY $TRAIN_TASKS $TEST_TASKS $LIMIT $MAX_TOKENS $STEPS" \
        "$BATCH $LR $RANK $ALPHA $SITES $CLUSTERS $SKILLS $HEADS $TOP_K $LIBRARIES" "$@"
    mkdir -p "$RUN/upstream" "$RUN/held_out" "$RUN/eval" "$RUN/studies"
    cp "$TASKS/tasks.json" "$RUN/tasks.json"
    for task in $(choose false "$PER_FAMILY" "$TRAIN_TASKS"); do
        cp -n "$TASKS/data/$task".json* "$RUN/upstream"
    done
    for task in $(choose true 9999 "$TEST_TASKS"); do
        cp -n "$TASKS/data/$task".json* "$RUN/held_out"
    done
    printf '{"title": "%s", "model": "%s"}\n' "$title" "$MODEL" > "$RUN/run.json"
    grep -qxs "seeds $SEEDS" "$RUN/versions.txt" || record_versions
}

# build NAME METHOD [OPTION...]: one library a seed.
build() {
    library=$1
    method=$2
    shift 2
    for seed in $SEEDS; do
        step - "$QUIVER" build --model "$MODEL" --tasks "$RUN/upstream" --method "$method" \
            --library "$LIBRARIES/$seed/$library" --steps "$STEPS" --batch "$BATCH" \
            --lr "$LR" --rank "$RANK" --alpha "$ALPHA" --sites "$SITES" --seed "$seed" "$@"
    done
}
build_clusters() { build "$1" "$2" --clusters "$CLUSTERS"; }

# train_full RATE: all weights of the model, on all tasks together, with the steps that the
# shared expert takes: a model a seed. One lane, because each has a gradient of its own.
train_full() {
    set -- "$1" "$RUN"/upstream/*
    rate=$1
    shift
    for seed in $SEEDS; do
        step - "$QUIVER" train --full --model "$MODEL" --data "$RUN/upstream" \
            --out "$RUN/full/$seed" --steps $((STEPS * $#)) --batch "$BATCH" --lr "$rate" \
            --lanes 1 --seed "$seed" --resume
    done
}

# score SYSTEM SUITE LIBRARY WHO...: a file a seed; LIBRARY is - for the base, whose score
# no seed changes, and full for the model that was trained whole.
score() {
    system=$1
    suite=$2
    library=$3
    shift 3
    case $suite in
    upstream | held_out) what="$RUN/$suite --split test --metric rougeL,loglik" ;;
    data_*) what="$RUN/held_out --split test --metric rougeL,loglik" ;; # adapt's tasks
    *) what="$SUITE${DATA:+ --data $DATA}" ;;
    esac
    for seed in $SEEDS; do
        [ "$library" != - ] || [ "$seed" = "$first_seed" ] || continue
        model=$MODEL
        who=
        case $library in
        -) ;;
        full) model=$RUN/full/$seed ;;
        *) who="--library $LIBRARIES/$seed/$library" ;;
        esac
        # shellcheck disable=SC2086 # $who and $what are words
        step - "$QUIVER" eval --model "$model" $who "$@" --suite $what --limit "$LIMIT" \
            --max-tokens "$MAX_TOKENS" --out "$RUN/eval/$system.$suite.$seed.json"
    done
}

# adapt SYSTEM SUITE FRACTION LIBRARY METHOD [OPTION...]: to each held-out task, and its
# score; LIBRARY is - for none.
adapt() {
    system=$1
    suite=$2
    fraction=$3
    library=$4
    method=$5
    shift 5
    for seed in $SEEDS; do
        from=
        [ "$library" = - ] || from="--library $LIBRARIES/$seed/$library"
        for held_out in "$RUN"/held_out/*; do
            task=$(basename "$held_out")
            task=${task%.json*}
            out=$RUN/adapted/$seed/$suite/$system/$task
            mkdir -p "$(dirname "$out")"
            # shellcheck disable=SC2086 # $from is words
            step - "$QUIVER" adapt --model "$MODEL" $from --method "$method" --data "$held_out" \
                --fraction "$fraction" --out "$out" --seed "$seed" --resume "$@"
            step - "$QUIVER" eval --model "$MODEL" --adapter "$out" --suite "$held_out" \
                --split test --metric rougeL,loglik --limit "$LIMIT" \
                --max-tokens "$MAX_TOKENS" --out "$RUN/eval/$system.$suite.$seed-$task.json"
        done
    done
}

# row LABEL SYSTEM [THE PAPER'S NUMBER], column LABEL SUITE [METRIC]: entries of tables.json,
# gathered by `list` from lines.
row() { printf '{"label": "%s", "system": "%s"%s}\n' "$1" "$2" "${3:+, \"paper\": $3}"; }
column() { printf '{"label": "%s", "suite": "%s", "metric": "%s"}\n' "$1" "$2" "${3:-rougeL}"; }
list() { printf '[%s]' "$(sed '$!s/$/,/' | tr '\n' ' ')"; }

# finish: the report, of the first seed's libraries and all seeds' scores.
finish() {
    rm -f "$RUN/libraries"
    if [ -d "$LIBRARIES/$first_seed" ]; then
        ln -s "$(cd "$LIBRARIES/$first_seed" && pwd)" "$RUN/libraries"
    fi
    printf '\n$ %s report %s\n' "$QUIVER" "$RUN"
    "$QUIVER" report "$RUN"
}
