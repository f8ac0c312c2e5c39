/* base_test.c - errors, arenas, carving, files, hashes, JSON, random numbers. */
#include "support/scratch.h"

#include "base/arena.h"
#include "base/carve.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/rng.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void a_failure_is_a_code_and_a_sentence(void **state)
{
    (void)state;
    qv_err err = {0};
    assert_int_equal(qv_fail(&err, QV_ELIMIT, "top-%d of %d experts", 4, 3), QV_ELIMIT);
    assert_int_equal(err.code, QV_ELIMIT);
    assert_string_equal(err.msg, "top-4 of 3 experts");
    assert_int_equal(qv_fail(NULL, QV_EIO, "nobody asks"), QV_EIO);
}

static void context_is_put_in_front(void **state)
{
    (void)state;
    qv_err err = {0};
    qv_fail(&err, QV_EFORMAT, "bad shape");
    assert_int_equal(qv_wrap(&err, QV_EFORMAT, "expert '%s': ", "law"), QV_EFORMAT);
    assert_string_equal(err.msg, "expert 'law': bad shape");
    assert_int_equal(qv_wrap(NULL, QV_EIO, "nobody asks"), QV_EIO);
}

static void a_sentence_too_long_is_cut_and_terminated(void **state)
{
    (void)state;
    qv_err err = {0};
    qv_fail(&err, QV_EIO, "%600s", "x");
    assert_int_equal(strlen(err.msg), sizeof err.msg - 1);
    qv_wrap(&err, QV_EIO, "%600s", "y");
    assert_int_equal(strlen(err.msg), sizeof err.msg - 1);
}

static void of_failures_in_parallel_the_first_items_is_told(void **state)
{
    (void)state;
    struct qv_first f = {0};
    qv_err err = {.code = QV_OK};
    assert_int_equal(qv__first_tell(&f, &err), QV_OK);
#pragma omp parallel for schedule(dynamic, 1)
    for (size_t i = 0; i < 100; i++) {
        qv_err own;
        if (i % 10 == 7 && qv_fail(&own, QV_EIO, "item %zu", i))
            qv__first_note(&f, i, &own);
    }
    assert_fails(qv__first_tell(&f, &err), QV_EIO, &err, "item 7");
    assert_int_equal(qv__first_tell(&f, NULL), QV_EIO);
}

static void an_arena_gives_zeroed_aligned_memory_of_any_size(void **state)
{
    (void)state;
    qv_arena a = {0};
    for (size_t i = 1; i < 200; i++) {
        unsigned char *bytes = qv_new_n(&a, unsigned char, i *i);
        for (size_t k = 0; k < i * i; k++)
            assert_int_equal(bytes[k], 0);
        memset(bytes, 0xff, i * i);
        long double *wide = qv_new(&a, long double);
        assert_int_equal((uintptr_t)wide % _Alignof(long double), 0);
    }
    qv__arena_free(&a);
    assert_string_equal(qv__arena_str(&a, "usable again"), "usable again");
    assert_string_equal(qv__arena_strn(&a, "again", 3), "aga");
    assert_string_equal(qv__arena_fmt(&a, "%s %d", "layer", 7), "layer 7");
    qv__arena_free(&a);
}

static void a_list_in_an_arena_keeps_what_it_has_as_it_grows(void **state)
{
    (void)state;
    qv_arena a = {0};
    size_t *x = NULL, room = 0;
    for (size_t n = 0; n < 1000; n++) {
        x = qv_more(&a, size_t, x, n, &room);
        assert_true(n < room && room <= 1024);
        x[n] = n;
    }
    for (size_t i = 0; i < 1000; i++)
        assert_int_equal(x[i], i);
    qv__arena_free(&a);
}

static void measuring_and_carving_agree(void **state)
{
    (void)state;
    qv_carve measure = {0};
    assert_null(qv__carve_f32(&measure, 3, 5));
    assert_null(qv__carve(&measure, 2, 2, 2, sizeof(double)));
    assert_int_equal(measure.used, 128);

    char *memory = qv__carve_alloc(&measure);
    assert_non_null(memory);
    qv_carve carve = {.base = memory};
    assert_ptr_equal(qv__carve_f32(&carve, 3, 5), memory);
    assert_ptr_equal(qv__carve(&carve, 2, 2, 2, sizeof(double)), memory + 64);
    assert_int_equal(carve.used, measure.used);
    free(memory);
}

/* Twice, because the C library hands large memory back to the system the first time. */
static void carved_memory_is_zero_whoever_had_it_before(void **state)
{
    (void)state;
    const size_t sizes[] = {64, 64 * 1000, (16 << 20) + 64 * 7, (17 << 20) - 64};
    for (size_t i = 0; i < 2 * QV_COUNT(sizes); i++) {
        const size_t bytes = sizes[i / 2];
        char *memory = malloc(bytes);
        assert_non_null(memory);
        memset(memory, 1, bytes);
        free(memory);
        memory = qv__carve_alloc(&(qv_carve){.used = bytes});
        assert_non_null(memory);
        for (size_t j = 0; j < bytes; j++)
            if (memory[j])
                fail_msg("byte %zu of %zu", j, bytes);
        memset(memory, 1, bytes);
        free(memory);
    }
}

static void a_layout_that_overflows_gives_no_memory(void **state)
{
    (void)state;
    qv_carve c = {0};
    qv__carve(&c, SIZE_MAX / 2, 3, 1, 4);
    assert_int_equal(c.used, SIZE_MAX);
    qv__carve(&c, 1, 1, 1, 1);
    assert_int_equal(c.used, SIZE_MAX);
    assert_null(qv__carve_alloc(&c));
}

static void a_written_file_is_whole_and_leaves_nothing_beside_it(void **state)
{
    qv_err err = {0};
    const char *path = scratch_path(state, "a.json");
    assert_works(qv__write_file(path, "first", 5, &err), &err);
    assert_works(qv__write_file(path, "second", 6, &err), &err);
    assert_file_holds(path, "second");

    qv_arena a = {0};
    char **names;
    size_t n;
    assert_works(qv__list_dir(&names, &n, &a, *state, &err), &err);
    assert_int_equal(n, 1);
    assert_string_equal(names[0], "a.json");
    qv__arena_free(&a);
}

static void an_abandoned_file_never_shows(void **state)
{
    qv_err err = {0};
    const char *path = scratch_path(state, "a");
    write_text(path, "old");
    struct qv_out out;
    assert_works(qv__out_open(&out, path, &err), &err);
    assert_works(qv__out_write(&out, "new", 3, &err), &err);
    assert_file_holds(path, "old");
    qv__out_abandon(&out);
    qv__out_abandon(&out);
    assert_file_holds(path, "old");
    qv__out_abandon(&(struct qv_out){0});
}

static void a_file_cannot_replace_a_directory(void **state)
{
    qv_err err = {0};
    const char *path = scratch_path(state, "dir");
    assert_works(qv__make_dir(path, &err), &err);
    assert_fails(qv__write_file(path, "x", 1, &err), QV_EIO, &err, path);
    assert_true(qv__is_dir(path));
}

static void reading_says_what_is_wrong_with_the_file(void **state)
{
    qv_err err = {0};
    qv_arena a = {0};
    struct qv_map map;
    char *text;
    size_t size;
    const char *path = scratch_path(state, "ten");
    write_text(path, "0123456789");

    assert_fails(qv__map(&map, scratch_path(state, "none"), &err), QV_ENOTFOUND, &err,
                 "none: No such file");
    assert_fails(qv__map(&map, *state, &err), QV_EIO, &err, "not a regular file");
    assert_fails(qv__read_file(&text, &size, &a, path, 9, &err), QV_ELIMIT, &err,
                 "10 bytes, more than the limit of 9");
    assert_works(qv__read_file(&text, &size, &a, path, 10, &err), &err);
    assert_int_equal(size, 10);
    assert_string_equal(text, "0123456789");
    qv__arena_free(&a);
}

static void an_empty_file_can_be_mapped(void **state)
{
    qv_err err = {0};
    struct qv_map map;
    const char *path = scratch_path(state, "empty");
    write_text(path, "");
    assert_works(qv__map(&map, path, &err), &err);
    assert_int_equal(map.size, 0);
    qv__unmap(&map);
}

static void directories_are_made_with_their_parents_and_removed_whole(void **state)
{
    qv_err err = {0};
    const char *deep = scratch_path(state, "a/b/c");
    assert_works(qv__make_dir(deep, &err), &err);
    assert_works(qv__make_dir(deep, &err), &err);
    write_text(scratch_path(state, "a/b/c/file"), "x");
    assert_true(qv__is_file(scratch_path(state, "a/b/c/file")));
    assert_false(qv__is_file(deep));
    assert_fails(qv__make_dir(scratch_path(state, "a/b/c/file"), &err), QV_EIO, &err,
                 "not a directory");
    assert_fails(qv__make_dir("", &err), QV_ENOTFOUND, &err, "empty");

    assert_works(qv__remove_tree(scratch_path(state, "a"), &err), &err);
    assert_false(qv__is_dir(scratch_path(state, "a")));
    assert_works(qv__remove_tree(scratch_path(state, "a"), &err), &err);
}

static void a_listing_is_sorted_bytewise(void **state)
{
    static const char *const made[] = {"b", "B", "a10", "a2", "_", "\xc3\xa9"};
    static const char *const sorted[] = {"B", "_", "a10", "a2", "b", "\xc3\xa9"};
    for (size_t i = 0; i < QV_COUNT(made); i++)
        write_text(scratch_path(state, made[i]), "");
    qv_err err = {0};
    qv_arena a = {0};
    char **names;
    size_t n;
    assert_works(qv__list_dir(&names, &n, &a, *state, &err), &err);
    assert_int_equal(n, QV_COUNT(sorted));
    for (size_t i = 0; i < n; i++)
        assert_string_equal(names[i], sorted[i]);
    qv__arena_free(&a);
    assert_fails(qv__list_dir(&names, &n, &a, scratch_path(state, "no"), &err),
                 QV_ENOTFOUND, &err, "no: ");
}

static void a_name_is_what_follows_the_last_slash(void **state)
{
    (void)state;
    qv_arena a = {0};
    assert_string_equal(qv__base_name("tasks/sums.jsonl"), "sums.jsonl");
    assert_string_equal(qv__base_name("sums"), "sums");
    assert_string_equal(qv__stem(&a, "tasks.d/sums.v2.jsonl"), "sums.v2");
    assert_string_equal(qv__stem(&a, "tasks.d/sums"), "sums");
    assert_string_equal(qv__stem(&a, ".hidden"), ".hidden");
    qv__arena_free(&a);
}

/* FIPS 180-2, appendix B. */
static void the_content_hash_is_sha_256(void **state)
{
    (void)state;
    char hex[QV_HASH_TEXT];
    const char *want = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    qv__hash_bytes(hex, "abc", 3);
    assert_string_equal(hex, want);
    qv__hash_bytes(hex, "", 0);
    assert_string_equal(hex,
                        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

static void bad_json_is_refused_with_its_place(void **state)
{
    static const struct {
        const char *json, *says;
    } lie[] = {
        {"", "line 1, column 0"},
        {"{\"a\":1,\n\"a\":2}", "line 2, column 3: duplicate object key"},
        {"[1,]", "line 1"},
        {"[1] x", "end of file expected"},
        {"\"\xff\"", "unable to decode byte 0xff"},
    };
    (void)state;
    for (size_t i = 0; i < QV_COUNT(lie); i++) {
        json_t *v;
        qv_err err = {0};
        assert_fails(qv__json_parse(&v, lie[i].json, strlen(lie[i].json), &err), QV_EFORMAT,
                     &err, lie[i].says);
        assert_null(v);
    }
}

static void json_files_are_written_sorted_and_read_back(void **state)
{
    qv_err err = {0};
    const char *path = scratch_path(state, "v.json");
    json_t *v = json_pack("{s:i,s:[f]}", "b", 2, "a", 0.1);
    assert_works(qv__json_write(v, path, &err), &err);
    json_decref(v);
    assert_file_holds(path, "{\n  \"a\": [\n    0.1\n  ],\n  \"b\": 2\n}\n");
    assert_works(qv__json_read(&v, path, 1000, &err), &err);
    assert_int_equal(json_integer_value(json_object_get(v, "b")), 2);
    json_decref(v);
    assert_fails(qv__json_read(&v, path, 5, &err), QV_ELIMIT, &err, "limit of 5");
    write_text(path, "{");
    assert_fails(qv__json_read(&v, path, 5, &err), QV_EFORMAT, &err, "v.json: not JSON: ");
    assert_fails(qv__json_read(&v, scratch_path(state, "no"), 5, &err), QV_ENOTFOUND, &err,
                 "no: ");
}

static void typed_reads_accept_absence_and_name_the_key_otherwise(void **state)
{
    (void)state;
    qv_err err = {0};
    json_t *o =
        json_pack("{s:n,s:i,s:f,s:b,s:s}", "null", "n", -3, "f", 1.5, "b", 1, "s", "x");
    size_t n = 7;
    float f = 7;
    bool b = false;
    const char *s = "kept";
    assert_works(qv__json_size(o, "absent", &n, &err), &err);
    assert_works(qv__json_size(o, "null", &n, &err), &err);
    assert_works(qv__json_str(o, "null", &s, &err), &err);
    assert_int_equal(n, 7);
    assert_string_equal(s, "kept");
    assert_works(qv__json_float(o, "n", &f, &err), &err);
    assert_true(f == -3);
    assert_works(qv__json_float(o, "f", &f, &err), &err);
    assert_true(f == 1.5f);
    assert_works(qv__json_bool(o, "b", &b, &err), &err);
    assert_true(b);
    assert_works(qv__json_str(o, "s", &s, &err), &err);
    assert_string_equal(s, "x");
    assert_fails(qv__json_size(o, "n", &n, &err), QV_EFORMAT, &err,
                 "'n' is not a whole number");
    assert_fails(qv__json_size(o, "f", &n, &err), QV_EFORMAT, &err,
                 "'f' is not a whole number");
    assert_fails(qv__json_float(o, "s", &f, &err), QV_EFORMAT, &err, "'s' is not a number");
    assert_fails(qv__json_bool(o, "n", &b, &err), QV_EFORMAT, &err,
                 "'n' is neither true nor");
    assert_fails(qv__json_str(o, "n", &s, &err), QV_EFORMAT, &err, "'n' is not a string");
    json_decref(o);
}

/* The published first outputs of splitmix64 seeded with 1234567. */
static void random_bits_are_splitmix64_by_position(void **state)
{
    (void)state;
    assert_true(qv__bits(1234567, 0) == UINT64_C(6457827717110365317));
    assert_true(qv__bits(1234567, 1) == UINT64_C(3203168211198807973));
    assert_true(qv__bits(1234567, 2) == UINT64_C(9817491932198370423));
}

static void streams_differ_by_number_and_by_name(void **state)
{
    (void)state;
    assert_true(qv__seed_of(1, 0) != qv__seed_of(1, 1));
    assert_true(qv__seed_of(1, 0) != qv__seed_of(2, 0));
    assert_true(qv__seed_named(1, "dropout") != qv__seed_named(1, "shuffle"));
    assert_true(qv__seed_named(1, "dropout") == qv__seed_named(1, "dropout"));
}

/* 100,000 draws: the bounds are five standard errors of the mean or variance. */
static void uniform_and_normal_draws_have_their_moments(void **state)
{
    (void)state;
    enum { N = 100000 };
    double sum = 0, normal = 0, squares = 0;
    for (uint64_t i = 0; i < N; i++) {
        float u = qv__uniform(3, i);
        assert_true(u >= 0 && u < 1);
        double z = (double)qv__normal(4, i);
        assert_true(isfinite(z));
        sum += (double)u;
        normal += z;
        squares += z * z;
    }
    assert_true(fabs(sum / N - 0.5) < 5 * 0.2887 / sqrt(N));
    assert_true(fabs(normal / N) < 5 / sqrt(N));
    assert_true(fabs(squares / N - 1) < 5 * sqrt(2.0 / N));
}

static void draws_below_n_reach_every_number_and_no_other(void **state)
{
    (void)state;
    size_t seen[7] = {0};
    for (uint64_t i = 0; i < 7000; i++) {
        size_t k = qv__below(5, i, 7);
        assert_in_range(k, 0, 6);
        seen[k]++;
    }
    for (size_t k = 0; k < 7; k++)
        assert_in_range(seen[k], 800, 1200);
    assert_int_equal(qv__below(5, 0, 1), 0);
}

static void a_shuffle_is_a_permutation_that_the_seed_decides(void **state)
{
    (void)state;
    enum { N = 50 };
    size_t a[N], b[N], c[N], seen[N] = {0};
    qv__shuffle(a, N, 1);
    qv__shuffle(b, N, 1);
    qv__shuffle(c, N, 2);
    assert_memory_equal(a, b, sizeof a);
    assert_memory_not_equal(a, c, sizeof a);
    for (size_t i = 0; i < N; i++)
        seen[a[i]]++;
    for (size_t i = 0; i < N; i++)
        assert_int_equal(seen[i], 1);
}

#define with_scratch(test)                                                                 \
    cmocka_unit_test_setup_teardown(test, make_scratch, remove_scratch)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failure_is_a_code_and_a_sentence),
        cmocka_unit_test(context_is_put_in_front),
        cmocka_unit_test(a_sentence_too_long_is_cut_and_terminated),
        cmocka_unit_test(of_failures_in_parallel_the_first_items_is_told),
        cmocka_unit_test(an_arena_gives_zeroed_aligned_memory_of_any_size),
        cmocka_unit_test(a_list_in_an_arena_keeps_what_it_has_as_it_grows),
        cmocka_unit_test(measuring_and_carving_agree),
        cmocka_unit_test(carved_memory_is_zero_whoever_had_it_before),
        cmocka_unit_test(a_layout_that_overflows_gives_no_memory),
        with_scratch(a_written_file_is_whole_and_leaves_nothing_beside_it),
        with_scratch(an_abandoned_file_never_shows),
        with_scratch(a_file_cannot_replace_a_directory),
        with_scratch(reading_says_what_is_wrong_with_the_file),
        with_scratch(an_empty_file_can_be_mapped),
        with_scratch(directories_are_made_with_their_parents_and_removed_whole),
        with_scratch(a_listing_is_sorted_bytewise),
        cmocka_unit_test(a_name_is_what_follows_the_last_slash),
        with_scratch(the_content_hash_is_sha_256),
        cmocka_unit_test(bad_json_is_refused_with_its_place),
        with_scratch(json_files_are_written_sorted_and_read_back),
        cmocka_unit_test(typed_reads_accept_absence_and_name_the_key_otherwise),
        cmocka_unit_test(random_bits_are_splitmix64_by_position),
        cmocka_unit_test(streams_differ_by_number_and_by_name),
        cmocka_unit_test(uniform_and_normal_draws_have_their_moments),
        cmocka_unit_test(draws_below_n_reach_every_number_and_no_other),
        cmocka_unit_test(a_shuffle_is_a_permutation_that_the_seed_decides),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
