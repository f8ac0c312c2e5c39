/* forward.c - see forward.h. */
#include "model/forward.h"
#include "model/reading.h"

void qv__forward(const struct qv_pass *p)
{
    if (qv__update_reads(p->update))
        qv__read_texts(p);
    qv__decoder_forward(p);
}
