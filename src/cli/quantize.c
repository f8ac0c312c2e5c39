/* quantize.c - quiver quantize: a model as one GGUF file. */
#include "base/clock.h"
#include "cli/cli.h"
#include "model/quantize.h"

struct args {
    const char *model, *out;
    const struct qv_block_type *type;
    bool as_json;
};

enum { KEY_TYPE = 256 };

static const struct qv_block_type *type_named(const struct argp_state *state,
                                              const char *name)
{
    const struct qv_block_type *type = qv__block_named(name);
    if (type && type->computes)
        return type;
    argp_error(state,
               "--type: '%s' is not f32, f16, bf16, q8_0, q6_k, q5_k, q5_1, q5_0, q4_k, "
               "q4_1, q4_0, q3_k or q2_k",
               name);
    return NULL;
}

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
    case 'o':
        a->out = arg;
        break;
    case KEY_TYPE:
        a->type = type_named(state, arg);
        break;
    case ARGP_KEY_END:
        qv__arg_needed(state, a->model, "--model");
        qv__arg_needed(state, a->out, "--out");
        if (!a->type)
            a->type = qv__block(QV_BLOCK_Q8_0);
        break;
    default:
        return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

static const struct argp_option options[] = {
    {"model", 'm', "M", 0, "The model's directory", 0},
    {"type", KEY_TYPE, "TYPE", 0,
     "f32, f16, bf16, q8_0 (the default), q6_k, q5_k, q5_1, q5_0, q4_k, q4_1, q4_0, q3_k "
     "or "
     "q2_k",
     0},
    {"out", 'o', "FILE", 0, "The GGUF file to write", 0},
    {0},
};
static const struct argp spec = {
    .options = options,
    .parser = parse,
    .doc = "Write a model as one GGUF file, its weights in fewer bits.\v"
           "With --json: {\"out\":...,\"type\":...,\"seconds\":...}.",
    .children = qv__json_children,
};

int cmd_quantize(int argc, char **argv)
{
    struct args a = {0};
    argp_parse(&spec, argc, argv, 0, NULL, &a);
    qv_err err;
    qv_model *model;
    double begun = qv__seconds();
    // Weights stay in the file as they are: nothing is multiplied here.
    qv_status result =
        qv_model_open(&model, a.model, &(qv_model_opts){.compute = QV_COMPUTE_BF16}, &err);
    if (!result) {
        struct qv_teller teller;
        qv_progress progress = qv__teller_begin(&teller);
        result = qv__model_quantize(model, a.out, a.type, progress, &err);
        qv__teller_end(&teller);
    }
    if (!result)
        qv__print(json_pack("{s:s, s:s, s:f}", "out", a.out, "type", a.type->name,
                            "seconds", qv__seconds() - begun),
                  a.as_json);
    qv_model_close(model);
    return result ? qv__say_failure(&err) : 0;
}
