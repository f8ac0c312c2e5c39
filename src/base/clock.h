/* clock.h - how long things take. */
#ifndef QV_BASE_CLOCK_H
#define QV_BASE_CLOCK_H

/* Seconds of a clock that never jumps. */
double qv__seconds(void);

#endif
