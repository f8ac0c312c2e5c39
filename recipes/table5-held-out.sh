#!/bin/sh
# table5-held-out.sh - zero-shot ROUGE-L on held-out tasks, and upstream beside it.
cd "$(dirname "$0")/.."
. recipes/steps.sh

begin "Zero-shot ROUGE-L on held-out tasks (table 5)"
build private private
build shared shared
build_clusters mbc mbc
for suite in held_out upstream; do
    score base $suite -
    score shared $suite shared --router uniform
    for library in private mbc; do
        score $library-uniform $suite $library --router uniform
        score $library-arrow $suite $library --router arrow --top-k "$TOP_K"
    done
done
cat > "$RUN/tables.json" << END
{"tables": [{"title": "Table 5: held-out tasks.", "suite": "held_out", "against": "base",
 "note": "ROUGE-L. The paper: Phi-2 on 12 tasks of Natural Instructions.", "rows": $({
    row Base base 22.2
    row Shared shared 39.3
    row 'Private, uniform' private-uniform 36.6
    row 'Private, arrow' private-arrow 37.4
    row 'MBC, uniform' mbc-uniform 44.4
    row 'MBC, arrow' mbc-arrow 36.7
} | list)}]}
END
finish
