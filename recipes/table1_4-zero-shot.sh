#!/bin/sh
# table1_4-zero-shot.sh - libraries and routers on tasks that no expert has seen.
#
#   recipes/table1_4-zero-shot.sh
#   MODEL=phi-2 TASKS=flan SUITE=suites/ten.json DATA=.data/eval recipes/table1_4-zero-shot.sh
#
# Table 1 of the paper with MODEL=phi-2 or mistral-7b, table 4 with stablelm-3b. Without
# SUITE, the held-out tasks of TASKS by ROUGE-L. FullFT, all weights trained on all tasks,
# takes 24 bytes of memory a weight (67 GB of Phi-2, 174 GB of Mistral); FULL= leaves it out.
cd "$(dirname "$0")/.."
. recipes/steps.sh

: "${SUITE:=}"
: "${FULL=yes}"
: "${FULL_LR:=3e-5}" # of FullFT: the paper's
suite=held_out
metric=rougeL
[ -z "$SUITE" ] || suite=zero_shot metric=accuracy

begin "Zero-shot: libraries and routers (tables 1 and 4)" "$FULL_LR"
[ -z "$FULL" ] || train_full "$FULL_LR"
build private private
build shared shared
build_clusters mbc mbc
build poly poly --skills "$SKILLS"
build mhr mhr --skills "$SKILLS" --heads "$HEADS"
score base "$suite" -
[ -z "$FULL" ] || score full "$suite" full
score shared "$suite" shared --router uniform
for library in poly mhr private mbc; do
    score $library-uniform "$suite" $library --router uniform
done
for library in private mbc; do
    score $library-arrow "$suite" $library --router arrow --top-k "$TOP_K"
done
# The paper's numbers, by what the model is called.
table="Table 1"
case $MODEL in
*[Mm]istral*) whose=Mistral-7B && set -- 59.5 '' 63.1 '' '' 61.9 64.4 64.6 63.9 ;;
*[Ss]table[Ll][Mm]*)
    table="Table 4"
    whose=StableLM-3B && set -- 51.6 '' 52.5 '' '' 54.5 54.6 55.7 53.9
    ;;
*) whose=Phi-2 && set -- 63.8 65.6 65.5 65.7 65.9 64.8 66.6 67.1 67.4 ;;
esac
cat > "$RUN/tables.json" << END
{"tables": [{"title": "$table: zero-shot.", "suite": "$suite", "metric": "$metric",
 "against": "base", "note": "Means over seeds; intervals of 95% over tasks, of differences \
paired by task. The paper: accuracy of $whose on its ten tasks.", "rows": $({
    row Base base "$1"
    [ -z "$FULL" ] || row FullFT full "$2"
    row Shared shared "$3"
    row 'Poly, uniform' poly-uniform "$4"
    row 'MHR, uniform' mhr-uniform "$5"
    row 'Private, uniform' private-uniform "$6"
    row 'Private, arrow' private-arrow "$7"
    row 'MBC, uniform' mbc-uniform "$8"
    row 'MBC, arrow' mbc-arrow "$9"
} | list)}]}
END
finish
