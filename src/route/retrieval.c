/* retrieval.c - send a text to the experts whose training inputs are nearest to it.
 *
 * The features of a text are the mean over its tokens of a layer's output in the base
 * (model/reading.h); an expert's are the mean of those over its training prompts. The
 * logit is the cosine of the two. LoraRetriever (arXiv:2402.09997) does the same with a
 * sentence encoder in the base's place, and likewise takes three experts.
 */
#include "route/routers.h"
#include "route/text.h"

#include <math.h>

static double product(const float *x, const float *y, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)x[i] * (double)y[i];
    return sum;
}

static void judge(const struct qv_router *r, float *l, const float *f)
{
    const struct qv_text_table *t = r->texts;
    double length = sqrt(product(f, f, t->F));
    for (size_t e = 0; e < t->K; e++) {
        const float *v = t->v + e * t->F;
        double both = length * sqrt(product(v, v, t->F));
        l[e] = both > 0 ? (float)(product(f, v, t->F) / both) : 0;
    }
}

const struct qv_router_ops qv__retrieval = {
    .name = "retrieval",
    .about = "the experts whose training prompts the text is like",
    .needs = QV_NEEDS_DATA,
    .artifact = "embedding",
    .top_k = 3,
    .reads = QV_READS_HIDDEN,
    .open = qv__text_open,
    .judge = judge,
    .close = qv__text_close,
};
