/* Where training sequences come from: epochs that visit all, in orders that follow
 * from the seed alone.
 */
#include "train/source.h"
#include "support/scratch.h"

#include <string.h>

enum { N = 23, BATCH = 4, STEPS = 6 }; // the last step of an epoch has 3

static int ids[N][3];
static struct qv_sequence all[N];

static int make_sequences(void **state)
{
    (void)state;
    for (int i = 0; i < N; i++) {
        for (int j = 0; j < 3; j++)
            ids[i][j] = i * 3 + j;
        all[i] = (struct qv_sequence){.ids = ids[i], .n = i == 7 ? 2 : 3, .n_prompt = 1};
    }
    return 0;
}

static struct qv_source begun(size_t n, size_t batch, uint64_t seed)
{
    struct qv_source s;
    qv_err err = {0};
    assert_works(qv__source_init(&s, all, n, batch, seed, &err), &err);
    return s;
}

static void each_epoch_visits_each_sequence_once_in_an_order_of_its_own(void **state)
{
    (void)state;
    struct qv_source s = begun(N, BATCH, 1);
    size_t order[5][N];
    assert_int_equal(s.steps_per_epoch, STEPS);
    assert_int_equal(s.longest, 3);
    for (size_t epoch = 0; epoch < 5; epoch++) {
        size_t count[N] = {0}, at = 0;
        for (size_t i = 0; i < STEPS; i++) {
            const struct qv_sequence *batch[BATCH];
            size_t n = qv__source_draw(&s, epoch * STEPS + i, batch);
            assert_int_equal(n, i + 1 < STEPS ? BATCH : N - BATCH * (STEPS - 1));
            for (size_t j = 0; j < n; j++) {
                order[epoch][at] = (size_t)(batch[j] - all);
                count[order[epoch][at++]]++;
            }
        }
        for (size_t i = 0; i < N; i++)
            assert_int_equal(count[i], 1);
        for (size_t before = 0; before < epoch; before++)
            assert_memory_not_equal(order[epoch], order[before], sizeof order[0]);
    }
    qv__source_end(&s);
}

static void a_draw_follows_from_seed_and_step_alone(void **state)
{
    (void)state;
    struct qv_source forward = begun(N, BATCH, 5), jumping = begun(N, BATCH, 5),
                     other = begun(N, BATCH, 6);
    size_t differs = 0;
    const struct qv_sequence *a[BATCH], *b[BATCH];
    for (size_t step = 0; step < 4 * STEPS; step++) {
        size_t n = qv__source_draw(&forward, step, a);
        qv__source_draw(&jumping, step * 7 % 50, b); // wherever it was before
        assert_int_equal(qv__source_draw(&jumping, step, b), n);
        assert_memory_equal(a, b, n * sizeof *a);
        assert_int_equal(qv__source_draw(&other, step, b), n);
        differs += memcmp(a, b, n * sizeof *a) != 0;
    }
    assert_true(differs > 3 * STEPS);
    qv__source_end(&forward);
    qv__source_end(&jumping);
    qv__source_end(&other);
}

static void fingerprints_tell_data_batches_and_seeds_apart(void **state)
{
    (void)state;
    struct qv_source s[8];
    s[0] = begun(N, BATCH, 1);
    s[1] = begun(N, BATCH + 1, 1);
    s[2] = begun(N, BATCH, 2);
    s[3] = begun(N - 1, BATCH, 1);
    ids[4][1]++;
    s[4] = begun(N, BATCH, 1);
    ids[4][1]--;
    all[5].n_prompt++;
    s[5] = begun(N, BATCH, 1);
    all[5].n_prompt--;
    struct qv_sequence swapped = all[0];
    all[0] = all[1], all[1] = swapped;
    s[6] = begun(N, BATCH, 1);
    all[1] = all[0], all[0] = swapped;
    s[7] = begun(N, BATCH, 1); // all as it was
    assert_string_equal(s[7].fingerprint, s[0].fingerprint);
    for (size_t i = 0; i < 7; i++)
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(s[i].fingerprint, s[j].fingerprint);
    for (size_t i = 0; i < 8; i++)
        qv__source_end(&s[i]);
}

static void nothing_to_train_on_is_refused(void **state)
{
    (void)state;
    struct qv_source s;
    qv_err err = {0};
    assert_fails(qv__source_init(&s, all, 0, BATCH, 1, &err), QV_EFORMAT, &err,
                 "no examples to train on");
    qv__source_end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_epoch_visits_each_sequence_once_in_an_order_of_its_own),
        cmocka_unit_test(a_draw_follows_from_seed_and_step_alone),
        cmocka_unit_test(fingerprints_tell_data_batches_and_seeds_apart),
        cmocka_unit_test(nothing_to_train_on_is_refused),
    };
    return cmocka_run_group_tests(tests, make_sequences, NULL);
}
