/* likely.c - log softmax(l)_i = l_i - max - log sum_j exp(l_j - max), summed in double. */
#include "server/likely.h"

#include <math.h>

/* Put token `id` where it belongs among the first *m of top [n], or nowhere. */
static void insert(struct qv_likely *top, size_t *m, size_t n, int id, float logit)
{
    if (n == 0 || (*m == n && !(logit > top[n - 1].logprob)))
        return;
    size_t at = *m < n ? (*m)++ : n - 1;
    for (; at > 0 && logit > top[at - 1].logprob; at--)
        top[at] = top[at - 1];
    top[at] = (struct qv_likely){id, logit};
}

void qv__likely(struct qv_likely *one, struct qv_likely *top, size_t n, const float *logits,
                size_t V)
{
    qv_check(n <= V && one->id >= 0 && (size_t)one->id < V);
    float max = logits[0];
    for (size_t i = 1; i < V; i++)
        max = logits[i] > max ? logits[i] : max;
    double sum = 0;
    size_t m = 0;
    for (size_t i = 0; i < V; i++) {
        sum += exp((double)(logits[i] - max));
        insert(top, &m, n, (int)i, logits[i]);
    }
    const double shift = (double)max + log(sum);
    one->logprob = (float)((double)logits[one->id] - shift);
    for (size_t i = 0; i < n; i++)
        top[i].logprob = (float)((double)top[i].logprob - shift);
}
