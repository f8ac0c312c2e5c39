#!/bin/sh
# all-pairs.sh - every library with every router, on tasks that no expert has seen.
#
# Routers that learn which tasks an expert is of are left out where all experts have
# learnt all tasks (random examples, poly, mhr). UPSTREAM names the libraries that are
# scored on the tasks they were built from too, there also with the oracle.
# shellcheck disable=SC2086 # lists are words
cd "$(dirname "$0")/.."
. recipes/steps.sh
: "${ROUTERS:=uniform arrow arrow_unit arrow_norm arrow_across arrow_root arrow_sigma arrow_signed \
arrow_mean arrow_wide arrow_vote spectr spectr_sigma lag}"
: "${INFORMED:=centroid avg_act phatgoose retrieval tp tp_ngrams}"
: "${GROUPED:=private mbc random embedding}" # whose experts are of different tasks
: "${MIXED=random-example poly mhr}"
: "${UPSTREAM=private mbc}"
: "${GATE_STEPS:=100}" # of training each of phatgoose's gates

begin "All libraries, all routers" "$GATE_STEPS"
for library in shared $GROUPED $MIXED; do
    case $library in
    private | shared) build $library $library ;;
    poly) build poly poly --skills "$SKILLS" ;;
    mhr) build mhr mhr --skills "$SKILLS" --heads "$HEADS" ;;
    *) build_clusters "$library" "$library" ;;
    esac
done

# The options of a router: k is the run's where it is not the router's own.
options() {
    case $1 in
    arrow_wide) ;; # eight
    arrow | arrow_*) echo --top-k "$TOP_K" ;;
    centroid) echo --top-k "$TOP_K" --temperature 0.05 ;;
    esac
}
routers_of() { # LIBRARY
    case " $GROUPED " in *" $1 "*) echo $ROUTERS $INFORMED ;; *) echo $ROUTERS ;; esac
}
# pair SUITE LIBRARY ROUTER
pair() {
    # shellcheck disable=SC2046 # so are options
    score "$2-$3" "$1" "$2" --router "$3" $(options "$3")
}

for suite in held_out upstream; do
    score base $suite -
    score shared $suite shared --router uniform
done
for library in $GROUPED $MIXED; do
    for router in $(routers_of $library); do
        case " $INFORMED " in *" $router "*)
            gates=
            [ "$router" != phatgoose ] || gates="--steps $GATE_STEPS"
            for seed in $SEEDS; do
                step - "$QUIVER" library prepare "$LIBRARIES/$seed/$library" --seed "$seed" \
                    --router "$router" --model "$MODEL" --tasks "$RUN/upstream" $gates
            done
            ;;
        esac
        pair held_out "$library" "$router"
    done
done
for library in $UPSTREAM; do
    for router in $(routers_of $library) oracle; do pair upstream "$library" "$router"; done
done

rows() { # LIBRARY...
    row Base base
    row Shared shared
    for library in "$@"; do
        for router in $ROUTERS $INFORMED; do
            [ -f "$RUN/eval/$library-$router.held_out.$first_seed.json" ] || continue
            row "$library, $router" "$library-$router"
        done
    done
}
cat > "$RUN/tables.json" << END
{"tables": [{"title": "All libraries, all routers.", "against": "private-arrow",
 "note": "Means over seeds; intervals of 95% over tasks, of differences to private-arrow \
paired by task.", "columns": $({
    column 'held out' held_out
    column 'held out log-lik.' held_out loglik
} | list), "rows": $(rows $GROUPED $MIXED | list)},
{"title": "On the tasks trained on.", "against": "private-arrow", "columns": $({
    column upstream upstream
    column 'upstream log-lik.' upstream loglik
} | list), "rows": $({
    rows $UPSTREAM
    for library in $UPSTREAM; do row "$library, oracle" "$library-oracle"; done
} | list)}]}
END
finish
