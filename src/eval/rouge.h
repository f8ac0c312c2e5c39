/* rouge.h - ROUGE-L: how much of one text's words another has, in order.
 *
 * Words are runs of ASCII letters and digits in lower case; those of more than
 * three characters are reduced to their Porter stem, as NLTK reduces them. With
 * L the longest common subsequence, P = L / words of the prediction and R = L /
 * words of the reference, the score is F1 = 2PR / (P + R).
 */
#ifndef QV_EVAL_ROUGE_H
#define QV_EVAL_ROUGE_H

#include "base/arena.h"

/* The best F1 over the references, 0 to 1; 0 without words in common. */
double qv__rouge_l(const char *prediction, const char *const *references, size_t n);

/* The stem of a word of [a-z0-9]: what NLTK's PorterStemmer answers in its
 * default mode. Lives as long as the arena. */
const char *qv__porter(qv_arena *a, const char *word);

#endif
