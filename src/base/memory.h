/* memory.h - how much there is. */
#ifndef QV_BASE_MEMORY_H
#define QV_BASE_MEMORY_H

#include <stddef.h>

/* Bytes that this machine has, or that the control group of this process may use if that
 * is less. */
size_t qv__memory(void);

#endif
