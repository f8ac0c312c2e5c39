/* reading.h - what a router by text knows of a text: features made from its prompt.
 *
 * A prompt is read by the base, no expert at work: one pass more for each new prompt.
 * Hidden features are the mean over its first QV_READ_TOKENS tokens of what the first
 * n_layers layers make of them, and n-grams are of the same tokens. The sites' are what
 * each site is given at the last token of all, however long the prompt.
 */
#ifndef QV_MODEL_READING_H
#define QV_MODEL_READING_H

#include "model/decoder.h"

enum { QV_READ_TOKENS = 512, QV_READ_BUCKETS = 4096 };

/* How many features a router of that kind reads. */
size_t qv__features(const qv_model *m, enum qv_reading kind);

/* How many of a prompt's n tokens a router of that kind reads. */
size_t qv__read_length(enum qv_reading kind, size_t n);

/* Features f [F] of the prompts that are the sequences of p->b, each by itself:
 * `take` gets them one by one. p->update must be NULL, and F = qv__features. */
typedef void (*qv_feature_fn)(void *arg, size_t i, const float *f);
void qv__read_prompts(const struct qv_pass *p, enum qv_reading kind, size_t n_layers,
                      float *f, qv_feature_fn take, void *arg);

/* Before a pass with a router by text: read the prompts of the sequences that begin in
 * it, each whole in the pass, have them judged, and say whose logits each row follows.
 * Nothing is left to do where one text has been read ahead (model/reader.h). */
void qv__read_texts(const struct qv_pass *p);

#endif
