#!/bin/sh
# adaptation.sh - every way to adapt to a held-out task, with 100, 10, 5 and 0.5% of its data.
#
# Tables 3, 6, 7 and 8 in one, with what they leave out: polyz and LoraHub at every
# fraction, and the experts nearest to a task instead of all (RETRIEVED, at 10%).
# SYSTEMS are names of a library and of a method of `quiver adapt`, and lora and base, which
# have no library; recipes of single tables choose among them. SHARE is how many steps an
# adaptation takes as a multiple of those a task takes in a build. LoraHub's search may cost
# what a training does, an example forth and back for three examples forth.
# shellcheck disable=SC2086 # lists are words
cd "$(dirname "$0")/.."
. recipes/steps.sh
: "${SHARE:=1}"
: "${EVALUATIONS:=30}" # of LoraHub's search
: "${VALID:=100}"      # examples of a task to validate on
: "${FRACTIONS:=1 0.1 0.05 0.005}"
: "${SYSTEMS:=base lora shared-lora private-mu mbc-mu poly-poly mhr-mhr random-poly mbc-poly \
mbc-polyz mbc-pi mbc-lorahub}"
RETRIEVED=${RETRIEVED-random lora svd gauge fisher}
: "${TITLE:=Adaptation by library, method and data}"

# Whether some experts are retrieved for that fraction.
retrieves() { [ "$1" = 0.1 ] && [ -n "$RETRIEVED" ]; }

begin "$TITLE" "$SHARE $EVALUATIONS $VALID"
needed=" $SYSTEMS"
for fraction in $FRACTIONS; do
    ! retrieves "$fraction" || needed="$needed private-retrieved"
done
for library in private shared mbc random poly mhr; do
    case $needed in *" $library-"*) ;; *) continue ;; esac
    case $library in
    private | shared) build $library $library ;;
    mbc | random) build_clusters $library $library ;;
    poly) build poly poly --skills "$SKILLS" ;;
    mhr) build mhr mhr --skills "$SKILLS" --heads "$HEADS" ;;
    esac
done
training="--steps $((STEPS * SHARE)) --batch $BATCH --lr $LR --valid-limit $VALID"
fresh="--rank $RANK --alpha $ALPHA --sites $SITES"

# label FRACTION: how a suite of it is called; percent FRACTION: how people call it.
label() { echo "data_$(percent "$1" | tr . _)"; }
percent() { awk "BEGIN { print $1 * 100 }"; }

# use SYSTEM: on $suite, with $fraction of the data.
use() {
    library=${1%-*}
    method=${1#*-}
    case $1 in
    base) score base $suite - ;;
    lora) adapt lora $suite $fraction - lora $training $fresh ;;
    shared-lora) adapt $1 $suite $fraction shared shared $training ;;
    *-mhr) adapt $1 $suite $fraction $library mhr $training --heads "$HEADS" ;;
    *-pi) adapt $1 $suite $fraction $library pi $training $fresh ;;
    *-lorahub)
        adapt $1 $suite $fraction $library lorahub --evaluations "$EVALUATIONS" \
            --judged $(((3 * STEPS * SHARE * BATCH + EVALUATIONS - 1) / EVALUATIONS))
        ;;
    *) adapt $1 $suite $fraction $library $method $training ;;
    esac
}

for fraction in $FRACTIONS; do
    suite=$(label "$fraction")
    for name in $SYSTEMS; do use $name; done
    retrieves "$fraction" || continue
    for how in $RETRIEVED; do
        adapt private-poly-$how $suite $fraction private poly $training --retrieve $how \
            --rank "$RANK" --alpha "$ALPHA" --sites "$SITES"
    done
done

# describe SYSTEM FRACTION: its row, with the paper's ROUGE-L: Phi-2, 12 tasks, tables 3, 6 and 8.
describe() {
    name=$1
    fraction=$2
    case $name in #                          100% 10%  5%   0.5%
    base) set -- Base 22.2 22.2 ;;
    lora) set -- 'No library' 75.5 53.9 ;;
    shared-lora) set -- Shared 75.8 56.4 ;;
    private-mu) set -- 'Private, mean' 76.9 62.5 ;;
    mbc-mu) set -- 'MBC, mean' 78.8 67.0 ;;
    poly-poly) set -- Poly 73.4 61.7 ;;
    mhr-mhr) set -- MHR 74.8 64.5 ;;
    random-poly) set -- 'Random tasks, poly' 76.7 67.6 ;;
    mbc-poly) set -- 'MBC, poly' 78.8 68.2 64.5 50.2 ;;
    mbc-polyz) set -- 'MBC, polyz' 45.3 45.2 45.2 44.8 ;;
    mbc-pi) set -- 'MBC, pi-tuning' 76.7 64.6 ;;
    mbc-lorahub) set -- 'MBC, LoraHub' 45.3 44.7 ;;
    *) set -- "$name" ;;
    esac
    case $fraction in
    1) row "$1" $name "${2:-}" ;;
    0.1) row "$1" $name "${3:-}" ;;
    0.05) row "$1" $name "${4:-}" ;;
    0.005) row "$1" $name "${5:-}" ;;
    *) row "$1" $name ;;
    esac
}
rows() { for name in $SYSTEMS; do describe $name "$1"; done | list; }
# table TITLE SUITE ROWS: of which the suite's tasks are the columns.
table() {
    printf '{"title": "%s", "suite": "%s", "against": "lora", "rows": %s}\n' "$1" "$2" "$3"
}

cat > "$RUN/tables.json" << END
{"tables": $({
    printf '{"title": "Adaptation: ROUGE-L by share of the data.", "against": "lora", '
    printf '"note": "Means over tasks and seeds.", "columns": %s, "rows": %s}\n' "$(
        for fraction in $FRACTIONS; do
            column "$(percent "$fraction")%" "$(label "$fraction")"
        done | list
    )" "$(rows -)"
    for fraction in $FRACTIONS; do
        table "$(percent "$fraction")% of the data. The paper: Phi-2 on 12 tasks." \
            "$(label "$fraction")" "$(rows "$fraction")"
        retrieves "$fraction" || continue
        table "Which five experts: 10% of the data." "$(label "$fraction")" "$(
            for how in $RETRIEVED; do
                row "Private, poly of 5 by $how" "private-poly-$how"
            done | list
        )"
    done
} | list)}
END
finish
