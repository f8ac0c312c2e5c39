/* input.c - texts that commands are given. */
#include "cli/cli.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static qv_status read_stdin(char **text, size_t *size, qv_err *err)
{
    size_t n = 0, cap = 1 << 16;
    char *bytes = malloc(cap);
    while (bytes) {
        n += fread(bytes + n, 1, cap - n - 1, stdin);
        if (n < cap - 1)
            break;
        cap *= 2;
        char *more = realloc(bytes, cap);
        if (!more)
            free(bytes);
        bytes = more;
    }
    if (!bytes)
        return qv_fail(err, QV_ENOMEM, "no memory for %zu bytes of standard input", cap);
    if (ferror(stdin)) {
        free(bytes);
        return qv_fail(err, QV_EIO, "standard input: %s", strerror(errno));
    }
    bytes[n] = '\0';
    *text = bytes;
    *size = n;
    return QV_OK;
}

qv_status qv__read_text(char **text, size_t *size, const char *arg, qv_err *err)
{
    if (strcmp(arg, "-") == 0)
        return read_stdin(text, size, err);
    *size = strlen(arg);
    *text = strdup(arg);
    return *text ? QV_OK : qv_fail(err, QV_ENOMEM, "no memory for a text");
}

qv_status qv__read_tokens(int **ids, size_t *n, const qv_model *model, const char *text,
                          size_t size, qv_err *err)
{
    const qv_tokenizer *tok = qv_model_tokenizer(model);
    if (!tok)
        return qv_fail(err, QV_ENOTFOUND, "the model has no tokenizer");
    qv_status result = qv_tokenizer_encode(tok, text, size, false, ids, n, err);
    if (result || !qv_tokenizer_adds_bos(tok) || qv_tokenizer_bos(tok) < 0)
        return result;
    int *more = malloc((*n + 1) * sizeof *more);
    if (!more) {
        free(*ids);
        return qv_fail(err, QV_ENOMEM, "no memory for %zu tokens", *n);
    }
    more[0] = qv_tokenizer_bos(tok);
    if (*n)
        memcpy(more + 1, *ids, *n * sizeof *more);
    free(*ids);
    *ids = more;
    ++*n;
    return QV_OK;
}
