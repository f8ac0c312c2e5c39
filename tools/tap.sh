#!/bin/sh
# tap.sh PROGRAM - run one test program for prove, keep its TAP for tools/tally.sh
# beside the build (build/x/tests/unit/a_test -> build/x/tap/a_test.tap), and end
# as it ended. A fuzz target has its corpus replayed, which is one test.
program=$1
name=${program##*/}
dir=${program%%/tests/*}/tap
mkdir -p "$dir"
tap=$dir/$name.tap

case $program in
*/tests/fuzz/*)
    {
        echo 1..1
        if "$program" tests/fuzz/corpus/"$name"/*; then
            echo "ok 1 - $name: the corpus replays"
        else
            echo "not ok 1 - $name: exit $? in the corpus"
        fi
    } > "$tap"
    status=0
    ;;
*)
    CMOCKA_MESSAGE_OUTPUT=TAP "$program" > "$tap.raw"
    status=$?
    # cmocka 1.1.5 calls a skipped test "not ok", which TAP does not.
    sed -E 's/^not ok ([0-9]+) # SKIP/ok \1 # SKIP/' "$tap.raw" > "$tap"
    rm "$tap.raw"
    ;;
esac
echo "# exit $status" >> "$tap"
cat "$tap"
exit "$status"
