/* memory.h - how much there is, and what of it goes back. */
#ifndef QV_BASE_MEMORY_H
#define QV_BASE_MEMORY_H

#include <stddef.h>

/* Bytes that this machine has, or that the control group of this process may use if that
 * is less. */
size_t qv__memory(void);

/* What free() has kept goes back to the system. This and the next do nothing where the C
 * library cannot. */
void qv__memory_trim(void);

/* From now on blocks of so many bytes or more come from the system and go back to it. Left
 * to itself malloc soon has them in the heaps of its threads, whose pages stay when what
 * lay there goes. */
void qv__memory_map_from(int bytes);

#endif
