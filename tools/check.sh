#!/bin/bash
# check.sh - everything that must hold before a change is done, in four stages:
# lint, then the tests built plain, with the address and undefined-behaviour
# sanitizers, and with the thread sanitizer. A stage that fails does not stop
# the next. The last line is the sum over all: "N passed, N failed".
set -u
cd "$(dirname "$0")/.."

stages=(lint release address-undefined thread)
jobs=$(nproc)
export OMP_WAIT_POLICY=${OMP_WAIT_POLICY-passive} # programs under test share the cores

# A stage that fails without a failed test to show for it counts as one failure.
stage() {
    local name=$1 began=$SECONDS
    shift
    printf '\n== %s\n' "$name"
    rm -rf "build/$name/tap"
    if ! "$@" && ! tools/tally.sh "build/$name" | grep -q '[1-9][0-9]* failed$'; then
        mkdir -p "build/$name/tap"
        printf '1..1\nnot ok 1 - %s\n' "$name" > "build/$name/tap/stage.tap"
    fi
    printf '== %s took %d s\n' "$name" $((SECONDS - began))
}

stage lint make lint
stage release make -j"$jobs" check WERROR=-Werror
stage address-undefined make -j"$jobs" check SAN=address,undefined WERROR=-Werror
stage thread make -j"$jobs" check SAN=thread

echo
exec tools/tally.sh "${stages[@]/#/build/}"
