/* ngram.c - bits per character of an order-5 n-gram model, to compare a language
 * model with.
 *
 *     ngram TRAIN... -- TEST...
 *
 * TRAIN are *.txt files (one text each) or *.jsonl (a line's "text" each); TEST
 * are texts. Prints CSV: file, characters (code points), and bits per character
 * with Witten-Bell and with modified Kneser-Ney smoothing; see support/ngram.h for
 * the model: a byte given the five bytes before it.
 */
#include "support/ngram.h"
#include "base/file.h"
#include "base/json.h"

#include <stdio.h>
#include <string.h>

static qv_status add_line(ngram *m, const char *line, size_t n, qv_err *err)
{
    json_t *value;
    const char *text = NULL;
    qv_status result = qv__json_parse(&value, line, n, err);
    if (!result)
        result = qv__json_str(value, "text", &text, err);
    if (!result && !text)
        result = qv_fail(err, QV_EFORMAT, "no 'text'");
    if (!result)
        result = ngram_add(m, text, strlen(text), err);
    json_decref(value);
    return result;
}

static qv_status train(ngram *m, const char *path, qv_err *err)
{
    struct qv_map map;
    const char *dot = strrchr(path, '.');
    qv_status result = qv__map(&map, path, err);
    if (result)
        return result;
    const char *at = map.bytes, *end = at + map.size;
    if (!dot || strcmp(dot, ".jsonl") != 0) {
        result = ngram_add(m, at, map.size, err);
        at = end;
    }
    for (size_t line = 1; !result && at < end; line++) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        const char *stop = newline ? newline : end;
        if (stop > at && (result = add_line(m, at, (size_t)(stop - at), err)))
            result = qv_wrap(err, result, "%s: line %zu: ", path, line);
        at = newline ? newline + 1 : end;
    }
    qv__unmap(&map);
    return result;
}

static qv_status test(const ngram *m, const char *path, qv_err *err)
{
    struct qv_map map;
    qv_status result = qv__map(&map, path, err);
    if (result)
        return result;
    size_t characters = 0;
    for (size_t i = 0; i < map.size; i++)
        characters += ((unsigned char)map.bytes[i] & 0xC0) != 0x80;
    double n = (double)characters;
    printf("%s,%zu,%.4f,%.4f\n", path, characters,
           ngram_bits(m, map.bytes, map.size, WITTEN_BELL) / n,
           ngram_bits(m, map.bytes, map.size, KNESER_NEY) / n);
    qv__unmap(&map);
    return QV_OK;
}

int main(int argc, char **argv)
{
    int i = 1;
    qv_err err = {0};
    ngram *m = ngram_new();
    qv_status result = m ? QV_OK : qv_fail(&err, QV_ENOMEM, "no memory for a model");
    for (; !result && i < argc && strcmp(argv[i], "--") != 0; i++)
        result = train(m, argv[i], &err);
    if (!result && (i == 1 || i + 1 >= argc)) {
        fprintf(stderr, "usage: ngram TRAIN... -- TEST...\n");
        ngram_free(m);
        return 2;
    }
    if (!result)
        result = ngram_finish(m, &err);
    if (!result)
        printf("file,characters,witten_bell,kneser_ney\n");
    for (i++; !result && i < argc; i++)
        result = test(m, argv[i], &err);
    if (result)
        fprintf(stderr, "ngram: %s\n", err.msg);
    ngram_free(m);
    return result ? 1 : 0;
}
