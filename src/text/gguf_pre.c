/* gguf_pre.c - see gguf_pre.h. Two pre-tokenizers are the same if described alike. */
#include "text/gguf_pre.h"

#include <string.h>

#define BYTES(regex)                                                                       \
    "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"use_regex\":" regex "}"
#define STEPS(first, second)                                                               \
    "{\"type\":\"Sequence\",\"pretokenizers\":[" first "," second "]}"
#define DIGITS STEPS("{\"type\":\"Digits\",\"individual_digits\":true}", BYTES("true"))
#define WORDS(digits)                                                                      \
    STEPS("{\"type\":\"Split\",\"behavior\":\"Isolated\",\"pattern\":{\"Regex\":\""        \
          "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\\\r\\\\n\\\\p{L}\\\\p{N}]?\\\\p{L}+|"          \
          "\\\\p{N}" digits "| ?[^\\\\s\\\\p{L}\\\\p{N}]+[\\\\r\\\\n]*|"                   \
          "\\\\s*[\\\\r\\\\n]+|\\\\s+(?!\\\\S)|\\\\s+\"}}",                                \
          BYTES("false"))
#define NFC "{\"type\":\"NFC\"}"

/* The first of those that are alike is the one that is written. */
static const struct qv_gguf_pre known[] = {
    {"gpt-2", BYTES("true"), "null", false, false},
    {"phi-2", BYTES("true"), "null", false, false},
    {"mpt", BYTES("true"), NFC, false, false},
    {"olmo", BYTES("true"), NFC, false, false},
    {"smollm", DIGITS, "null", false, false},
    {"starcoder", DIGITS, "null", false, false},
    {"llama-bpe", WORDS("{1,3}"), "null", true, true},
    {"llama3", WORDS("{1,3}"), "null", true, true},
    {"llama-v3", WORDS("{1,3}"), "null", true, true},
    {"qwen2", WORDS(""), NFC, false, false},
    {"stablelm2", WORDS(""), "null", false, false},
};

const struct qv_gguf_pre *qv__gguf_pre(const char *name)
{
    for (size_t i = 0; i < QV_COUNT(known); i++)
        if (strcmp(known[i].name, name) == 0)
            return &known[i];
    return NULL;
}

static void add(char **out, qv_arena *a, const char *text)
{
    *out = **out ? qv__arena_fmt(a, "%s, %s", *out, text) : qv__arena_str(a, text);
}

/* Adds "Digits", "ByteLevel", a Split's regular expression; false if something is none of
 * these. */
static bool describe(char **out, qv_arena *a, const json_t *v)
{
    const char *type = json_string_value(json_object_get(v, "type"));
    const char *text = NULL;
    if (!type)
        return false;
    const json_t *list = json_object_get(v, "pretokenizers");
    if (strcmp(type, "Sequence") == 0) {
        for (size_t i = 0; i < json_array_size(list); i++)
            if (!describe(out, a, json_array_get(list, i)))
                return false;
        return true;
    }
    if (strcmp(type, "Split") == 0 && !json_is_true(json_object_get(v, "invert"))) {
        text = json_string_value(json_object_get(json_object_get(v, "pattern"), "Regex"));
    } else if (strcmp(type, "Digits") == 0 &&
               json_is_true(json_object_get(v, "individual_digits"))) {
        text = type;
    } else if (strcmp(type, "ByteLevel") == 0 &&
               !json_is_true(json_object_get(v, "add_prefix_space"))) {
        text = json_is_false(json_object_get(v, "use_regex")) ? "bytes" : type;
    }
    if (text)
        add(out, a, text);
    return text != NULL;
}

/* A normalizer by its type, behind "then"; one of several steps has no description. */
static bool describe_both(char **out, qv_arena *a, const json_t *pre, const json_t *norm)
{
    *out = qv__arena_str(a, "");
    if (!describe(out, a, pre))
        return false;
    const char *type = json_string_value(json_object_get(norm, "type"));
    if (json_is_object(norm) && (!type || strcmp(type, "NFC") != 0))
        return false;
    *out = qv__arena_fmt(a, "%s, then %s", *out, type ? type : "nothing");
    return true;
}

const char *qv__gguf_pre_name(const json_t *tokenizer, qv_arena *a)
{
    char *asked, *here;
    if (!describe_both(&asked, a, json_object_get(tokenizer, "pre_tokenizer"),
                       json_object_get(tokenizer, "normalizer")))
        return NULL;
    for (size_t i = 0; i < QV_COUNT(known); i++) {
        json_t *pre = json_loads(known[i].pre_tokenizer, JSON_DECODE_ANY, NULL);
        json_t *norm = json_loads(known[i].normalizer, JSON_DECODE_ANY, NULL);
        bool is_known = describe_both(&here, a, pre, norm);
        json_decref(pre);
        json_decref(norm);
        qv_check(is_known);
        if (strcmp(asked, here) == 0)
            return known[i].name;
    }
    return NULL;
}
