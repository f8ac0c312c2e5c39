/* Plain text as training windows, with a toy tokenizer defined here: a byte is a
 * token, and 0 ends a text. '!' has no token.
 */
#include "data/corpus.h"
#include "base/file.h"
#include "support/near.h"

#include <stdlib.h>
#include <string.h>

struct qv_tokenizer {
    bool no_eos;
};

int qv_tokenizer_eos(const qv_tokenizer *tok)
{
    return tok->no_eos ? -1 : 0;
}

/* Called by several threads at once, so it asserts nothing. */
qv_status qv_tokenizer_encode(const qv_tokenizer *tok, const char *text, size_t size,
                              bool parse_special, int **ids, size_t *n, qv_err *err)
{
    (void)tok;
    *ids = NULL;
    if (parse_special || memchr(text, '!', size))
        return qv_fail(err, QV_EFORMAT, "no token for '!'");
    *ids = malloc((size + 1) * sizeof **ids);
    if (!*ids)
        return qv_fail(err, QV_ENOMEM, "no memory");
    for (size_t i = 0; i < size; i++)
        (*ids)[i] = (unsigned char)text[i];
    *n = size;
    return QV_OK;
}

static const qv_tokenizer bytes = {0};
static char dir[] = "/tmp/quiver-corpus-XXXXXX";
static qv_arena names;

static int make_dir(void **state)
{
    (void)state;
    return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
    (void)state;
    qv__arena_free(&names);
    return qv__remove_tree(dir, NULL) ? -1 : 0;
}

static const char *file(const char *name, const char *text)
{
    char *path = qv__arena_fmt(&names, "%s/%s", dir, name);
    assert_int_equal(qv__write_file(path, text, strlen(text), NULL), QV_OK);
    return path;
}

static struct qv_corpus *opened(const char *const *paths, size_t n, size_t window)
{
    struct qv_corpus *c;
    qv_err err = {0};
    if (qv__corpus_read(&c, paths, n, &bytes, window, &err))
        fail_msg("%s", err.msg);
    return c;
}

static void expect(const int *ids, const char *want) // '.' is the end of a text
{
    for (size_t i = 0; want[i]; i++)
        assert_int_equal(ids[i], want[i] == '.' ? 0 : want[i]);
}

static void files_and_lines_become_documents_that_end(void **state)
{
    (void)state;
    const char *paths[] = {
        file("a.txt", "ab\ncd"),
        file("b.jsonl", "{\"text\":\"ef\"}\n\n{\"text\":\"gh\",\"x\":1}"),
        file("empty.jsonl", ""),
        file("empty.txt", ""),
    };
    struct qv_corpus *c = opened(paths, 4, 4);
    assert_int_equal(c->n_documents, 4);
    assert_int_equal(c->n_bytes, 9);
    assert_int_equal(c->n, 13);
    expect(c->token, "ab\ncd.ef.gh..");
    qv__corpus_free(c);
}

static void a_window_predicts_the_tokens_after_its_first_and_the_next_goes_on(void **state)
{
    (void)state;
    const char *path = file("w.txt", "0123456789");
    static const struct {
        size_t window, n;
    } c[] = {{1, 10}, {3, 3}, {4, 2}, {5, 2}, {6, 1}, {10, 1}};
    for (size_t i = 0; i < QV_COUNT(c); i++) { // 11 tokens: 10 to predict
        struct qv_corpus *corpus = opened(&path, 1, c[i].window);
        assert_int_equal(corpus->n_windows, c[i].n);
        for (size_t w = 0; w < c[i].n; w++) {
            assert_ptr_equal(corpus->at[w].ids, corpus->token + w * c[i].window);
            assert_int_equal(corpus->at[w].n, c[i].window + 1);
            assert_int_equal(corpus->at[w].n_prompt, 1);
        }
        qv__corpus_free(corpus);
    }
}

static void the_hash_tells_texts_and_their_borders_apart(void **state)
{
    (void)state;
    const char *paths[] = {file("x.txt", "abcd"), file("y.jsonl", "{\"text\":\"abcd\"}"),
                           file("z.txt", "abdc")};
    struct qv_corpus *c[3];
    for (size_t i = 0; i < 3; i++)
        c[i] = opened(&paths[i], 1, 2);
    assert_string_equal(c[0]->hash, c[1]->hash);
    assert_string_not_equal(c[0]->hash, c[2]->hash);
    for (size_t i = 0; i < 3; i++)
        qv__corpus_free(c[i]);
}

static void many_documents_keep_their_order(void **state)
{
    (void)state;
    enum { N = 2000, LINE = 14 }; // threads take them as they come
    char *text = qv_new_n(&names, char, N *LINE + 1);
    for (size_t i = 0; i < N; i++) {
        memcpy(text + i * LINE, "{\"text\":\"__\"}\n", LINE);
        text[i * LINE + 9] = (char)('a' + i % 26);
        text[i * LINE + 10] = (char)('a' + i / 26 % 26);
    }
    const char *path = file("many.jsonl", text);
    struct qv_corpus *c = opened(&path, 1, 64);
    assert_int_equal(c->n, 3 * N);
    for (size_t i = 0; i < N; i++) {
        assert_int_equal(c->token[3 * i], 'a' + i % 26);
        assert_int_equal(c->token[3 * i + 1], 'a' + i / 26 % 26);
    }
    qv__corpus_free(c);
}

static void refusals_name_file_and_line(void **state)
{
    (void)state;
    static const struct {
        const char *name, *text;
        qv_status code;
        const char *says;
    } lie[] = {
        {"x.jsonl", "{\"text\":\"a\"}\n{", QV_EFORMAT, "x.jsonl:2: not JSON"},
        {"x.jsonl", "\n{\"a\":1}\n{", QV_EFORMAT, "x.jsonl:2: no field 'text'"},
        {"x.jsonl", "{\"text\":1}", QV_EFORMAT, "x.jsonl:1: no field 'text'"},
        {"x.jsonl", "{\"text\":\"!\"}", QV_EFORMAT, "x.jsonl:1: no token for '!'"},
        {"x.txt", "abcd", QV_EFORMAT, "5 tokens of text are less than one window of 5"},
        {"x.txt", "", QV_EFORMAT, "1 tokens of text are less than one window of 5"},
    };
    struct qv_corpus *c;
    for (size_t i = 0; i < QV_COUNT(lie); i++) {
        const char *path = file(lie[i].name, lie[i].text);
        qv_err err = {0};
        assert_int_equal(qv__corpus_read(&c, &path, 1, &bytes, 5, &err), lie[i].code);
        assert_null(c);
        if (!strstr(err.msg, lie[i].says))
            fail_msg("'%s' does not say '%s'", err.msg, lie[i].says);
    }
    static const qv_tokenizer endless = {.no_eos = true};
    const char *missing = qv__arena_fmt(&names, "%s/none.txt", dir);
    qv_err err = {0};
    assert_int_equal(qv__corpus_read(&c, NULL, 0, &endless, 5, &err), QV_EUNSUPPORTED);
    assert_string_equal(err.msg, "the tokenizer has no EOS to end documents with");
    assert_int_equal(qv__corpus_read(&c, &missing, 1, &bytes, 5, &err), QV_ENOTFOUND);
    assert_null(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_and_lines_become_documents_that_end),
        cmocka_unit_test(a_window_predicts_the_tokens_after_its_first_and_the_next_goes_on),
        cmocka_unit_test(the_hash_tells_texts_and_their_borders_apart),
        cmocka_unit_test(many_documents_keep_their_order),
        cmocka_unit_test(refusals_name_file_and_line),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
