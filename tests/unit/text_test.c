/* text_test.c - an answer's tokens as text: whole characters, no part of a stop, and in the
 * end exactly what the tokens say.
 */
#include "server/text.h"
#include "server/keys.h"
#include "support/scratch.h"
#include "text/utf8.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const tokenizers[] = {
    "tests/golden/text/tiny_gpt2",
    "tests/golden/text/tiny_llama3",
    "tests/golden/text/tiny_spm",
    "tests/golden/text/tiny_qwen",
};
static const char prompt[] = "Say:";
static const char answer[] =
    " na\u00efve \u20ac5, \u65e5\u672c\u8a9e and \U0001f600\U0001f600!";

struct spoken {
    qv_tokenizer *tok;
    int *ids; // of prompt and answer
    size_t n_prompt, n;
};

static struct spoken speak(const char *path)
{
    struct spoken s;
    int *all;
    char both[256];
    qv_err err;
    snprintf(both, sizeof both, "%s%s", prompt, answer);
    assert_works(qv_tokenizer_open(&s.tok, path, &err), &err);
    assert_works(
        qv_tokenizer_encode(s.tok, prompt, strlen(prompt), false, &all, &s.n_prompt, &err),
        &err);
    free(all);
    assert_works(qv_tokenizer_encode(s.tok, both, strlen(both), false, &s.ids, &s.n, &err),
                 &err);
    return s;
}

static void end(struct spoken *s)
{
    free(s->ids);
    qv_tokenizer_close(s->tok);
}

/* All that is taken, token by token; every piece is whole characters. */
static char *taken(const struct spoken *s, const char *const *stop, size_t n_stops,
                   size_t *n_tokens)
{
    struct qv_text t;
    char *all = calloc(1, 1024);
    const char *bytes;
    assert_non_null(all);
    qv__text_init(&t, s->tok, s->ids, s->n_prompt, stop, n_stops);
    *n_tokens = 0;
    for (size_t i = s->n_prompt; i < s->n && !t.has_stopped; i++, ++*n_tokens) {
        qv__text_add(&t, s->ids[i]);
        size_t n = qv__text_take(&t, &bytes, i + 1 == s->n);
        for (size_t at = 0, len; at < n; at += len) {
            len = qv__utf8_valid(bytes + at, n - at);
            assert_true(len > 0);
        }
        strncat(all, bytes, n);
    }
    qv__text_end(&t);
    return all;
}

static void what_is_taken_is_whole_characters_and_in_the_end_all(void **state)
{
    (void)state;
    for (size_t i = 0; i < QV_COUNT(tokenizers); i++) {
        struct spoken s = speak(tokenizers[i]);
        size_t n;
        char *all = taken(&s, NULL, 0, &n);
        assert_true(strlen(answer) > n / 2); // several tokens to a character somewhere
        assert_string_equal(all, answer);
        free(all);
        end(&s);
    }
}

static void a_stop_is_never_shown_wherever_it_begins(void **state)
{
    (void)state;
    for (size_t i = 0; i < QV_COUNT(tokenizers); i++) {
        struct spoken s = speak(tokenizers[i]);
        for (size_t at = 1; at + 6 < strlen(answer); at++) {
            char want[128], text[8];
            snprintf(text, sizeof text, "%.6s", answer + at);
            snprintf(want, sizeof want, "%.*s", (int)(strstr(answer, text) - answer),
                     answer);
            const char *const stop[] = {"never said", text};
            size_t n = 0;
            if ((answer[at] & 0xc0) != 0x80) { // in whole characters
                char *all = taken(&s, stop, 2, &n);
                assert_string_equal(all, want);
                assert_true(n <= s.n - s.n_prompt);
                free(all);
            }
        }
        end(&s);
    }
}

static void half_a_stop_at_the_end_is_text(void **state)
{
    (void)state;
    struct spoken s = speak(tokenizers[0]);
    const char *const stop[] = {"!!"};
    size_t n;
    char *all = taken(&s, stop, 1, &n);
    assert_string_equal(all, answer);
    free(all);
    end(&s);
}

static void a_token_is_written_as_it_stands_after_others(void **state)
{
    (void)state;
    struct qv__str piece = {0};
    for (size_t i = 0; i < QV_COUNT(tokenizers); i++) {
        struct spoken s = speak(tokenizers[i]);
        struct qv_text t;
        char all[512] = "";
        qv__text_init(&t, s.tok, s.ids, s.n_prompt, NULL, 0);
        for (size_t j = s.n_prompt; j < s.n; j++) {
            qv__text_piece(&t, s.ids[j], true, &piece);
            strncat(all, piece.bytes, piece.size);
            qv__text_add(&t, s.ids[j]);
        }
        assert_string_equal(all, answer);
        qv__text_piece(&t, 1 << 20, true, &piece); // no token at all
        assert_int_equal(piece.size, 0);
        qv__text_end(&t);
        end(&s);
    }
    qv__str_free(&piece);
}

static void keys_are_whole_lines(void **state)
{
    struct qv_keys k;
    qv_err err;
    write_text(scratch_path(state, "keys"), "#no\n0123456789abcdef\r\n\nfedcba9876543210");
    assert_works(qv__keys_read(&k, scratch_path(state, "keys"), &err), &err);
    assert_int_equal(k.n, 2);
    assert_true(qv__keys_admit(&k, "Bearer 0123456789abcdef"));
    assert_true(qv__keys_admit(&k, "Bearer fedcba9876543210"));
    assert_false(qv__keys_admit(&k, "Bearer 0123456789abcdef\r"));
    assert_false(qv__keys_admit(&k, "Bearer 0123456789abcde"));
    assert_false(qv__keys_admit(&k, "bearer0123456789abcdef"));
    assert_false(qv__keys_admit(&k, "Bearer "));
    assert_false(qv__keys_admit(&k, NULL));
    qv__keys_end(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_taken_is_whole_characters_and_in_the_end_all),
        cmocka_unit_test(a_stop_is_never_shown_wherever_it_begins),
        cmocka_unit_test(half_a_stop_at_the_end_is_text),
        cmocka_unit_test(a_token_is_written_as_it_stands_after_others),
        cmocka_unit_test_setup_teardown(keys_are_whole_lines, make_scratch, remove_scratch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
