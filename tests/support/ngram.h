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
#ifndef QV_TESTS_NGRAM_H
#define QV_TESTS_NGRAM_H

#include "base/base.h"

enum { NGRAM_CONTEXT = 5 }; // bytes

enum smoothing { WITTEN_BELL, KNESER_NEY };

typedef struct ngram ngram;

/* An empty model; NULL without memory. The caller owns it. */
ngram *ngram_new(void);
void ngram_free(ngram *m);

/* Count a text. Fails with QV_ENOMEM. */
qv_status ngram_add(ngram *m, const char *text, size_t size, qv_err *err) QV_MUST_CHECK;

/* Once all texts are counted and before the first question. */
qv_status ngram_finish(ngram *m, qv_err *err) QV_MUST_CHECK;

/* p(byte | the last bytes of history[0..n)). */
double ngram_p(const ngram *m, const char *history, size_t n, unsigned char byte,
               enum smoothing smoothing);

/* The bits in which the model would write text[0..size). */
double ngram_bits(const ngram *m, const char *text, size_t size, enum smoothing smoothing);

#endif
