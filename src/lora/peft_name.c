/* peft_name.c - see peft_name.h. */
#include "lora/peft_name.h"
#include "base/file.h"

#include <string.h>

/* What stands between a module's path and the end of a name: `has`, for some parts the
 * adapter's name, `ends`. Where two fit, the last in the name counts. */
static const struct form {
    enum qv_peft_part part;
    const char *has, *ends;
} forms[] = {
    {QV_PEFT_A, ".lora_A", ".weight"},
    {QV_PEFT_B, ".lora_B", ".weight"},
    {QV_PEFT_B_BIAS, ".lora_B", ".bias"},
    {QV_PEFT_EMBEDDING_A, ".lora_embedding_A", ""},
    {QV_PEFT_EMBEDDING_B, ".lora_embedding_B", ""},
    {QV_PEFT_MAGNITUDE, ".lora_magnitude_vector", ".weight"},
    {QV_PEFT_MAGNITUDE, ".lora_magnitude_vector", ""},
    {QV_PEFT_TOKENS, ".token_adapter.trainable_tokens_delta", ""},
};

/* Names of others, told by what they contain. */
static const struct stranger {
    const char *has, *says;
} strangers[] = {
    {".lora_diag", "KaSA is not supported"},
    {".lora_monteclora_sampler", "MonteCLoRA's sampler is not supported"},
    {".lora_down.", "Kohya's names are not supported, PEFT's are"},
    {".lora_up.", "Kohya's names are not supported, PEFT's are"},
    {".lora.down.", "diffusers' names are not supported, PEFT's are"},
    {".lora.up.", "diffusers' names are not supported, PEFT's are"},
    {".lora_a", "MLX's transposed matrices are not supported"},
    {".lora_b", "MLX's transposed matrices are not supported"},
    {".lora_", "a name that PEFT does not give"},
    {".trainable_tokens_", "a name that PEFT does not give"},
};

static qv_status refuse_stranger(const char *name, qv_err *err)
{
    for (size_t i = 0; i < QV_COUNT(strangers); i++)
        if (strstr(name, strangers[i].has))
            return qv_fail(err, QV_EUNSUPPORTED, "%s", strangers[i].says);
    return QV_OK;
}

/* `name` without every segment `gone` ("x."). */
static char *without(qv_arena *a, const char *name, const char *gone)
{
    char *copy = qv__arena_str(a, name), *to = copy;
    size_t n = strlen(gone);
    for (const char *from = name; *from;) {
        if ((from == name || from[-1] == '.') && strncmp(from, gone, n) == 0)
            from += n;
        else
            *to++ = *from++;
    }
    *to = '\0';
    return copy;
}

static char *after(char *s, const char *prefix)
{
    size_t n = strlen(prefix);
    return strncmp(s, prefix, n) == 0 ? s + n : s;
}

/* The last place in `s` where `what` starts, or NULL. */
static char *last_of(char *s, const char *what)
{
    char *last = NULL;
    for (char *at = s; (at = strstr(at, what)); at++)
        last = at;
    return last;
}

/* Cut `path` where a form begins, if `path` is of that form. */
static bool fits(struct qv_peft_name *out, char *path, const struct form *f, qv_arena *a)
{
    char *at = last_of(path, f->has);
    if (!at || !qv__ends_with(path, f->ends))
        return false;
    char *rest = at + strlen(f->has); // "", or "." and the adapter's name
    size_t n = strlen(path) - strlen(f->ends);
    if (path + n < rest)
        return false;
    n -= (size_t)(rest - path);
    if (n && (n == 1 || rest[0] != '.' || memchr(rest + 1, '.', n - 1)))
        return false;
    out->part = f->part;
    out->adapter = n ? qv__arena_strn(a, rest + 1, n - 1) : "";
    *at = '\0';
    return true;
}

/* path[.base_layer].weight or .bias */
static qv_status read_whole(struct qv_peft_name *out, char *path, qv_err *err)
{
    bool is_bias = qv__ends_with(path, ".bias");
    qv_status result = refuse_stranger(path, err);
    if (result)
        return result;
    if (!is_bias && !qv__ends_with(path, ".weight"))
        return qv_fail(err, QV_EFORMAT, "nothing that an adapter holds");
    out->part = is_bias ? QV_PEFT_BIAS : QV_PEFT_WEIGHT;
    *last_of(path, ".") = '\0';
    out->is_base_layer = qv__ends_with(path, ".base_layer");
    if (out->is_base_layer)
        *last_of(path, ".base_layer") = '\0';
    return QV_OK;
}

qv_status qv__peft_name(struct qv_peft_name *out, const char *name, qv_arena *a,
                        qv_err *err)
{
    char *path = after(without(a, name, "_orig_mod."), "module.");
    char *inner = after(path, "base_model.model.");
    path = inner == path ? after(path, "base_model.") : inner;
    *out = (struct qv_peft_name){.path = path, .adapter = ""};

    size_t i = 0;
    while (i < QV_COUNT(forms) && !fits(out, path, &forms[i], a))
        i++;
    if (i == QV_COUNT(forms)) {
        qv_status result = read_whole(out, path, err);
        if (result)
            return result;
    }
    if (strstr(path, ".base_layer") || strstr(path, ".lora_"))
        return qv_fail(err, QV_EUNSUPPORTED,
                       "adapted parameters of a module are not supported");
    if (*path == '\0')
        return qv_fail(err, QV_EFORMAT, "names no module");
    return QV_OK;
}
