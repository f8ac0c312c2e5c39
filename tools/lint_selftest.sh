#!/bin/bash
# lint_selftest.sh - a lint that cannot fail proves nothing: each is shown a tree
# that breaks its rules, one rule at a time, and must say so in the right words;
# and each is shown a tree that breaks none, and must be silent.
set -u
tools=$(cd "$(dirname "$0")" && pwd)
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
failures=0

write() { # write FILE: standard input becomes FILE of the tree
    mkdir -p "$tree/$(dirname "$1")"
    cat > "$tree/$1"
}

clean() {
    rm -rf "${tree:?}"/*
    cp "$tools/../.clang-format" "$tree"
    write include/quiver/a.h <<< $'/* a.h - a. */\nint qv_a(int x);'
    write src/base/a.c <<< $'/* a.c - a. */\n#include <quiver/a.h>\n\nint qv_a(int x)\n{\n    return x;\n}'
    write src/op/b.h <<< $'/* b.h - b. */\nint qv__b(void);'
    write src/op/b.c <<< $'/* b.c - b. */\n#include "op/b.h"\n\n#include <stdio.h>\n\nint qv__b(void)\n{\n    return 0;\n}'
}

# catches LINT WORDS: the lint must fail on the tree as it is now, saying WORDS.
catches() {
    local said
    if said=$("$tools/lint_$1.sh" "$tree" 2>&1); then
        echo "tools/lint_$1.sh: passes where it should say '$2'"
        failures=1
    elif [[ $said != *"$2"* ]]; then
        echo "tools/lint_$1.sh: says '$said' where it should say '$2'"
        failures=1
    fi
    clean
}

repeat() { # repeat N TEXT
    for ((i = 0; i < $1; i++)); do
        printf '%s' "$2"
    done
}

clean
for lint in layers sizes calls names words headers arm format; do
    if ! said=$("$tools/lint_$lint.sh" "$tree" 2>&1); then
        echo "tools/lint_$lint.sh: complains of a tree without fault: $said"
        failures=1
    fi
done

write src/base/c.c <<< '#include "op/b.h"'
catches layers 'base may not include op'
write src/op/c.c <<< '#include "b.h"'
catches layers 'write the directory'
write src/novel/c.c <<< '#include "base/a.h"'
catches layers 'not in the list of layers'
write src/op/c.c <<< '#include <jansson.h>'
catches layers 'is for src/base/json.h alone'
write src/op/c.c <<< '#include <gtk/gtk.h>'
catches layers 'no door'
write examples/c.c <<< '#include "op/b.h"'
catches layers 'only src/ may include'

{ echo 'int f(void)'; echo '{'; repeat 68 $'    ;\n'; echo '}'; } | write src/op/c.c
catches sizes 'f has 71 lines, at most 70'
repeat 801 $'\n' | write src/op/c.c
catches sizes '801 lines, at most 800'
repeat 151 $'\n' | write src/op/c.h
catches sizes '151 lines, at most 150'
write src/op/c.c <<< 'int f(int a, int b, int c, int d, int e, int g, int h, int i, int j, int k) { return a; }'
catches sizes 'f has 10 parameters, at most 9'
write src/op/c.c <<< $'int f(int x)\n{\n                    if (x)\n}'
catches sizes 'nested 5 deep, at most 4'

for call in 'strcpy(a, b)' 'sprintf(a, b)' 'atoi(a)' 'alloca(3)' 'exit(1)' 'abort()' \
    'assert(a)' 'rand()' 'printf("")' 'fputs(a, stderr)' 'getenv("A")'; do
    write src/op/c.c <<< "int f(void) { $call; }"
    catches calls 'src/op/c.c:1:'
done
write src/op/c.c <<< '#ifdef __x86_64__'
catches calls 'conditions on the machine'
write src/op/c.c <<< 'extern int x;'
catches calls 'belongs to a header'

write src/op/c.c <<< $'/* c.c - c. */\nint f(void) { return 0; }'
catches names 'f is visible to others'
write src/op/c.c <<< $'/* c.c - c. */\nint qv_f(void) { return 0; }'
catches names 'qv_f is in no public header'
write src/op/c.c <<< $'/* c.c - c. */\nstatic int qv__f(void) { return 0; }'
catches names 'static and needs no prefix'
write src/op/c.c <<< $'/* c.c - c. */\ntypedef int big_t;'
catches names 'names in _t'
write src/op/string_utils.c <<< '/* string_utils.c - c. */'
catches names 'a layer nobody named'
write src/op/c.c <<< 'int x;'
catches names 'does not open with'
write include/quiver/a.h <<< $'/* a.h - a. */\nint qv__a(int x);'
catches names 'qv__ in a public header'

for line in 'TO'DO '/ho''me/ann/x' '<<<<''<<< theirs' 'int x; ' $'\tint x;'; do
    write src/op/c.c <<< "$line"
    catches words 'src/op/c.c:1:'
done
write src/op/c.c <<< '/* c.c - see docs/nothing.md. */'
catches words 'there is no docs/nothing.md'
head -c 1048577 /dev/zero | write docs/large.png
catches words '1048577 bytes, at most 1048576'

write include/quiver/b.h <<< 'size_t qv_b(void);'
catches headers 'does not compile alone'
write include/quiver/b.h <<< 'int qv_b(int class);'
catches headers 'does not compile alone (c++)'
write src/op/c.h <<< 'size_t qv__b(void);'
catches headers 'src/op/c.h'
[ "$(uname -m)" = aarch64 ] || {
    write src/op/c.c <<< $'#include <immintrin.h>\n__m256 x;'
    catches arm 'error'
}
write src/op/c.c <<< 'int f( void ) {return 0;}'
catches format 'not as clang-format writes it'

exit $failures
