/* rand.c - how far two clusterings agree (Hubert and Arabie's adjusted index).
 *
 * Of all pairs of points, let a and b be how many each clustering puts together,
 * and `both` how many both do. By chance both would be a b / pairs, and it can be
 * (a + b) / 2 at most.
 */
#include "cluster/cluster.h"

double qv__adjusted_rand(const int *a, const int *b, size_t n)
{
    double in_a = 0, in_b = 0, both = 0, pairs = 0;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < i; j++) {
            bool same_a = a[i] == a[j], same_b = b[i] == b[j];
            in_a += same_a;
            in_b += same_b;
            both += same_a && same_b;
            pairs++;
        }
    double chance = pairs > 0 ? in_a * in_b / pairs : 0, most = (in_a + in_b) / 2;
    // Equal only if both put all apart or all together: the same partition.
    return most == chance ? 1 : (both - chance) / (most - chance);
}
