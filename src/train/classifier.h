/* classifier.h - multinomial logistic regression: which of K classes features are of.
 *
 *     p(e | f) = softmax(W f + b)_e,  loss = mean -log p(label) + decay/2 |W|^2
 */
#ifndef QV_TRAIN_CLASSIFIER_H
#define QV_TRAIN_CLASSIFIER_H

#include "base/base.h"

/* Labelled features, borrowed. */
struct qv_labelled {
    const float *f;   // [n, F]
    const int *label; // [n] below K
    size_t n, F, K;
};

/* Zero means default. */
struct qv_classifier_opts {
    size_t epochs, batch; // times the data is seen (20), examples a step (64)
    float lr;             // the first step's; it falls to 0 in a line (0.03)
    float decay;          // 1e-4
    uint64_t seed;        // of the order of the examples
};

/* The loss of the examples which[0..n) of d with parameters p = W [K, F], b [K]; and if g
 * is not NULL, its gradient, as p lies. `room` is n * (K + F) floats. */
double qv__classifier_loss(float *g, const struct qv_labelled *d, const size_t *which,
                           size_t n, const float *p, float decay, float *room);

/* Train p [K * F + K] from zeros by AdamW: the same data, options and seed give the same
 * numbers. Fails with QV_ENOMEM. */
qv_status qv__classifier_train(float *p, const struct qv_labelled *d,
                               const struct qv_classifier_opts *opts,
                               qv_err *err) QV_MUST_CHECK;

/* Have each feature of f [n, F] mean 0 and deviation 1 / sqrt(F) over the examples, so
 * that an example is about 1 long: mean and by [F] are what it was subtracted from and
 * multiplied by (0 for one that never varies). */
void qv__standardise(float *f, size_t n, size_t F, float *mean, float *by);

/* Parameters that say of features as they were what p says of standardised ones. */
void qv__unstandardise(float *p, size_t K, size_t F, const float *mean, const float *by);

#endif
