/* SentencePiece models written by hand, field by field: what they mean, and every
 * sentence that refuses one. */
#include "text/tokenizer.h"

#include "support/ids.h"
#include "support/scratch.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- writing protobuf ---- */

struct bytes {
    char at[2048];
    size_t n;
};

static void put(struct bytes *b, const void *from, size_t n)
{
    assert_true(b->n + n <= sizeof b->at);
    memcpy(b->at + b->n, from, n);
    b->n += n;
}

static void put_byte(struct bytes *b, unsigned value)
{
    char c = (char)value;
    put(b, &c, 1);
}

static void put_varint(struct bytes *b, uint64_t value)
{
    for (; value > 127; value >>= 7)
        put_byte(b, (unsigned)(value & 127) | 128);
    put_byte(b, (unsigned)value);
}

static void put_number(struct bytes *b, unsigned field, uint64_t value)
{
    put_varint(b, field << 3);
    put_varint(b, value);
}

static void put_text(struct bytes *b, unsigned field, const void *text, size_t n)
{
    put_varint(b, field << 3 | 2);
    put_varint(b, n);
    put(b, text, n);
}

static void put_piece(struct bytes *b, const char *text, float score, unsigned type)
{
    struct bytes p = {.n = 0};
    put_text(&p, 1, text, strlen(text));
    put_byte(&p, 2 << 3 | 5);
    put(&p, &score, sizeof score); // little-endian, as the machines we run on
    put_number(&p, 3, type);
    put_text(b, 1, p.at, p.n);
}

enum { NORMAL = 1, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE };

static void put_trainer(struct bytes *b, unsigned model_type)
{
    struct bytes t = {.n = 0};
    put_number(&t, 3, model_type);
    put_text(b, 2, t.at, t.n);
}

/* <unk> <s> </s> and a _ b ab _ab ba, of which "ba" is the best and "ab" next; and
 * "x", a user's. 'c' is known only inside of "cd". */
static void put_model(struct bytes *b)
{
    static const struct {
        const char *text;
        float score;
        unsigned type;
    } p[] = {{"<unk>", 0, UNKNOWN},   {"<s>", 0, CONTROL},      {"</s>", 0, CONTROL},
             {"a", -10, NORMAL},      {"\u2581", -11, NORMAL},  {"b", -12, NORMAL},
             {"ab", -2, NORMAL},      {"\u2581ab", -3, NORMAL}, {"ba", -1, NORMAL},
             {"xx", 0, USER_DEFINED}, {"cd", -4, NORMAL},       {"d", -13, NORMAL}};
    for (size_t i = 0; i < QV_COUNT(p); i++)
        put_piece(b, p[i].text, p[i].score, p[i].type);
}

static void put_normalizer(struct bytes *b, bool prefix, bool removes)
{
    struct bytes n = {.n = 0};
    put_text(&n, 1, "identity", 8);
    put_number(&n, 3, prefix);
    put_number(&n, 4, removes);
    put_text(b, 3, n.at, n.n);
}

static qv_tokenizer *must_parse(const struct bytes *b)
{
    qv_tokenizer *tok;
    qv_err err;
    assert_works(qv__tokenizer_parse_spm(&tok, b->at, b->n, &err), &err);
    return tok;
}

/* ---- what a model means ---- */

static void the_pair_that_makes_the_best_piece_merges_first(void **state)
{
    (void)state;
    struct bytes b = {.n = 0};
    put_model(&b);
    put_trainer(&b, 2);
    put_normalizer(&b, true, false);
    qv_tokenizer *tok = must_parse(&b);
    assert_int_equal(qv_tokenizer_size(tok), 12);
    assert_ids(tok, "ab", true, "7");         // _ab
    assert_ids(tok, "aba", true, "4 3 8");    // _ a ba
    assert_ids(tok, "ab ab", true, "7 7");    // _ab _ab
    assert_ids(tok, "abcd", true, "7 10");    // c is no piece, cd is
    assert_ids(tok, "cc", true, "4 0");       // unknown neighbours are one
    assert_ids(tok, "cxxc", true, "4 0 9 0"); // but not across a symbol
    qv_tokenizer_close(tok);
}

static void control_pieces_are_special_and_users_are_not(void **state)
{
    (void)state;
    struct bytes b = {.n = 0};
    put_model(&b);
    put_trainer(&b, 2);
    put_normalizer(&b, false, false);
    qv_tokenizer *tok = must_parse(&b);
    assert_int_equal(qv_tokenizer_bos(tok), 1);
    assert_int_equal(qv_tokenizer_eos(tok), 2);
    assert_true(qv_tokenizer_adds_bos(tok));
    assert_true(qv_tokenizer_is_special(tok, 0));
    assert_true(qv_tokenizer_is_special(tok, 2));
    assert_false(qv_tokenizer_is_special(tok, 9));
    assert_ids(tok, "a<s>xx", true, "3 1 9");
    assert_ids(tok, "a<s>xx", false, "3 0 9");
    qv_tokenizer_close(tok);
}

static void the_dummy_prefix_is_taken_off_again(void **state)
{
    (void)state;
    struct bytes b = {.n = 0};
    put_model(&b);
    put_trainer(&b, 2);
    put_normalizer(&b, true, false);
    qv_tokenizer *tok = must_parse(&b);
    qv_err err;
    char *text;
    size_t size;
    assert_works(qv_tokenizer_decode(tok, (int[]){7, 4, 7}, 3, true, &text, &size, &err),
                 &err);
    assert_string_equal(text, "ab  ab");
    free(text);
    qv_tokenizer_close(tok);
}

static void bos_is_the_control_piece_that_the_trainer_names(void **state)
{
    (void)state;
    struct bytes b = {.n = 0}, t = {.n = 0};
    put_model(&b);
    put_number(&t, 3, 2);
    put_text(&t, 46, "</s>", 4);
    put_text(&t, 47, "a", 1);
    put_text(&b, 2, t.at, t.n);
    qv_tokenizer *tok = must_parse(&b);
    assert_int_equal(qv_tokenizer_bos(tok), 2);
    assert_int_equal(qv_tokenizer_eos(tok), -1);
    qv_tokenizer_close(tok);
}

static void unigram_takes_the_pieces_whose_scores_add_up_to_the_most(void **state)
{
    (void)state;
    struct bytes b = {.n = 0};
    put_model(&b);
    put_piece(&b, "zz", -1, UNUSED);
    put_normalizer(&b, false, false); // UNIGRAM is what protobuf leaves out
    qv_tokenizer *tok = must_parse(&b);
    assert_ids(tok, "aba", true, "3 8");     // a ba: -11; ab a: -12
    assert_ids(tok, " ab", true, "7");       // _ab
    assert_ids(tok, "cxxc", true, "0 9 0");  // a user's symbol is weighed
    assert_ids(tok, "czzc", true, "0");      // an unused piece is none
    assert_ids(tok, "a<s>x", true, "3 1 0"); // a control piece is found, not weighed
    assert_ids(tok, "a<s>x", false, "3 0");
    qv_tokenizer_close(tok);
}

/* ---- refusals ---- */

static void refuse(const struct bytes *b, qv_status code, const char *says)
{
    qv_tokenizer *tok;
    qv_err err;
    assert_fails(qv__tokenizer_parse_spm(&tok, b->at, b->n, &err), code, &err, says);
    assert_null(tok);
}

static void bytes_that_are_no_protobuf_are_refused(void **state)
{
    (void)state;
    struct bytes b = {.at = "\x0b", .n = 1}; // a group
    refuse(&b, QV_EFORMAT, "not a SentencePiece model: field at byte 1");
    b = (struct bytes){.at = "\x0a\x05"
                             "ab",
                       .n = 4}; // five bytes of which two are there
    refuse(&b, QV_EFORMAT, "not a SentencePiece model");
    b = (struct bytes){.at = "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", .n = 11};
    refuse(&b, QV_EFORMAT, "not a SentencePiece model");
    b = (struct bytes){.at = "\x0a", .n = 1};
    refuse(&b, QV_EFORMAT, "not a SentencePiece model");
    b = (struct bytes){.n = 0};
    put_number(&b, 1, 5);
    refuse(&b, QV_EFORMAT, "not a SentencePiece model: field 1 is no message");
}

static void messages_cut_short_are_refused(void **state)
{
    (void)state;
    static const char *const says[] = {NULL,
                                       "piece 0 is cut short",
                                       "trainer_spec is cut short",
                                       "normalizer_spec is cut short",
                                       NULL,
                                       "denormalizer_spec is cut short"};
    for (unsigned field = 1; field <= 5; field += field == 3 ? 2 : 1) {
        struct bytes b = {.n = 0};
        put_text(&b, field, "\x0a\x7f", 2);
        refuse(&b, QV_EFORMAT, says[field]);
    }
}

static void pieces_that_are_wrong_are_refused_each_in_its_words(void **state)
{
    static const struct {
        const char *text;
        float score;
        unsigned type;
        qv_status code;
        const char *says;
    } p[] = {
        {"", 0, NORMAL, QV_EFORMAT, "piece 12 is empty"},
        {"\xff", 0, NORMAL, QV_EFORMAT, "piece 12 is not UTF-8 text"},
        {"z", NAN, NORMAL, QV_EFORMAT, "piece 12 has a score that is no number"},
        {"z", INFINITY, NORMAL, QV_EFORMAT, "piece 12 has a score that is no number"},
        {"z", 0, UNKNOWN, QV_EFORMAT, "piece 12 is a second unknown token"},
        {"z", 0, UNUSED, QV_EUNSUPPORTED,
         "piece 12 is of type UNUSED, which is not supported"},
        {"z", 0, BYTE, QV_EFORMAT, "piece 12 is of type BYTE but names none"},
        {"<0x1g>", 0, BYTE, QV_EFORMAT, "piece 12 is of type BYTE but names none"},
        {"z", 0, 7, QV_EFORMAT, "piece 12 has an unknown type"},
        {"z", 0, 0, QV_EFORMAT, "piece 12 has an unknown type"},
        {"ab", 0, NORMAL, QV_EFORMAT, "token 'ab' has two ids, 6 and 12"},
    };
    (void)state;
    for (size_t i = 0; i < QV_COUNT(p); i++) {
        struct bytes b = {.n = 0};
        put_model(&b);
        put_trainer(&b, 2);
        put_piece(&b, p[i].text, p[i].score, p[i].type);
        refuse(&b, p[i].code, p[i].says);
    }
    char longer[1026] = "";
    memset(longer, 'a', 1025);
    struct bytes b = {.n = 0};
    put_piece(&b, longer, 0, NORMAL);
    refuse(&b, QV_EFORMAT, "piece 0 is longer than 1024 bytes");
}

static void models_of_another_kind_are_refused_by_name(void **state)
{
    static const struct {
        unsigned type;
        const char *says;
    } k[] = {{3, "model_type WORD is not supported, only UNIGRAM and BPE are"},
             {4, "model_type CHAR is not supported"},
             {9, "model_type of the future is not supported"}};
    (void)state;
    for (size_t i = 0; i < QV_COUNT(k); i++) {
        struct bytes b = {.n = 0};
        put_model(&b);
        put_trainer(&b, k[i].type);
        refuse(&b, QV_EUNSUPPORTED, k[i].says);
    }
}

static void what_a_model_asks_for_beyond_us_is_refused(void **state)
{
    (void)state;
    struct bytes b = {.n = 0}, t = {.n = 0};
    put_model(&b);
    put_number(&t, 3, 2);
    put_number(&t, 24, 1);
    put_text(&b, 2, t.at, t.n);
    refuse(&b, QV_EUNSUPPORTED, "treat_whitespace_as_suffix is not supported");

    b.n = t.n = 0;
    put_model(&b);
    put_trainer(&b, 2);
    put_text(&t, 2, "map", 3);
    put_text(&b, 5, t.at, t.n);
    refuse(&b, QV_EUNSUPPORTED, "a denormalizer is not supported");

    b.n = t.n = 0;
    put_model(&b);
    put_number(&t, 3, 2);
    put_number(&t, 35, 1);
    put_text(&b, 2, t.at, t.n);
    put_piece(&b, "<0x41>", 0, BYTE);
    refuse(&b, QV_EFORMAT, "byte_fallback with 1 of 256 bytes");

    b.n = 0;
    put_piece(&b, "a", 0, NORMAL);
    put_trainer(&b, 2);
    refuse(&b, QV_EFORMAT, "no piece is of type UNKNOWN");

    b.n = t.n = 0;
    put_model(&b);
    put_text(&t, 2, "abc", 3);
    put_text(&b, 3, t.at, t.n);
    refuse(&b, QV_EFORMAT, "precompiled_charsmap: a trie of 0 bytes in a blob of 3");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_pair_that_makes_the_best_piece_merges_first),
        cmocka_unit_test(control_pieces_are_special_and_users_are_not),
        cmocka_unit_test(the_dummy_prefix_is_taken_off_again),
        cmocka_unit_test(bos_is_the_control_piece_that_the_trainer_names),
        cmocka_unit_test(unigram_takes_the_pieces_whose_scores_add_up_to_the_most),
        cmocka_unit_test(bytes_that_are_no_protobuf_are_refused),
        cmocka_unit_test(messages_cut_short_are_refused),
        cmocka_unit_test(pieces_that_are_wrong_are_refused_each_in_its_words),
        cmocka_unit_test(models_of_another_kind_are_refused_by_name),
        cmocka_unit_test(what_a_model_asks_for_beyond_us_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
