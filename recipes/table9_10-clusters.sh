#!/bin/sh
# table9_10-clusters.sh - which tasks MBC puts together: RUN/clusters.SEED.json, and the
# report's map.
cd "$(dirname "$0")/.."
. recipes/steps.sh

begin "What MBC puts together (tables 9 and 10)"
build_clusters mbc mbc
for seed in $SEEDS; do
    step "$RUN/clusters.$seed.json" "$QUIVER" library list "$LIBRARIES/$seed/mbc" --json
done
finish
