/* uniform.c - every expert the same weight: the paper's mu. */
#include "route/routers.h"

static void uniform_weigh(float *w, size_t K, size_t own)
{
    (void)own;
    for (size_t k = 0; k < K; k++)
        w[k] = 1 / (float)K;
}

const struct qv_router_ops qv__uniform = {
    .name = "uniform",
    .about = "all experts alike: the average of the library",
    .weigh = uniform_weigh,
};
