#!/bin/sh
# adaptation.sh - every way to adapt to a held-out task, with 100, 10, 5 and 0.5% of its data.
#
# Tables 3, 6, 7 and 8 in one, with what they leave out: polyz and LoraHub at every
# fraction, and the experts nearest to a task instead of all (RETRIEVED, at 10%).
# shellcheck disable=SC2086 # lists are words
cd "$(dirname "$0")/.."
. recipes/steps.sh
: "${SHARE:=1}"
: "${EVALUATIONS:=30}" # of LoraHub's search
: "${FRACTIONS:=1 0.1 0.05 0.005}"
: "${RETRIEVED:=random lora svd gauge fisher}"

begin "Adaptation by library, method and data"
build private private
build shared shared
build_clusters mbc mbc
build_clusters random random
build poly poly --skills "$SKILLS"
build mhr mhr --skills "$SKILLS" --heads "$HEADS"
training="--steps $((STEPS * SHARE)) --batch $BATCH --lr $LR"
fresh="--rank $RANK --alpha $ALPHA --sites $SITES"

# label FRACTION: how a suite of it is called.
label() { echo "data_$(awk "BEGIN { print $1 * 100 }" | tr . _)"; }

for fraction in $FRACTIONS; do
    suite=$(label "$fraction")
    score base $suite -
    adapt lora $suite $fraction - lora $training $fresh
    adapt shared-lora $suite $fraction shared shared $training
    adapt private-mu $suite $fraction private mu $training
    adapt mbc-mu $suite $fraction mbc mu $training
    adapt poly-poly $suite $fraction poly poly $training
    adapt mhr-mhr $suite $fraction mhr mhr $training --heads "$HEADS"
    adapt random-poly $suite $fraction random poly $training
    adapt mbc-poly $suite $fraction mbc poly $training
    adapt mbc-polyz $suite $fraction mbc polyz $training
    adapt mbc-pi $suite $fraction mbc pi $training $fresh
    adapt mbc-lorahub $suite $fraction mbc lorahub --evaluations "$EVALUATIONS"
    [ "$fraction" = 0.1 ] || continue
    for how in $RETRIEVED; do
        adapt private-poly-$how $suite $fraction private poly $training --retrieve $how \
            --rank "$RANK" --alpha "$ALPHA" --sites "$SITES"
    done
done
cat > "$RUN/tables.json" << END
{"tables": [{"title": "Adaptation: ROUGE-L by share of the data.", "against": "lora",
 "note": "Means over tasks and seeds. The paper, Phi-2, 12 tasks, with 100% and 10%: no \
library 75.5, 53.9; shared 75.8, 56.4; poly 73.4, 61.7; MHR 74.8, 64.5; pi-tuning 76.7, 64.6; \
private mean 76.9, 62.5; random-poly 76.7, 67.6; MBC mean 78.8, 67.0; MBC-poly 78.8, 68.2.",
 "columns": $(for fraction in $FRACTIONS; do
    column "$(awk "BEGIN { print $fraction * 100 }")%" "$(label "$fraction")"
done | list), "rows": $({
    row Base base
    row 'No library' lora
    row Shared shared-lora
    row Poly poly-poly
    row MHR mhr-mhr
    row 'Private, mean' private-mu
    row 'Random tasks, poly' random-poly
    row 'MBC, pi-tuning' mbc-pi
    row 'MBC, mean' mbc-mu
    row 'MBC, poly' mbc-poly
    row 'MBC, polyz' mbc-polyz
    row 'MBC, LoraHub' mbc-lorahub
} | list)}$(case " $FRACTIONS " in *" 0.1 "*)
    printf ',\n{"title": "Which five experts: 10%% of the data.", "suite": "data_10", "against": "lora", "rows": '
    for how in $RETRIEVED; do row "Private, poly of 5 by $how" "private-poly-$how"; done | list
    printf '}' ;;
esac)]}
END
finish
