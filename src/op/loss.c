/* loss.c - see loss.h. */
#include "op/loss.h"
#include "kern/kern.h"

#include <math.h>
#include <string.h>

/* The sum of exp(l[j] - max), a run at a time: within it floats are added, as many as do
 * not lose one another's digits. */
static double exp_sum(const float *l, float max, size_t V)
{
    enum { RUN = 256 };
    const struct qv_kern *k = qv__kern();
    float run[RUN];
    double sum = 0;
    for (size_t j = 0; j < V; j += RUN) {
        const size_t n = qv__min(RUN, V - j);
        memcpy(run, l + j, n * sizeof *run);
        sum += (double)k->exp_sum(run, 1, max, n);
    }
    return sum;
}

void qv__log_sum_exp(double *lse, const float *logits, size_t n, size_t V)
{
#pragma omp parallel for schedule(static) if (n > 1)
    for (size_t i = 0; i < n; i++) {
        const float *l = logits + i * V;
        const float max = qv__kern()->max(l, V);
        lse[i] = (double)max + log(exp_sum(l, max, V));
    }
}

void qv__logprob(float *logprob, const float *logits, const int *target, size_t n, size_t V)
{
#pragma omp parallel for schedule(static) if (n > 1)
    for (size_t i = 0; i < n; i++) {
        double lse;
        qv__log_sum_exp(&lse, logits + i * V, 1, V);
        logprob[i] = (float)((double)logits[i * V + (size_t)target[i]] - lse);
    }
}

void qv__cross_entropy(float *logprob, float *logits, const int *target,
                       const float *weight, size_t n, size_t V)
{
    const struct qv_kern *k = qv__kern();
#pragma omp parallel for schedule(static) if (n > 1)
    for (size_t i = 0; i < n; i++) {
        float *l = logits + i * V;
        float max = k->max(l, V), right = l[target[i]];
        float sum = k->exp_sum(l, 1, max, V);
        logprob[i] = right - max - logf(sum);
        float share = weight[i] / sum;
        for (size_t j = 0; j < V; j++)
            l[j] *= share;
        l[target[i]] -= weight[i];
    }
}
