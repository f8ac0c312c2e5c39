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
cat > "$RUN/tables.json" << END
{"tables": [{"title": "Table 1: zero-shot.", "suite": "$suite", "metric": "$metric",
 "against": "base", "note": "Means over seeds; intervals of 95% over tasks, of differences \
paired by task. The paper: accuracy of Phi-2 on its ten tasks.", "rows": $({
    row Base base 63.8
    [ -z "$FULL" ] || row FullFT full 65.6
    row Shared shared 65.5
    row 'Poly, uniform' poly-uniform 65.7
    row 'MHR, uniform' mhr-uniform 65.9
    row 'Private, uniform' private-uniform 64.8
    row 'Private, arrow' private-arrow 66.6
    row 'MBC, uniform' mbc-uniform 67.1
    row 'MBC, arrow' mbc-arrow 67.4
} | list)}]}
END
finish
