/* replay.c - run a fuzz target on the files named, so that every compiler replays
 * the committed corpus and a fuzzer is needed only to extend it. */
#include "base/base.h"
#include "base/file.h"

#include <stdio.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        struct qv_map map;
        qv_err err;
        if (qv__map(&map, argv[i], &err)) {
            fprintf(stderr, "replay: %s\n", err.msg);
            return 1;
        }
        LLVMFuzzerTestOneInput((const uint8_t *)map.bytes, map.size);
        qv__unmap(&map);
    }
    return 0;
}
