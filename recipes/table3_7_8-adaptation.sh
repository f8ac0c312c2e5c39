#!/bin/sh
# table3_7_8-adaptation.sh - adapting to held-out tasks with all and a tenth of the data.
#
# Table 3 (and 7 and 8, task by task). SHARE is how many steps an adaptation takes as a
# multiple of those a task takes in a build.
cd "$(dirname "$0")/.."
. recipes/steps.sh
: "${SHARE:=1}"

begin "Supervised adaptation (tables 3, 7 and 8)"
build private private
build shared shared
build_clusters mbc mbc
build_clusters random random
build poly poly --skills "$SKILLS"
build mhr mhr --skills "$SKILLS" --heads "$HEADS"
training="--steps $((STEPS * SHARE)) --batch $BATCH --lr $LR"
fresh="--rank $RANK --alpha $ALPHA"
# shellcheck disable=SC2086 # $training and $fresh are words
for fraction in 1 0.1; do
    suite=$([ $fraction = 1 ] && echo data_100 || echo data_10)
    score base $suite -
    adapt lora $suite $fraction - lora $training $fresh --sites "$SITES"
    adapt shared-lora $suite $fraction shared shared $training
    adapt poly-poly $suite $fraction poly poly $training
    adapt mhr-mhr $suite $fraction mhr mhr $training --heads "$HEADS"
    adapt mbc-pi $suite $fraction mbc pi $training $fresh --sites "$SITES"
    adapt private-mu $suite $fraction private mu $training
    adapt random-poly $suite $fraction random poly $training
    adapt mbc-mu $suite $fraction mbc mu $training
    adapt mbc-poly $suite $fraction mbc poly $training
done
cat > "$RUN/tables.json" << END
{"tables": [
$(for suite in data_100 data_10; do
    percent=${suite#data_}
    printf '{"title": "Table 3: %s%% of the data.", "suite": "%s", "against": "lora",\n' \
        "$percent" "$suite"
    printf ' "note": "ROUGE-L; the paper: Phi-2 on 12 tasks.", "rows": '
    if [ "$percent" = 100 ]; then set -- 75.5 75.8 73.4 74.8 76.7 76.9 76.7 78.8 78.8
    else set -- 53.9 56.4 61.7 64.5 64.6 62.5 67.6 67.0 68.2; fi
    {
        row Base base 22.2
        row 'No library' lora "$1"
        row Shared shared-lora "$2"
        row Poly poly-poly "$3"
        row MHR mhr-mhr "$4"
        row 'pi-tuning' mbc-pi "$5"
        row 'Private, mean' private-mu "$6"
        row 'Random tasks, poly' random-poly "$7"
        row 'MBC, mean' mbc-mu "$8"
        row 'MBC, poly' mbc-poly "$9"
    } | list
    printf '}'
    [ "$percent" = 10 ] || printf ',\n'
done)]}
END
finish
