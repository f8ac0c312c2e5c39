/* A corpus of plain text, with a toy tokenizer defined here: a byte is a token,
 * 0 ends a text, and `shift` makes ids wide.
 */
#include "data/window.h"
#include "base/arena.h"
#include "base/file.h"
#include "support/near.h"

#include <stdlib.h>
#include <string.h>

struct qv_tokenizer {
    size_t size;
    int shift;
    bool no_eos;
};

size_t qv_tokenizer_size(const qv_tokenizer *tok)
{
    return tok->size;
}

int qv_tokenizer_eos(const qv_tokenizer *tok)
{
    return tok->no_eos ? -1 : 0;
}

qv_status qv_tokenizer_encode(const qv_tokenizer *tok, const char *text, size_t size,
                              bool parse_special, int **ids, size_t *n, qv_err *err)
{
    assert_false(parse_special);
    *ids = NULL;
    if (memchr(text, '!', size))
        return qv_fail(err, QV_EFORMAT, "no token for '!'");
    *ids = malloc((size + 1) * sizeof **ids);
    assert_non_null(*ids);
    for (size_t i = 0; i < size; i++)
        (*ids)[i] = (unsigned char)text[i] + tok->shift;
    *n = size;
    return QV_OK;
}

static const qv_tokenizer narrow = {.size = 256}, wide = {.size = 70256, .shift = 70000};

static char dir[] = "/tmp/quiver-window-XXXXXX";
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

static void expect(const struct qv_corpus *c, const char *want, int shift)
{
    int ids[64];
    assert_int_equal(c->n, strlen(want));
    qv__corpus_copy(ids, c, 0, c->n);
    for (size_t i = 0; i < c->n; i++) // '.' is the end of a text
        assert_int_equal(ids[i], want[i] == '.' ? 0 : want[i] + shift);
}

static void files_and_lines_become_documents_that_end(void **state)
{
    (void)state;
    const char *paths[] = {
        file("a.txt", "ab\ncd"),
        file("b.jsonl", "{\"text\":\"ef\"}\r\n\n{\"prompt\":\"g\",\"completion\":\"h\"}"),
        file("empty.txt", ""),
        file("empty.jsonl", ""),
    };
    struct qv_corpus c;
    qv_err err = {0};
    assert_int_equal(qv__corpus_read(&c, paths, 4, &narrow, NULL, &err), QV_OK);
    assert_true(c.narrow);
    assert_int_equal(c.n_documents, 3);
    assert_int_equal(c.n_characters, 8);
    expect(&c, "ab\ncd.ef.g.", 0);
    qv__corpus_end(&c);

    struct qv_corpus_opts opts = {.completions = true};
    assert_int_equal(qv__corpus_read(&c, paths + 1, 1, &wide, &opts, &err), QV_OK);
    assert_false(c.narrow);
    expect(&c, "ef.gh.", 70000);
    qv__corpus_end(&c);
    assert_null(c.ids);
}

static void characters_are_code_points(void **state)
{
    (void)state;
    const char *path = file("u.txt", "\xC3\xA9\xE2\x82\xAC");
    struct qv_corpus c;
    qv_err err = {0};
    assert_int_equal(qv__corpus_read(&c, &path, 1, &narrow, NULL, &err), QV_OK);
    assert_int_equal(c.n_characters, 2);
    assert_int_equal(c.n, 6);
    qv__corpus_end(&c);
}

static void windows_reach_every_start_and_repeat_by_seed_step_and_position(void **state)
{
    (void)state;
    const char *path = file("w.txt", "0123456789");
    struct qv_corpus c;
    qv_err err = {0};
    size_t count[8] = {0}, same_step = 0;
    assert_int_equal(qv__corpus_read(&c, &path, 1, &narrow, NULL, &err), QV_OK);
    for (size_t step = 0; step < 100; step++)
        for (size_t i = 0; i < 80; i++) {
            size_t at = qv__corpus_window(&c, 4, 1, step, i);
            assert_in_range(at, 0, 7); // 11 tokens, 8 starts
            count[at]++;
            assert_int_equal(at, qv__corpus_window(&c, 4, 1, step, i));
            same_step += at == qv__corpus_window(&c, 4, 2, step, i);
        }
    for (size_t at = 0; at < 8; at++)
        assert_in_range(count[at], 1000 - 150, 1000 + 150); // five deviations
    assert_in_range(same_step, 1000 - 150, 1000 + 150);     // another seed, by chance
    assert_int_equal(qv__corpus_window(&c, 11, 1, 5, 5), 0);
    qv__corpus_end(&c);
}

static bool stop_now(void *arg, const char *what, double done, double total,
                     const char *note)
{
    (void)note;
    assert_string_equal(what, "tokenise");
    assert_true(done <= total);
    ++*(size_t *)arg;
    return true;
}

static void refusals_name_file_and_line(void **state)
{
    (void)state;
    static const struct {
        const char *name, *text;
        qv_status code;
        const char *says;
    } c[] = {
        {"x.json", "", QV_EUNSUPPORTED, "x.json: neither .txt nor .jsonl"},
        {"x", "", QV_EUNSUPPORTED, "x: neither .txt nor .jsonl"},
        {"x.jsonl", "{\"text\":\"a\"}\n{", QV_EFORMAT, "x.jsonl: line 2: not JSON"},
        {"x.jsonl", "\n{\"a\":1}", QV_EFORMAT, "line 2: no 'text' and no 'prompt'"},
        {"x.jsonl", "{\"text\":1}", QV_EFORMAT, "line 1: 'text' is not a string"},
        {"x.jsonl", "{\"text\":\"!\"}", QV_EFORMAT, "line 1: no token for '!'"},
        {"x.txt", "!", QV_EFORMAT, "x.txt: no token for '!'"},
    };
    struct qv_corpus corpus;
    for (size_t i = 0; i < QV_COUNT(c); i++) {
        const char *path = file(c[i].name, c[i].text);
        qv_err err = {0};
        assert_int_equal(qv__corpus_read(&corpus, &path, 1, &narrow, NULL, &err),
                         c[i].code);
        assert_null(corpus.ids);
        if (!strstr(err.msg, c[i].says))
            fail_msg("'%s' does not say '%s'", err.msg, c[i].says);
    }
    static const qv_tokenizer endless = {.size = 256, .no_eos = true};
    qv_err err = {0};
    assert_int_equal(qv__corpus_read(&corpus, NULL, 0, &endless, NULL, &err),
                     QV_EUNSUPPORTED);
    assert_string_equal(err.msg, "the tokenizer has no token that ends a text");
}

static void reading_reports_and_stops_when_told(void **state)
{
    (void)state;
    const char *paths[] = {file("p.txt", "abc"), file("p.jsonl", "{\"text\":\"a\"}\n")};
    for (size_t i = 0; i < 2; i++) {
        size_t calls = 0;
        struct qv_corpus c;
        struct qv_corpus_opts opts = {.progress = {stop_now, &calls}};
        qv_err err = {0};
        assert_int_equal(qv__corpus_read(&c, &paths[i], 1, &narrow, &opts, &err),
                         QV_ECANCEL);
        assert_int_equal(calls, 1);
        assert_non_null(strstr(err.msg, "stopped at byte"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_and_lines_become_documents_that_end),
        cmocka_unit_test(characters_are_code_points),
        cmocka_unit_test(windows_reach_every_start_and_repeat_by_seed_step_and_position),
        cmocka_unit_test(refusals_name_file_and_line),
        cmocka_unit_test(reading_reports_and_stops_when_told),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
