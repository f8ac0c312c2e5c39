/* ngram.h - a byte-level n-gram model: what a language model must beat.
 *
 * A byte is predicted from the five before it (fewer at a text's start: its
 * bytes are preceded by NULs). The six orders are interpolated, down to 1/256
 * for each byte, in one of two ways:
 *
 *   Witten-Bell: p(c|h) = (n(hc) + t(h) p(c|h')) / (n(h) + t(h)), where t(h) is
 *   how many different bytes followed h, and h' is h without its first byte;
 *
 *   Kneser-Ney, modified: p(c|h) = (n(hc) - D) / n(h) + g(h) p(c|h'), with three
 *   discounts D an order estimated from counts of counts, g(h) what was
 *   discounted, and n below the highest order the number of different bytes
 *   seen before hc.
 */
#ifndef QV_DATA_NGRAM_H
#define QV_DATA_NGRAM_H

#include "base/base.h"

enum { QV_NGRAM_CONTEXT = 5 }; // bytes

enum qv_smoothing { QV_WITTEN_BELL, QV_KNESER_NEY };

typedef struct qv_ngram qv_ngram;

/* An empty model; NULL without memory. The caller owns it. */
qv_ngram *qv__ngram_new(void);
void qv__ngram_free(qv_ngram *m);

/* Count a text. Fails with QV_ENOMEM. */
qv_status qv__ngram_add(qv_ngram *m, const char *text, size_t size,
                        qv_err *err) QV_MUST_CHECK;

/* Once all texts are counted and before the first question. */
qv_status qv__ngram_finish(qv_ngram *m, qv_err *err) QV_MUST_CHECK;

/* p(byte | the last bytes of history[0..n)). */
double qv__ngram_p(const qv_ngram *m, const char *history, size_t n, unsigned char byte,
                   enum qv_smoothing smoothing);

/* The bits in which the model would write text[0..size). */
double qv__ngram_bits(const qv_ngram *m, const char *text, size_t size,
                      enum qv_smoothing smoothing);

#endif
