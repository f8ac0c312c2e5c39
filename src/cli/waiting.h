/* waiting.h - how a program asks OpenMP's threads to wait for one another: they look for
 * some forty microseconds, and then sleep (docs/decisions/0009). */
#ifndef QV_CLI_WAITING_H
#define QV_CLI_WAITING_H

#include <stdbool.h>
#include <stdlib.h>

/* Sets the environment so, unless it says anything about it. Returns whether it did: the
 * runtime has read it before main, and the program is to start itself again. */
static inline bool qv__ask_to_wait(void)
{
    if (getenv("OMP_WAIT_POLICY") || getenv("GOMP_SPINCOUNT"))
        return false;
    return setenv("GOMP_SPINCOUNT", "2000", 1) == 0 &&    // looks, by GNU's runtime
           setenv("OMP_WAIT_POLICY", "active", 1) == 0 && // 1000 where it has several teams
           setenv("KMP_BLOCKTIME", "0", 1) == 0;          // milliseconds, by LLVM's
}

#endif
