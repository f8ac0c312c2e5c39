/* order.c - in which order to draw a similarity matrix: cluster after cluster,
 * each time going on with the one most like what has just been placed.
 */
#include "cluster/cluster.h"

static void swap(size_t *a, size_t *b)
{
    size_t t = *a;
    *a = *b, *b = t;
}

/* The place, among order[placed..], of the next item. Within a cluster: the one
 * most similar to the last. Between clusters: the one most similar, on average,
 * to the cluster just finished, which began at place `begin`. */
static size_t next_place(const size_t *order, size_t begin, size_t placed, const float *sim,
                         const int *label, size_t n)
{
    size_t last = order[placed - 1], best = n;
    double best_like = 0;
    bool stays = false;
    for (size_t p = placed; p < n; p++)
        stays = stays || label[order[p]] == label[last];
    for (size_t p = placed; p < n; p++) {
        size_t i = order[p];
        if (stays && label[i] != label[last])
            continue;
        double like = 0;
        for (size_t q = stays ? placed - 1 : begin; q < placed; q++)
            like += sim[i * n + order[q]];
        if (best == n || like > best_like) {
            best = p;
            best_like = like;
        }
    }
    return best;
}

void qv__cluster_order(size_t *order, const float *sim, const int *label, size_t n)
{
    for (size_t i = 0; i < n; i++)
        order[i] = i;
    size_t begin = 0; // of the current cluster
    for (size_t placed = 1; placed < n; placed++) {
        swap(&order[placed], &order[next_place(order, begin, placed, sim, label, n)]);
        if (label[order[placed]] != label[order[placed - 1]])
            begin = placed;
    }
}
