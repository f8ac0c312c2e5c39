#!/bin/sh
# table2-clusterings.sh - ways to group tasks: the result, and how alike the experts of the
# groups are (the paper's cluster similarity: RandExamples .82, RandTask .58, Embeddings
# .37, MBC .27). RUN/similarity.LIBRARY.SEED.json is what `quiver cluster` says of them.
cd "$(dirname "$0")/.."
. recipes/steps.sh

begin "Clusterings compared (table 2)"
build_clusters random-example random-example
build_clusters random random
build_clusters embedding embedding
build_clusters mbc mbc
score base held_out -
for library in random-example random embedding mbc; do
    score $library-uniform held_out $library --router uniform
    for seed in $SEEDS; do
        step "$RUN/similarity.$library.$seed.json" "$QUIVER" cluster \
            "$LIBRARIES/$seed/$library" --clusters 1 --json
    done
done
cat > "$RUN/tables.json" << END
{"tables": [{"title": "Table 2: clusterings.", "suite": "held_out", "against": "random-uniform",
 "note": "ROUGE-L; the paper: accuracy of Phi-2 on ten tasks. Mean cosine of the groups' \
experts: $(for library in random-example random embedding mbc; do
    printf '%s %s; ' "$library" "$(sed -n 's/.*"within":\[\([-0-9.e]*\)\].*/\1/p' \
        "$RUN/similarity.$library.$first_seed.json")"
done)", "rows": $({
    row 'Random examples' random-example-uniform 64.8
    row 'Random tasks' random-uniform 66.4
    row Embeddings embedding-uniform 66.1
    row MBC mbc-uniform 67.1
} | list)}]}
END
finish
