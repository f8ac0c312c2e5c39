#!/bin/sh
# routing.sh - what the paper leaves out: k and temperature of arrow, its entropy, its
# agreement with the oracle by layer and map, and how settled the prototypes are.
cd "$(dirname "$0")/.."
. recipes/steps.sh
[ -z "${SMOKE:-}" ] || : "${KS:=1 2}" "${TEMPERATURES:=1}"
: "${KS:=1 2 3 4 8}"
: "${TEMPERATURES:=0.1 0.3 1 3}"

begin "Inside arrow: k, temperature, entropy, agreement"
build private private
step "$RUN/studies/spectra.json" "$QUIVER" study spectra "$LIBRARIES/$first_seed/private" \
    --json
for k in $KS; do
    score "private-arrow_k$k" held_out private --router arrow --top-k "$k"
    score "private-arrow_k$k" upstream private --router arrow --top-k "$k"
    step "$RUN/studies/routing-k$k.json" "$QUIVER" study routing \
        "$LIBRARIES/$first_seed/private" --model "$MODEL" --tasks "$RUN/upstream" \
        --router arrow --top-k "$k" --limit "$LIMIT" --json
done
for t in $TEMPERATURES; do
    name=private-arrow_t$(echo "$t" | tr . p)
    score "$name" held_out private --router arrow --top-k "$TOP_K" --temperature "$t"
    score "$name" upstream private --router arrow --top-k "$TOP_K" --temperature "$t"
done
ks=$(for k in $KS; do printf '[%s, "private-arrow_k%s"]\n' "$k" "$k"; done | list)
ts=$(for t in $TEMPERATURES; do
    printf '[%s, "private-arrow_t%s"]\n' "$t" "$(echo "$t" | tr . p)"
done | list)
figure() {
    printf '{"title": "%s, %s.", "suite": "%s", "metric": "loglik", "x_label": "%s",' \
        "$1" "$2" "$2" "$1"
    printf ' "y_label": "log-likelihood", "series": [{"name": "arrow", "points": %s}]}\n' "$3"
}
cat > "$RUN/tables.json" << END
{"figures": $({
    figure k upstream "$ks"
    figure k held_out "$ks"
    figure temperature upstream "$ts"
    figure temperature held_out "$ts"
} | list)}
END
finish
