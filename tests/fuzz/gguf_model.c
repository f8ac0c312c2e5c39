/* Whatever the bytes, opening them as a model returns; if it succeeds, its numbers fit
 * together, every weight can be read, and its tokenizer goes there and back. */
#include "model/gguf_arch.h"
#include "model/layout.h"
#include "model/model.h"
#include "text/gguf_tokenizer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* Tables of rotation grow with the context, so a file may ask for hours. */
enum { MOST_WORK = 1 << 16 };

static void there_and_back(const qv_tokenizer *tok)
{
    static const char odd[] = " ab\xff caf\xc3\xa9 \xe2\x96\x81 12 I'M<s>\xed\xa0";
    int *ids;
    size_t n, n_back;
    char *back;
    if (qv_tokenizer_encode(tok, odd, sizeof odd - 1, true, &ids, &n, NULL))
        return;
    for (size_t i = 0; i < n; i++)
        qv_check(qv_tokenizer_token(tok, ids[i]));
    if (!qv_tokenizer_decode(tok, ids, n, false, &back, &n_back, NULL))
        free(back);
    free(ids);
}

static qv_status read_weight(void *arg, const char *name, struct qv_weight *w, qv_err *err)
{
    (void)arg, (void)name, (void)err;
    float *row = malloc(w->D_in * sizeof *row);
    qv_check(row);
    for (size_t o = 0; o < w->D_out; o++)
        qv__weight_row(row, w, o);
    free(row);
    return QV_OK;
}

static bool is_modest(const uint8_t *bytes, size_t size)
{
    struct qv_gguf g;
    struct qv_config c = {0};
    bool fits = false;
    if (qv__gguf_parse(&g, bytes, size, NULL))
        return false;
    if (!qv__gguf_config(&c, &g, NULL)) {
        qv_check(c.D && c.L && c.H && c.Hk && c.E && c.F && c.V && c.n_ctx);
        qv_check(c.H % c.Hk == 0 && c.R <= c.E);
        fits = c.n_ctx * c.E <= MOST_WORK && c.V * c.D <= MOST_WORK && c.L <= 8;
    }
    qv_tokenizer *tok;
    if (!qv__tokenizer_from_gguf(&tok, &g, NULL) && tok) {
        there_and_back(tok);
        qv_tokenizer_close(tok);
    }
    qv__gguf_close(&g);
    return fits;
}

static void open_model(const uint8_t *bytes, size_t size)
{
    char path[64];
    snprintf(path, sizeof path, "/tmp/quiver-fuzz-%ld.gguf", (long)getpid());
    qv_err err;
    qv_model *m;
    qv_check(!qv__write_file(path, bytes, size, &err));
    if (!qv_model_open(&m, path, NULL, &err)) {
        qv_status result = qv__model_each(m, read_weight, NULL, NULL);
        qv_check(!result);
        qv_model_close(m);
    }
    unlink(path);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    uint8_t *exact = malloc(qv__max(size, 1)); // so that reading past `size` traps
    qv_check(exact);
    if (size)
        memcpy(exact, bytes, size);
    if (is_modest(exact, size))
        open_model(exact, size);
    free(exact);
    return 0;
}
