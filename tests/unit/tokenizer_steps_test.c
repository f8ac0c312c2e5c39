/* The steps of a tokenizer one by one: normal forms, cutting, the byte alphabet,
 * SentencePiece's character map, and merging against a slow twin. */
#include "text/tokenizer.h"
#include "text/bytes.h"
#include "text/utf8.h"

#include "support/scratch.h"

#include <stdio.h>
#include <string.h>

/* ---- the byte alphabet ---- */

static void every_byte_has_a_character_of_its_own(void **state)
{
    (void)state;
    for (int b = 0; b < 256; b++)
        assert_int_equal(qv__char_to_byte(qv__byte_to_char((unsigned char)b)), b);
    for (uint32_t c = 0x144; c < 0x300; c++)
        assert_int_equal(qv__char_to_byte(c), -1);
    // From GPT-2's encoder.py.
    assert_int_equal(qv__byte_to_char('\n'), 0x10a);
    assert_int_equal(qv__byte_to_char(' '), 0x120);
    assert_int_equal(qv__byte_to_char(0x7f), 0x121);
    assert_int_equal(qv__byte_to_char(0xa0), 0x142);
    assert_int_equal(qv__byte_to_char(0xad), 0x143);
    assert_int_equal(qv__byte_to_char('~'), '~');
    assert_int_equal(qv__byte_to_char(0xff), 0xff);
}

static void what_is_not_of_the_alphabet_is_left_as_it_is(void **state)
{
    (void)state;
    struct qv__str s = {0};
    qv__bytes_read(&s, "a\u0120\u00e9", 5);
    qv__bytes_read(&s, "a b", 3);
    qv__bytes_read(&s, "\u0120\xff", 3);
    assert_int_equal(s.size, 3 + 3 + 3);
    assert_memory_equal(s.bytes,
                        "a \xe9"
                        "a b"
                        "\xc4\xa0\xff",
                        9);
    qv__str_free(&s);
}

/* ---- UTF-8 ---- */

static void only_well_formed_characters_are_valid(void **state)
{
    static const struct {
        const char *bytes;
        size_t n, valid;
    } c[] = {
        {"", 0, 0},
        {"a", 1, 1},
        {"\0", 1, 1},
        {"\xc3\xa9", 2, 2},
        {"\xc3", 1, 0},
        {"\xc3z", 2, 0},
        {"\xc0\x80", 2, 0},
        {"\xc1\xbf", 2, 0},
        {"\x80", 1, 0},
        {"\xe2\x82\xac", 3, 3},
        {"\xe2\x82", 2, 0},
        {"\xe0\x9f\xbf", 3, 0},
        {"\xe0\xa0\x80", 3, 3},
        {"\xed\x9f\xbf", 3, 3},
        {"\xed\xa0\x80", 3, 0},
        {"\xf0\x9f\x98\x80", 4, 4},
        {"\xf0\x8f\xbf\xbf", 4, 0},
        {"\xf4\x8f\xbf\xbf", 4, 4},
        {"\xf4\x90\x80\x80", 4, 0},
        {"\xf5\x80\x80\x80", 4, 0},
        {"\xff", 1, 0},
    };
    (void)state;
    for (size_t i = 0; i < QV_COUNT(c); i++) {
        assert_int_equal(qv__utf8_valid(c[i].bytes, c[i].n), c[i].valid);
        char back[4];
        if (c[i].valid) {
            assert_int_equal(qv__utf8_write(back, qv__utf8_read(c[i].bytes)), c[i].valid);
            assert_memory_equal(back, c[i].bytes, c[i].valid);
        }
    }
}

/* ---- normalizers ---- */

static void assert_norm(const struct qv__norm *norm, const char *text, const char *want)
{
    struct qv__str s = {0}, scratch = {0};
    qv_err err;
    qv__str_add(&s, text, strlen(text));
    assert_works(qv__normalize(norm, 1, &s, &scratch, false, &err), &err);
    qv__str_add(&s, "", 1);
    assert_string_equal(s.bytes, want);
    qv__str_free(&s);
    qv__str_free(&scratch);
}

static void normal_forms_are_unicodes(void **state)
{
    (void)state;
    // U+00E9 is e and U+0301; the ligature U+FB01 is only compatible with "fi".
    assert_norm(&(struct qv__norm){.kind = QV__NORM_NFC}, "xe\u0301\ufb01",
                "x\u00e9\ufb01");
    assert_norm(&(struct qv__norm){.kind = QV__NORM_NFD}, "\u00e9\ufb01", "e\u0301\ufb01");
    assert_norm(&(struct qv__norm){.kind = QV__NORM_NFKC}, "e\u0301\ufb01", "\u00e9fi");
    assert_norm(&(struct qv__norm){.kind = QV__NORM_NFKD}, "\u00e9\ufb01", "e\u0301fi");
    // Marks are put in the order of their classes: 220 below, then 230 above.
    assert_norm(&(struct qv__norm){.kind = QV__NORM_NFD}, "q\u0307\u0323", "q\u0323\u0307");
    // Hangul syllables are composed by arithmetic.
    assert_norm(&(struct qv__norm){.kind = QV__NORM_NFC}, "\u1112\u1161\u11ab", "\ud55c");
}

static void lower_case_is_full(void **state)
{
    (void)state;
    assert_norm(&(struct qv__norm){.kind = QV__NORM_LOWER}, "A\u00c9\u0130\u0416z",
                "a\u00e9i\u0307\u0436z");
}

static void stripping_takes_white_space_from_the_sides_asked_for(void **state)
{
    (void)state;
    assert_norm(&(struct qv__norm){.kind = QV__NORM_STRIP, .left = true, .right = true},
                "\u3000 a b\t\n", "a b");
    assert_norm(&(struct qv__norm){.kind = QV__NORM_STRIP, .left = true}, " a ", "a ");
    assert_norm(&(struct qv__norm){.kind = QV__NORM_STRIP, .right = true}, " a ", " a");
    assert_norm(&(struct qv__norm){.kind = QV__NORM_STRIP, .left = true, .right = true},
                " \n", "");
}

static void a_replacement_is_made_at_every_match(void **state)
{
    (void)state;
    struct qv__norm r = {.kind = QV__NORM_REPLACE, .text = "-"};
    qv_err err;
    assert_works(qv__pattern_regex(&r.pattern, "\\s+|\\d", &err), &err);
    assert_norm(&r, "a  b12\u3000c", "a-b---c");
    qv__pattern_end(&r.pattern);
    assert_works(qv__pattern_literal(&r.pattern, "aa", &err), &err);
    assert_norm(&r, "aaaab a", "--b a");
}

static void the_spaces_of_sentencepiece_follow_its_normalizer_spec(void **state)
{
    (void)state;
    struct qv__added_set none = {0};
    struct qv__norm n = {.kind = QV__NORM_SPM, .spm = {.symbols = &none}};
    n.spm.escape_whitespaces = true;
    assert_norm(&n, " a  b ", "\u2581a\u2581\u2581b\u2581");
    n.spm.add_dummy_prefix = true;
    assert_norm(&n, " a  b ", "\u2581\u2581a\u2581\u2581b\u2581");
    n.spm.remove_extra_whitespaces = true;
    assert_norm(&n, " a  b ", "\u2581a\u2581b");
    assert_norm(&n, "   ", "");
    n.spm.escape_whitespaces = false;
    assert_norm(&n, " a  b ", " a b");
}

/* ---- the character map ---- */

static void put_u32(char *to, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        to[i] = (char)(v >> 8 * i);
}

/* A map of one entry, "A" to "bc": the root's children at 256, the value of the
 * child for 'A' at its own place xor 1. */
static void the_longest_string_of_a_character_map_is_replaced(void **state)
{
    (void)state;
    enum { UNITS = 512, SIZE = 4 + 4 * UNITS + 4 };
    char blob[SIZE] = {0};
    const char *to;
    struct qv__charsmap m;
    qv_arena a = {0};
    qv_err err;
    put_u32(blob, 4 * UNITS);
    put_u32(blob + 4, 256u << 10);
    put_u32(blob + 4 + 4 * (256 ^ 'A'), 'A' | 0x100 | 1u << 10);
    put_u32(blob + 4 + 4 * (256 ^ 'A' ^ 1), 0x80000000u);
    memcpy(blob + 4 + 4 * UNITS, "bc", 3);
    assert_works(qv__charsmap_read(&m, &a, blob, SIZE, &err), &err);
    assert_int_equal(qv__charsmap_longest(&m, "AB", 2, &to), 1);
    assert_string_equal(to, "bc");
    assert_int_equal(qv__charsmap_longest(&m, "BA", 2, &to), 0);

    struct qv__added_set none = {0};
    struct qv__norm n = {.kind = QV__NORM_SPM, .spm = {.symbols = &none, .map = m}};
    assert_norm(&n, "xAyA", "xbcybc");
    qv__arena_free(&a);
}

static void a_character_map_whose_lengths_disagree_is_refused(void **state)
{
    (void)state;
    struct qv__charsmap m;
    qv_arena a = {0};
    qv_err err;
    assert_fails(qv__charsmap_read(&m, &a, "\x08\0\0\0\1\1\1\1", 8, &err), QV_EFORMAT, &err,
                 "precompiled_charsmap: a trie of 8 bytes in a blob of 8");
    assert_fails(qv__charsmap_read(&m, &a, "\x04\0\0\0\0\0\0\0\xff", 9, &err), QV_EFORMAT,
                 &err, "precompiled_charsmap: replacements are not UTF-8 at byte 0");
    qv__arena_free(&a);
}

/* ---- cutting ---- */

/* The pieces of `text`, put together with '|'. */
static void assert_cut(const struct qv__cut *cut, size_t n, const char *text,
                       struct qv__place place, const char *want)
{
    struct qv__pieces p = {0}, scratch = {0};
    char got[256] = "";
    size_t used = 0;
    qv_err err;
    assert_works(qv__pretokenize(&p, &scratch, cut, n, text, strlen(text), place, &err),
                 &err);
    for (size_t i = 0; i < p.n; i++)
        used += (size_t)snprintf(got + used, sizeof got - used, i ? "|%.*s" : "%.*s",
                                 (int)p.span[i].n, qv__piece(&p, i));
    assert_string_equal(got, want);
    qv__pieces_free(&p);
    qv__pieces_free(&scratch);
}

static void a_split_does_with_matches_what_its_behavior_says(void **state)
{
    (void)state;
    // The example of the documentation of tokenizers.
    static const char *const want[] = {
        [QV__REMOVED] = "the|final|countdown",
        [QV__ISOLATED] = "the|-|final|-|-|countdown",
        [QV__MERGED_WITH_PREVIOUS] = "the-|final-|-|countdown",
        [QV__MERGED_WITH_NEXT] = "the|-final|-|-countdown",
        [QV__CONTIGUOUS] = "the|-|final|--|countdown",
    };
    struct qv__cut c = {.kind = QV__CUT_SPLIT};
    qv_err err;
    assert_works(qv__pattern_literal(&c.pattern, "-", &err), &err);
    for (size_t b = 0; b < QV_COUNT(want); b++) {
        c.behavior = (enum qv__behavior)b;
        assert_cut(&c, 1, "the-final--countdown", (struct qv__place){0}, want[b]);
    }
    c.behavior = QV__REMOVED;
    c.invert = true;
    assert_cut(&c, 1, "the-final--countdown", (struct qv__place){0}, "-|-|-");
}

static void a_match_of_nothing_cuts_where_it_stands(void **state)
{
    (void)state;
    struct qv__cut c = {.kind = QV__CUT_SPLIT, .behavior = QV__ISOLATED};
    qv_err err;
    assert_works(qv__pattern_regex(&c.pattern, "(?=[A-Z])", &err), &err);
    assert_cut(&c, 1, "oneTwoThree", (struct qv__place){0}, "one|Two|Three");
    qv__pattern_end(&c.pattern);
}

static void a_prefix_is_put_where_it_is_missing(void **state)
{
    (void)state;
    struct qv__cut c = {.kind = QV__CUT_PREFIX, .text = "_"};
    assert_cut(&c, 1, "a", (struct qv__place){.is_first = true}, "_a");
    assert_cut(&c, 1, "_a", (struct qv__place){.is_first = true}, "_a");
    assert_cut(&c, 1, "a", (struct qv__place){0}, "_a");
    assert_cut(&c, 1, "a", (struct qv__place){.goes_on = true}, "a");
    assert_cut(&c, 1, "", (struct qv__place){.is_first = true}, "");
    c.first_only = true;
    assert_cut(&c, 1, "a", (struct qv__place){.is_first = true}, "_a");
    assert_cut(&c, 1, "a", (struct qv__place){0}, "a");
}

static void steps_apply_to_what_the_steps_before_left(void **state)
{
    (void)state;
    struct qv__cut c[] = {{.kind = QV__CUT_REPLACE, .text = "_"},
                          {.kind = QV__CUT_SPLIT, .behavior = QV__MERGED_WITH_NEXT},
                          {.kind = QV__CUT_PREFIX, .text = "+"},
                          {.kind = QV__CUT_BYTES}};
    qv_err err;
    assert_works(qv__pattern_literal(&c[0].pattern, " ", &err), &err);
    assert_works(qv__pattern_literal(&c[1].pattern, "_", &err), &err);
    assert_cut(c, 4, "a \u00e9", (struct qv__place){0}, "+a|+_\u00c3\u00a9");
}

static void classes_mean_what_oniguruma_means(void **state)
{
    (void)state;
    struct qv__cut c = {.kind = QV__CUT_SPLIT, .behavior = QV__ISOLATED};
    qv_err err;
    // U+180E is no white space; a combining mark is part of a word.
    assert_works(qv__pattern_regex(&c.pattern, "\\s", &err), &err);
    assert_cut(&c, 1, "a\u180eb\u2003c", (struct qv__place){0}, "a\u180eb|\u2003|c");
    qv__pattern_end(&c.pattern);
    assert_works(qv__pattern_regex(&c.pattern, "[\\w-]+", &err), &err);
    assert_cut(&c, 1, "e\u0301-a b", (struct qv__place){0}, "e\u0301-a| |b");
    qv__pattern_end(&c.pattern);
    assert_works(qv__pattern_regex(&c.pattern, "\\W", &err), &err);
    assert_cut(&c, 1, "e\u0301-a", (struct qv__place){0}, "e\u0301|-|a");
    qv__pattern_end(&c.pattern);
    assert_works(qv__pattern_regex(&c.pattern, "[]\\S]", &err), &err);
    assert_cut(&c, 1, " ] ", (struct qv__place){0}, " |]| ");
    qv__pattern_end(&c.pattern);
}

/* ---- merging ---- */

/* The definition: of all neighbours that have a merge take the best, the leftmost
 * among equals; again until there is none. Quadratic. */
static size_t merge_slowly(int *id, size_t n, const struct qv__bpe *b)
{
    for (;;) {
        const struct qv__merge *best = NULL;
        size_t at = 0;
        for (size_t i = 0; i + 1 < n; i++)
            for (size_t k = 0; k <= b->mask; k++) {
                const struct qv__merge *m = &b->merge[k];
                if (m->left >= 0 && m->left == id[i] && m->right == id[i + 1] &&
                    (!best || m->rank < best->rank))
                    best = m, at = i;
            }
        if (!best)
            return n;
        id[at] = best->made;
        memmove(id + at + 1, id + at + 2, (n - at - 2) * sizeof *id);
        n--;
    }
}

static void check_twin(const char *path, const char *alphabet)
{
    enum { WORD = 40 };
    qv_tokenizer *tok;
    qv_err err;
    uint32_t x = 7;
    size_t kinds = strlen(alphabet);
    assert_works(qv_tokenizer_open(&tok, path, &err), &err);
    for (int round = 0; round < 60; round++) {
        char word[WORD];
        int slow[WORD];
        size_t n = 1 + (size_t)round % WORD;
        for (size_t i = 0; i < n; i++) {
            x = x * 1664525u + 1013904223u;
            word[i] = alphabet[(x >> 8) % kinds];
            slow[i] = qv__vocab_find(&tok->vocab, &word[i], 1);
        }
        struct qv__bpe_run run;
        qv__bpe_begin(&run, &tok->bpe, 1000);
        qv__bpe_piece(&run, word, n);
        qv__bpe_piece(&run, word, n); // remembered, if the word is short
        size_t want = merge_slowly(slow, n, &tok->bpe);
        assert_int_equal(run.n, 2 * want);
        assert_memory_equal(run.id, slow, want * sizeof *slow);
        assert_memory_equal(run.id + want, slow, want * sizeof *slow);
        qv__bpe_end_run(&run);
    }
    qv_tokenizer_close(tok);
}

static void the_heap_merges_as_the_definition_does(void **state)
{
    (void)state;
    check_twin("tests/golden/text/tiny_gpt2", "theandrsoi");
    check_twin("tests/golden/text/tiny_spm", "theandrsoi");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_byte_has_a_character_of_its_own),
        cmocka_unit_test(what_is_not_of_the_alphabet_is_left_as_it_is),
        cmocka_unit_test(only_well_formed_characters_are_valid),
        cmocka_unit_test(normal_forms_are_unicodes),
        cmocka_unit_test(lower_case_is_full),
        cmocka_unit_test(stripping_takes_white_space_from_the_sides_asked_for),
        cmocka_unit_test(a_replacement_is_made_at_every_match),
        cmocka_unit_test(the_spaces_of_sentencepiece_follow_its_normalizer_spec),
        cmocka_unit_test(the_longest_string_of_a_character_map_is_replaced),
        cmocka_unit_test(a_character_map_whose_lengths_disagree_is_refused),
        cmocka_unit_test(a_split_does_with_matches_what_its_behavior_says),
        cmocka_unit_test(a_match_of_nothing_cuts_where_it_stands),
        cmocka_unit_test(a_prefix_is_put_where_it_is_missing),
        cmocka_unit_test(steps_apply_to_what_the_steps_before_left),
        cmocka_unit_test(classes_mean_what_oniguruma_means),
        cmocka_unit_test(the_heap_merges_as_the_definition_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
