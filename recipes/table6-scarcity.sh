#!/bin/sh
# table6-scarcity.sh - adapting with 100%, 10%, 5% and 0.5% of the data.
cd "$(dirname "$0")/.."
. recipes/steps.sh
: "${SHARE:=1}"
: "${EVALUATIONS:=30}" # of LoraHub's search

begin "Adaptation with little data (table 6)"
build_clusters mbc mbc
training="--steps $((STEPS * SHARE)) --batch $BATCH --lr $LR"
# shellcheck disable=SC2086 # $training is words
for percent in 100 10 5 05; do
    case $percent in 100) fraction=1 ;; 10) fraction=0.1 ;; 5) fraction=0.05 ;; 05) fraction=0.005 ;; esac
    score base data_$percent -
    adapt lora data_$percent $fraction - lora $training --rank "$RANK" --alpha "$ALPHA" \
        --sites "$SITES"
    adapt mbc-poly data_$percent $fraction mbc poly $training
    adapt mbc-polyz data_$percent $fraction mbc polyz $training
    adapt mbc-lorahub data_$percent $fraction mbc lorahub --evaluations "$EVALUATIONS"
done
cat > "$RUN/tables.json" << END
{"tables": [{"title": "Table 6: little data.", "note": "ROUGE-L. The paper, on Phi-2: \
MBC-poly 78.9, 68.8, 64.5, 50.2; polyz 45.3, 45.2, 45.2, 44.8; LoraHub 45.3 with all data.",
 "columns": $({
    column '100%' data_100
    column '10%' data_10
    column '5%' data_5
    column '0.5%' data_05
} | list), "rows": $({
    row Base base
    row 'No library' lora
    row 'MBC, LoraHub' mbc-lorahub
    row 'MBC, poly' mbc-poly
    row 'MBC, polyz' mbc-polyz
} | list)}]}
END
finish
