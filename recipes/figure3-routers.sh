#!/bin/sh
# figure3-routers.sh - routers against one another: zero-shot, and upstream with the oracle.
#
# ROUTERS may name any that there are: a new one stands beside the old by its name alone.
cd "$(dirname "$0")/.."
. recipes/steps.sh
: "${ROUTERS:=uniform tp centroid arrow}"

begin "Routers (figure 3)"
build private private
build_clusters mbc mbc
for library in private mbc; do
    for router in $ROUTERS; do
        case $router in
        tp | tp_ngrams | centroid | avg_act | retrieval | phatgoose)
            for seed in $SEEDS; do
                step - "$QUIVER" library prepare "$LIBRARIES/$seed/$library" \
                    --router "$router" --model "$MODEL" --tasks "$RUN/upstream" \
                    --seed "$seed"
            done
            ;;
        esac
        top_k=
        [ "$router" != arrow ] || top_k="--top-k $TOP_K"
        for suite in held_out upstream; do
            # shellcheck disable=SC2086 # $top_k is words
            score $library-$router $suite $library --router "$router" $top_k
        done
    done
    score $library-oracle upstream $library --router oracle
done
cat > "$RUN/tables.json" << END
{"tables": [{"title": "Figure 3: routers.", "note": "The paper, on Phi-2, zero-shot \
accuracy: private uniform 64.8, tp 65.7, centroid 65.7, arrow 66.6; mbc 67.1, 66.8, 67.1, \
67.4. Upstream ROUGE-L: private uniform 25.4, arrow 56.9, oracle 61.6; mbc 39.8, 51.6, 66.1.",
 "against": "private-arrow", "columns": $({
    column 'upstream log-lik.' upstream loglik
    column 'held out log-lik.' held_out loglik
    column upstream upstream
    column 'held out' held_out
} | list), "rows": $(for library in private mbc; do
    for router in $ROUTERS oracle; do row "$library, $router" "$library-$router"; done
done | list)}]}
END
finish
