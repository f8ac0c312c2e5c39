/* top.c - see top.h. */
#include "route/top.h"

#include <math.h>

void qv__top(int *place, float *value, const float *l, size_t K, size_t k)
{
    // The best so far, sorted; only a strictly larger one passes an earlier one.
    size_t n = 0;
    for (size_t e = 0; e < K; e++) {
        if (n == k && !(l[e] > value[k - 1]))
            continue;
        size_t i = n < k ? n++ : k - 1;
        for (; i > 0 && l[e] > value[i - 1]; i--) {
            value[i] = value[i - 1];
            place[i] = place[i - 1];
        }
        value[i] = l[e];
        place[i] = (int)e;
    }
}

void qv__share(float *value, size_t k, float temperature)
{
    float max = value[0], sum = 0;
    for (size_t i = 0; i < k; i++) {
        value[i] = expf((value[i] - max) / temperature);
        sum += value[i];
    }
    for (size_t i = 0; i < k; i++)
        value[i] /= sum;
}

void qv__top_softmax(int *expert, float *weight, const float *l, size_t K, size_t k,
                     float temperature)
{
    qv__top(expert, weight, l, K, k);
    qv__share(weight, k, temperature);
}
