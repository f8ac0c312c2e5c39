/* tokenize.c - quiver tokenize: text to token ids, and back with --decode. */
#include "cli/cli.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct args {
    const char *model, *text;
    bool decodes, parses_special, as_json;
};

enum { KEY_SPECIAL = 256 };

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct args *a = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &a->as_json;
        break;
    case 'm':
        a->model = arg;
        break;
    case 'd':
        a->decodes = true;
        break;
    case KEY_SPECIAL:
        a->parses_special = true;
        break;
    case ARGP_KEY_ARG:
        if (a->text)
            argp_error(state, "one text at a time: quote it");
        a->text = arg;
        break;
    case ARGP_KEY_END:
        qv__arg_needed(state, a->model, "--model");
        if (!a->text)
            argp_error(state, "there is no text");
        break;
    default:
        return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

static const struct argp_option options[] = {
    {"model", 'm', "M", 0,
     "A directory with a tokenizer, a tokenizer's file or a GGUF file", 0},
    {"decode", 'd', NULL, 0, "TEXT is ids, apart by blanks or commas: write their text", 0},
    {"special", KEY_SPECIAL, NULL, 0, "Special tokens written in the text become their ids",
     0},
    {0},
};
static const struct argp spec = {
    .options = options,
    .parser = parse,
    .args_doc = "TEXT|-",
    .doc = "The token ids of TEXT, or of standard input. No BOS or EOS is added.\v"
           "With --json: {\"ids\":[...]}, or {\"text\":...} with --decode.",
    .children = qv__json_children,
};

/* Numbers apart by anything that is not one, as in "[1, 2]". */
static qv_status parse_ids(int **out, size_t *n, const char *text, qv_err *err)
{
    int *ids = malloc((strlen(text) / 2 + 1) * sizeof *ids);
    if (!ids)
        return qv_fail(err, QV_ENOMEM, "no memory for the ids");
    *n = 0;
    for (const char *at = text; *(at += strspn(at, " ,[]\t\r\n"));) {
        char *end;
        errno = 0;
        long id = strtol(at, &end, 10);
        if (end == at || (*end && !strchr(" ,[]\t\r\n", *end)) || errno || id < 0 ||
            id > INT32_MAX) {
            free(ids);
            return qv_fail(err, QV_EFORMAT, "'%.*s' is not a token id",
                           (int)strcspn(at, " ,[]\t\r\n"), at);
        }
        ids[(*n)++] = (int)id;
        at = end;
    }
    *out = ids;
    return QV_OK;
}

static qv_status decode(const struct args *a, const qv_tokenizer *tok, const char *list,
                        qv_err *err)
{
    int *ids = NULL;
    char *text = NULL;
    size_t n = 0, size = 0;
    qv_status result = parse_ids(&ids, &n, list, err);
    if (!result)
        result = qv_tokenizer_decode(tok, ids, n, false, &text, &size, err);
    if (!result && a->as_json) {
        qv__print(json_pack("{s:o}", "text", qv__json_text(text, size)), true);
    } else if (!result) {
        fwrite(text, 1, size, stdout);
        putchar('\n');
    }
    free(ids);
    free(text);
    return result;
}

static qv_status encode(const struct args *a, const qv_tokenizer *tok, const char *text,
                        size_t size, qv_err *err)
{
    int *ids;
    size_t n;
    qv_status result =
        qv_tokenizer_encode(tok, text, size, a->parses_special, &ids, &n, err);
    if (result)
        return result;
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++) {
        json_array_append_new(list, json_integer(ids[i]));
        if (!a->as_json)
            printf("%6d  %s\n", ids[i], qv_tokenizer_token(tok, ids[i]));
    }
    if (a->as_json)
        qv__print(json_pack("{s:O}", "ids", list), true);
    json_decref(list);
    free(ids);
    return QV_OK;
}

int cmd_tokenize(int argc, char **argv)
{
    struct args a = {0};
    argp_parse(&spec, argc, argv, 0, NULL, &a);
    qv_err err;
    qv_tokenizer *tok = NULL;
    char *text = NULL;
    size_t size;
    qv_status result = qv_tokenizer_open(&tok, a.model, &err);
    if (!result)
        result = qv__read_text(&text, &size, a.text, &err);
    if (!result && a.decodes)
        result = decode(&a, tok, text, &err);
    else if (!result)
        result = encode(&a, tok, text, size, &err);
    free(text);
    qv_tokenizer_close(tok);
    return result ? qv__say_failure(&err) : 0;
}
