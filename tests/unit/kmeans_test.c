/* kmeans_test.c - groups that are there are found, and none is empty. */
#include "cluster/cluster.h"

#include "base/rng.h"
#include "support/experts.h"
#include "support/near.h"

#include <math.h>
#include <stdlib.h>

/* Points 0, 1 and 10, 12 on a line: centres 0.5 and 11, inertia 0.5 + 2. */
static void two_groups_on_a_line_are_found(void **state)
{
    (void)state;
    const float x[] = {10, 0, 1, 12};
    int label[4];
    double inertia;
    assert_int_equal(qv__kmeans(label, &inertia, x, 4, 1, 2, 0, 1, NULL), QV_OK);
    assert_memory_equal(label, ((int[]){0, 1, 1, 0}), sizeof label);
    assert_true(fabs(inertia - 2.5) < 1e-12);
}

enum { BLOBS = 10, EACH = 12, DIM = 6 };

static void well_separated_groups_are_found_whatever_the_seed(void **state)
{
    (void)state;
    float *noise = normals(BLOBS * EACH * DIM, 1), *centre = normals(BLOBS * DIM, 2);
    int truth[BLOBS * EACH], label[BLOBS * EACH];
    for (size_t i = 0; i < BLOBS * EACH; i++) {
        truth[i] = (int)(i % BLOBS);
        for (size_t d = 0; d < DIM; d++)
            noise[i * DIM + d] = centre[i % BLOBS * DIM + d] + .05f * noise[i * DIM + d];
    }
    // One start is enough: its seeds are drawn far apart.
    for (uint64_t seed = 0; seed < 20; seed++) {
        assert_int_equal(
            qv__kmeans(label, NULL, noise, BLOBS * EACH, DIM, BLOBS, 1, seed, NULL), QV_OK);
        // Numbered by first appearance, the labels are the truth itself.
        assert_memory_equal(label, truth, sizeof label);
    }
    free(noise);
    free(centre);
}

static void the_same_seed_gives_the_same_clusters(void **state)
{
    (void)state;
    float *x = normals(60 * 3, 5);
    int a[60], b[60];
    double in_a, in_b;
    assert_int_equal(qv__kmeans(a, &in_a, x, 60, 3, 7, 1, 9, NULL), QV_OK);
    assert_int_equal(qv__kmeans(b, &in_b, x, 60, 3, 7, 1, 9, NULL), QV_OK);
    assert_memory_equal(a, b, sizeof a);
    assert_true(in_a == in_b);
    free(x);
}

static void restarts_never_make_it_worse(void **state)
{
    (void)state;
    float *x = normals(80 * 4, 6);
    int label[80];
    double one, ten;
    for (uint64_t seed = 0; seed < 10; seed++) {
        assert_int_equal(qv__kmeans(label, &one, x, 80, 4, 9, 1, seed, NULL), QV_OK);
        assert_int_equal(qv__kmeans(label, &ten, x, 80, 4, 9, 10, seed, NULL), QV_OK);
        assert_true(ten <= one);
    }
    free(x);
}

/* The inertia of a labelling, by its definition. */
static double inertia_of(const int *label, const float *x, size_t n, size_t dim, size_t k)
{
    double sum = 0;
    for (size_t c = 0; c < k; c++)
        for (size_t d = 0; d < dim; d++) {
            double mean = 0, size = 0;
            for (size_t i = 0; i < n; i++)
                if (label[i] == (int)c) {
                    mean += x[i * dim + d];
                    size++;
                }
            for (size_t i = 0; i < n; i++)
                if (label[i] == (int)c)
                    sum += pow(x[i * dim + d] - mean / size, 2);
        }
    return sum;
}

static void the_inertia_is_that_of_the_labels(void **state)
{
    (void)state;
    float *x = normals(50 * 3, 8);
    int label[50];
    double inertia;
    assert_int_equal(qv__kmeans(label, &inertia, x, 50, 3, 6, 0, 3, NULL), QV_OK);
    assert_true(fabs(inertia - inertia_of(label, x, 50, 3, 6)) < 1e-9 * inertia);
    free(x);
}

static void no_cluster_is_empty_even_among_equal_points(void **state)
{
    (void)state;
    float x[7] = {0};
    x[6] = 1;
    for (size_t k = 1; k <= 7; k++) {
        int label[7], size[7] = {0};
        assert_int_equal(qv__kmeans(label, NULL, x, 7, 1, k, 2, 1, NULL), QV_OK);
        for (size_t i = 0; i < 7; i++)
            size[label[i]]++;
        for (size_t c = 0; c < 7; c++)
            assert_int_equal(size[c] > 0, c < k);
    }
}

static void as_many_clusters_as_points_are_the_points(void **state)
{
    (void)state;
    const float x[] = {3, 1, 4, 1.5f, 9};
    int label[5];
    double inertia;
    assert_int_equal(qv__kmeans(label, &inertia, x, 5, 1, 5, 0, 1, NULL), QV_OK);
    assert_memory_equal(label, ((int[]){0, 1, 2, 3, 4}), sizeof label);
    assert_true(inertia == 0);
}

static void clusterings_that_cannot_be_are_refused(void **state)
{
    (void)state;
    const float x[] = {1, 2, 3};
    int label[3];
    qv_err err = {0};
    assert_int_equal(qv__kmeans(label, NULL, x, 3, 1, 4, 0, 1, &err), QV_EFORMAT);
    assert_string_equal(err.msg, "4 clusters cannot be made of 3 experts");
    assert_int_equal(qv__kmeans(label, NULL, x, 3, 1, 0, 0, 1, &err), QV_EFORMAT);
    assert_string_equal(err.msg, "0 clusters cannot be made of 3 experts");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_groups_on_a_line_are_found),
        cmocka_unit_test(well_separated_groups_are_found_whatever_the_seed),
        cmocka_unit_test(the_same_seed_gives_the_same_clusters),
        cmocka_unit_test(restarts_never_make_it_worse),
        cmocka_unit_test(the_inertia_is_that_of_the_labels),
        cmocka_unit_test(no_cluster_is_empty_even_among_equal_points),
        cmocka_unit_test(as_many_clusters_as_points_are_the_points),
        cmocka_unit_test(clusterings_that_cannot_be_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
