/* spill.h - memory that can be given back and is still there: a block of bytes in a file
 * without a name, mapped for reading.
 *
 * After qv__spill_rest its pages are no memory of this process any more; the next look at
 * one brings it back from the file. The kernel drops the file with the block, or with the
 * process, however that ends.
 */
#ifndef QV_BASE_SPILL_H
#define QV_BASE_SPILL_H

#include "base/base.h"

struct qv_spill {
    void *bytes;
    size_t size;
};

/* Write the bytes to a file in directory `dir` and map it. The caller owns *s until
 * qv__spill_end. Fails with QV_EIO, as on a full disk. */
qv_status qv__spill(struct qv_spill *s, const char *dir, const void *bytes, size_t size,
                    qv_err *err) QV_MUST_CHECK;

/* Harmless on an all-zero struct. */
void qv__spill_end(struct qv_spill *s);

/* Give its pages back. Others may be reading it meanwhile. */
void qv__spill_rest(const struct qv_spill *s);

#endif
