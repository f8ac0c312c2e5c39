#!/bin/sh
# lint_layers.sh [DIR] - directories are layers, and outside libraries have doors.
#
# A file in src/ may include its own directory, lower ones, and <quiver/...>. The
# public headers and the examples see only the public API. An outside library is
# included by the files named here and by no other, so that it can be replaced in
# an afternoon; a header that is neither ours, nor C's or POSIX's, nor in the
# table below must first be put there.
set -eu
cd "${1:-$(dirname "$0")/..}"

layers="base kern op format text lora library route merge cluster model data dist train
        build eval adapt plot server cli"

doors='
oneapi/dnnl/  src/op/gemm.c
omp.h         src/op/* src/model/acts.c src/train/objective.c src/build/centroid.c src/eval/* src/server/mix.c
linux/fs.h    src/library/store.c
malloc.h      src/base/memory.c
sys/syscall.h src/library/store.c
sys/inotify.h src/base/watch.c
lapacke.h     src/lora/linalg.c
cblas.h       src/lora/linalg.c
jansson.h     src/base/json.h
pcre2.h       src/base/regex.c
utf8proc.h    src/text/classes.c src/text/normalize.c
libstemmer.h  src/eval/rouge.c
nettle/       src/base/hash.c
nlopt.h       src/adapt/lorahub.c
microhttpd.h  src/server/http.c
mpi.h         src/dist/comm_mpi.c
argp.h        src/cli/*
immintrin.h   src/kern/*
cpuid.h       src/kern/*
arm_neon.h    src/kern/*
'

standard="assert ctype dirent errno fcntl fenv float ftw glob inttypes iso646 libgen limits
          locale math netdb poll pthread sched semaphore setjmp signal spawn stdarg stdatomic stdbool stddef
          stdint stdio stdlib string strings sys/file sys/mman sys/resource sys/stat
          sys/statvfs sys/time sys/types sys/utsname sys/wait sys/random sys/socket time unistd wchar
          dlfcn"

find src include examples -name '*.[ch]' 2> /dev/null | sort |
    xargs awk -v layers="$layers" -v doors="$doors" -v standard="$standard" '
function complain(what) {
    printf "%s:%d: %s\n", FILENAME, FNR, what
    bad = 1
}

function check_ours(name,    dir, own) {
    if (name ~ /^quiver\//)
        return
    if (FILENAME !~ /^src\//)
        return complain("only src/ may include \"" name "\"; here it is <quiver/...>")
    if (name !~ /\//)
        return complain("\"" name "\": write the directory")
    dir = name;     sub(/\/.*/, "", dir)
    own = FILENAME; sub(/^src\//, "", own); sub(/\/.*/, "", own)
    if (!(own in rank))
        return complain("src/" own " is not in the list of layers")
    if (!(dir in rank))
        return complain("\"" name "\": " dir " is not a layer")
    if (rank[dir] > rank[own])
        complain(own " may not include " dir ", which is above it")
}

function check_outside(name,    i, n, files, library) {
    if (name ~ /^quiver\// || (name in is_standard))
        return
    for (library in door)
        if (name == library || (library ~ /\/$/ && index(name, library) == 1)) {
            n = split(door[library], files, " ")
            for (i = 1; i <= n; i++)
                if (FILENAME == files[i] ||
                    (files[i] ~ /\*$/ && index(FILENAME, substr(files[i], 1, length(files[i]) - 1)) == 1))
                    return
            return complain("<" name "> is for" door[library] " alone")
        }
    complain("<" name ">: no door in tools/lint_layers.sh")
}

BEGIN {
    n = split(layers, list, " ")
    for (i = 1; i <= n; i++)
        rank[list[i]] = i
    n = split(standard, list, " ")
    for (i = 1; i <= n; i++)
        is_standard[list[i] ".h"] = 1
    n = split(doors, list, "\n")
    for (i = 1; i <= n; i++)
        if (list[i] != "") {
            name = list[i]; sub(/ .*/, "", name)
            rest = list[i]; sub(/^[^ ]* +/, " ", rest)
            door[name] = rest
        }
}

/^[ \t]*#[ \t]*include/ {
    name = $0
    sub(/^[ \t]*#[ \t]*include[ \t]*/, "", name)
    kind = substr(name, 1, 1)
    name = substr(name, 2)
    sub(/[">].*/, "", name)
    if (kind == "\"")
        check_ours(name)
    else
        check_outside(name)
}

END { exit bad }'
