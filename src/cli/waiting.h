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
    static const char times[] = "2000"; // that GNU's threads look
    if (getenv("OMP_WAIT_POLICY") || getenv("GOMP_SPINCOUNT"))
        return false;
    return setenv("GOMP_SPINCOUNT", times, 1) == 0 &&
           setenv("OMP_WAIT_POLICY", "passive", 1) == 0; // others' sleep at once
}

#endif
