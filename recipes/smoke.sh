#!/bin/sh
# smoke.sh - every recipe at its smallest size, over random models of Phi-2's and of
# Mistral-7B's architecture: does all that they ask for happen?
#
#   recipes/smoke.sh            the bundled tasks and tokenizer
#   recipes/smoke.sh DATA       and the recipes that need more, with the models' tokenizers:
#                               DATA has tokenizers/phi and tokenizers/mistral,
#                               tasks/{p3,sni,paper12}.tar.xz and eval/eval.tar.xz
#
# MODELS and RECIPES choose among them. What each recipe says is in OUT/MODEL/RECIPE.txt, and
# its run beside it. No number in it means anything.
set -eu
[ $# = 0 ] || DATA=$(cd "$1" && pwd)
cd "$(dirname "$0")/.."
: "${OUT:=runs/smoke/all}"
: "${MODELS:=phi mistral}"
: "${QUIVER:=./quiver}"
data=${DATA:-}
unset DATA # which recipes know under this name is something else
export SMOKE=1 QUIVER

if [ -e "$OUT" ]; then
    printf '%s is there: remove it, or set OUT to another place\n' "$OUT" >&2
    exit 1
fi

# The two architectures in every respect but size: heads that share keys or do not, norms,
# biases, how far queries turn, and a window of which prompts are longer.
phi() {
    printf '{"model_type": "phi", "hidden_size": 64, "intermediate_size": 256,
 "num_hidden_layers": 4, "num_attention_heads": 2, "num_key_value_heads": 2,
 "vocab_size": %s, "max_position_embeddings": 512, "hidden_act": "gelu_new",
 "layer_norm_eps": 1e-05, "partial_rotary_factor": 0.4, "rope_theta": 10000.0,
 "qk_layernorm": false, "tie_word_embeddings": false}\n' "$1"
}
mistral() {
    printf '{"model_type": "mistral", "hidden_size": 64, "intermediate_size": 224,
 "num_hidden_layers": 4, "num_attention_heads": 4, "num_key_value_heads": 1,
 "vocab_size": %s, "max_position_embeddings": 512, "sliding_window": 64,
 "hidden_act": "silu", "rms_norm_eps": 1e-05, "rope_theta": 10000.0,
 "tie_word_embeddings": false}\n' "$1"
}

# make_model NAME: OUT/NAME/model, its weights random but for one step at a rate of nothing.
make_model() {
    mkdir -p "$OUT/$1/shape"
    case $1${data:+-own} in
    phi-own)
        cp "$data"/tokenizers/phi/*.json "$OUT/$1/shape"
        phi 51200 > "$OUT/$1/shape/config.json"
        ;;
    mistral-own)
        cp "$data/tokenizers/mistral/tokenizer.model.v1" "$OUT/$1/shape/tokenizer.model"
        mistral 32000 > "$OUT/$1/shape/config.json"
        ;;
    *)
        cp models/base/tokenizer*.json "$OUT/$1/shape"
        "$1" 4096 > "$OUT/$1/shape/config.json"
        ;;
    esac
    "$QUIVER" train --full --random --model "$OUT/$1/shape" --data tasks/data/sums_count.jsonl \
        --steps 1 --lr 1e-12 --batch 1 --out "$OUT/$1/model" > /dev/null
}

# The names of recipes that stand alone.
all() {
    for file in recipes/*.sh; do
        case $file in
        */steps.sh | */smoke.sh | */study_tasks.sh | */study.sh | */p3.sh) ;;
        *) basename "$file" .sh ;;
        esac
    done
}
: "${RECIPES:=$(all)${data:+ ten-tasks p3 study}}"

# What else is needed of DATA: the ten tasks unpacked, and the study's tasks.
prepare() {
    mkdir -p "$OUT/data"
    case " $RECIPES " in *" ten-tasks "*)
        tar xf "$data/eval/eval.tar.xz" -C "$OUT/data"
        gunzip "$OUT"/data/eval/humaneval/*.gz
        bunzip2 "$OUT"/data/eval/hellaswag/*.bz2
        ;;
    esac
    case " $RECIPES " in *" study "*) recipes/study_tasks.sh "$data" > /dev/null ;; esac
}

# try MODEL RECIPE: as anyone would call it.
try() {
    run=$OUT/$1/$2
    export MODEL="$OUT/$1/model"
    case $2 in
    ten-tasks)
        RUN=$run SUITE=suites/ten.json DATA="$OUT/data/eval" recipes/table1_4-zero-shot.sh
        ;;
    p3)
        RUN=$run STEPS=2 BATCH=2 CLUSTERS=2 UPSTREAM=1 HELD_OUT=1 MAX_TOKENS=2 \
            SITES='q_proj|k_proj|v_proj|o_proj|dense' recipes/p3.sh "$data/tasks/p3.tar.xz"
        ;;
    study) OUT=$run recipes/study.sh choose && OUT=$run recipes/study.sh ;;
    *) RUN=$run "recipes/$2.sh" ;;
    esac
}

failed=0
[ -z "$data" ] || prepare
for model in $MODELS; do
    make_model "$model"
    for recipe in $RECIPES; do
        begun=$(date +%s)
        if (try "$model" "$recipe") > "$OUT/$model/$recipe.txt" 2>&1; then
            verdict=ok
        else
            verdict="FAILED: $OUT/$model/$recipe.txt"
            failed=$((failed + 1))
        fi
        printf '%-8s %-24s %4s s  %s\n' "$model" "$recipe" $(($(date +%s) - begun)) "$verdict"
    done
done
[ "$failed" = 0 ]
