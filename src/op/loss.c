/* loss.c - see loss.h. */
#include "op/loss.h"
#include "kern/kern.h"

#include <math.h>

void qv__log_sum_exp(double *lse, const float *logits, size_t n, size_t V)
{
#pragma omp parallel for schedule(static) if (n > 1)
    for (size_t i = 0; i < n; i++) {
        const float *l = logits + i * V;
        float max = qv__kern()->max(l, V);
        double sum = 0;
        for (size_t j = 0; j < V; j++)
            sum += (double)expf(l[j] - max);
        lse[i] = (double)max + log(sum);
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
