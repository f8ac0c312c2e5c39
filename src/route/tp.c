/* tp.c - the task predictor: a classifier names the expert whose task a text is of.
 *
 * Multinomial logistic regression, l = W f + b, trained on the training prompts of all
 * the library's experts, each labelled by its expert (train/classifier.h). The paper's
 * stands on a T5 encoder; ours on what is at hand, in two kinds: tp on the base's own
 * hidden states, as retrieval does, and tp_ngrams on a hashed bag of n-grams of
 * tokens, which costs no pass through the model.
 */
#include "route/routers.h"
#include "route/text.h"

static void judge(const struct qv_router *r, float *l, const float *f)
{
    const struct qv_text_table *t = r->texts;
    for (size_t e = 0; e < t->K; e++) {
        double sum = (double)t->bias[e];
        for (size_t i = 0; i < t->F; i++)
            sum += (double)t->v[e * t->F + i] * (double)f[i];
        l[e] = (float)sum;
    }
}

const struct qv_router_ops qv__tp = {
    .name = "tp",
    .about = "task predictor: a classifier of texts by the base's hidden states",
    .needs = QV_NEEDS_TRAINING,
    .artifact = "tp",
    .reads = QV_READS_HIDDEN,
    .open = qv__text_open,
    .judge = judge,
    .close = qv__text_close,
};

const struct qv_router_ops qv__tp_ngrams = {
    .name = "tp_ngrams",
    .about = "task predictor: a classifier of texts by their n-grams",
    .needs = QV_NEEDS_TRAINING,
    .artifact = "tp_ngrams",
    .reads = QV_READS_NGRAMS,
    .open = qv__text_open,
    .judge = judge,
    .close = qv__text_close,
};
