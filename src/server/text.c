/* text.c - see text.h. What a token adds is the difference that it makes to the text of
 * the few tokens before it, so that a token costs the same late in a text as early. */
#include "server/text.h"
#include "text/utf8.h"

#include <stdlib.h>
#include <string.h>

static void push(struct qv_text *t, int id)
{
    if (t->n_window == QV_TEXT_WINDOW) {
        memmove(t->window, t->window + 1, (QV_TEXT_WINDOW - 1) * sizeof *t->window);
        t->n_window--;
    }
    t->window[t->n_window++] = id;
}

void qv__text_init(struct qv_text *t, const qv_tokenizer *tok, const int *ids, size_t n,
                   const char *const *stop, size_t n_stops)
{
    *t = (struct qv_text){.tok = tok, .stop = stop, .n_stops = n_stops};
    for (size_t i = n > QV_TEXT_WINDOW ? n - QV_TEXT_WINDOW : 0; i < n; i++)
        push(t, ids[i]);
}

void qv__text_end(struct qv_text *t)
{
    qv__str_free(&t->made);
}

static size_t write(char **text, const struct qv_text *t, size_t n, bool skips)
{
    size_t size = 0;
    *text = NULL;
    if (qv_tokenizer_decode(t->tok, t->window, n, skips, text, &size, NULL))
        return 0;
    return size;
}

void qv__text_piece(const struct qv_text *t, int id, bool spells_special,
                    struct qv__str *out)
{
    struct qv_text with = *t;
    char *before, *after;
    with.window[with.n_window] = id;
    qv__str_clear(out);
    size_t n_before = write(&before, &with, with.n_window, !spells_special);
    size_t n_after = write(&after, &with, with.n_window + 1, !spells_special);
    if (n_after > n_before)
        qv__str_add(out, after + n_before, n_after - n_before);
    free(before);
    free(after);
}

/* Where the earliest stop begins at or after `from`, or the end. */
static size_t find_stop(const struct qv_text *t, size_t from)
{
    size_t end = t->made.size;
    for (size_t i = 0; i < t->n_stops; i++) {
        size_t n = strlen(t->stop[i]);
        for (size_t at = from; at + n <= t->made.size && at < end; at++)
            if (memcmp(t->made.bytes + at, t->stop[i], n) == 0)
                end = at;
    }
    return end;
}

static size_t longest_stop(const struct qv_text *t)
{
    size_t most = 0;
    for (size_t i = 0; i < t->n_stops; i++)
        most = qv__max(most, strlen(t->stop[i]));
    return most;
}

void qv__text_add(struct qv_text *t, int id)
{
    struct qv__str piece = {0};
    if (t->has_stopped)
        return;
    qv__text_piece(t, id, false, &piece);
    size_t before = t->made.size, reach = longest_stop(t);
    qv__str_add(&t->made, piece.bytes, piece.size);
    qv__str_free(&piece);
    push(t, id);
    size_t at = find_stop(t, before > reach ? before - reach : 0);
    if (at < t->made.size) {
        t->made.size = at;
        t->has_stopped = true;
    }
}

/* Bytes at the end that may be half a character, or the beginning of a stop. */
static size_t unsure(const struct qv_text *t)
{
    const char *end = t->made.bytes + t->made.size;
    size_t n = t->made.size, most = 0;
    for (size_t k = 1; k <= qv__min(n, 3) && !most; k++)
        if ((unsigned char)end[-(ptrdiff_t)k] >= 0xc0 && !qv__utf8_valid(end - k, k))
            most = k;
    for (size_t i = 0; i < t->n_stops; i++)
        for (size_t k = qv__min(n, strlen(t->stop[i]) - 1); k > most; k--)
            if (memcmp(end - k, t->stop[i], k) == 0)
                most = k;
    return most;
}

size_t qv__text_take(struct qv_text *t, const char **bytes, bool is_last)
{
    qv_check(!t->made.failed);
    size_t sure = t->made.size;
    if (!is_last && !t->has_stopped && sure)
        sure -= unsure(t);
    size_t n = sure > t->shown ? sure - t->shown : 0;
    *bytes = n ? t->made.bytes + t->shown : "";
    t->shown += n;
    return n;
}
