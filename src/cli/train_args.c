/* train_args.c - the options of training, for `train` and `build`. Where zero means
 * the default to the library, a true zero is passed on as a negative number. */
#include "cli/cli.h"

enum {
    KEY_RANK = 256,
    KEY_ALPHA,
    KEY_DROPOUT,
    KEY_SITES,
    KEY_LR,
    KEY_MIX_LR,
    KEY_WARMUP,
    KEY_WEIGHT_DECAY,
    KEY_BETA2,
    KEY_CLIP,
    KEY_BATCH,
    KEY_EPOCHS,
    KEY_STEPS,
    KEY_MAX_TOKENS,
    KEY_PASS_TOKENS,
    KEY_VALID_EVERY,
    KEY_VALID_LIMIT,
    KEY_SAVE_EVERY,
    KEY_LANES,
    KEY_MEMORY,
};

static float or_none(float x)
{
    return x > 0 ? x : -1;
}

static error_t parse_floats(int key, const char *arg, struct argp_state *state)
{
    qv_train_opts *o = state->input;
    switch (key) {
    case KEY_ALPHA:
        o->alpha = qv__arg_float(state, "--alpha", arg, 1e-6, 1e6);
        break;
    case KEY_DROPOUT:
        o->dropout = or_none(qv__arg_float(state, "--dropout", arg, 0, 0.99));
        break;
    case KEY_LR:
        o->lr = qv__arg_float(state, "--lr", arg, 1e-12, 1e3);
        break;
    case KEY_MIX_LR:
        o->mix_lr = qv__arg_float(state, "--mix-lr", arg, 1e-12, 1e3);
        break;
    case KEY_WARMUP:
        o->warmup = or_none(qv__arg_float(state, "--warmup", arg, 0, 1));
        break;
    case KEY_WEIGHT_DECAY:
        o->weight_decay = qv__arg_float(state, "--weight-decay", arg, 0, 1e3);
        break;
    case KEY_BETA2:
        o->beta2 = qv__arg_float(state, "--beta2", arg, 1e-3, 0.999999);
        break;
    case KEY_CLIP:
        o->clip = or_none(qv__arg_float(state, "--clip", arg, 0, 1e6));
        break;
    default:
        return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    qv_train_opts *o = state->input;
    switch (key) {
    case KEY_RANK:
        o->rank = qv__arg_size(state, "--rank", arg, 1);
        break;
    case KEY_SITES:
        o->sites = arg;
        break;
    case KEY_BATCH:
        o->batch = qv__arg_size(state, "--batch", arg, 1);
        break;
    case KEY_EPOCHS:
        o->epochs = qv__arg_size(state, "--epochs", arg, 1);
        break;
    case KEY_STEPS:
        o->steps = qv__arg_size(state, "--steps", arg, 1);
        break;
    case KEY_MAX_TOKENS:
        o->max_tokens = qv__arg_size(state, "--max-tokens", arg, 2);
        break;
    case KEY_PASS_TOKENS:
        o->pass_tokens = qv__arg_size(state, "--pass-tokens", arg, 1);
        break;
    case KEY_VALID_EVERY:
        o->valid_every = qv__arg_size(state, "--valid-every", arg, 1);
        break;
    case KEY_VALID_LIMIT:
        o->valid_limit = qv__arg_size(state, "--valid-limit", arg, 1);
        break;
    case KEY_SAVE_EVERY:
        o->save_every = qv__arg_float(state, "--save-every", arg, 0.001, 1e9);
        break;
    case KEY_MEMORY:
        o->memory = qv__arg_size(state, "--memory", arg, 1);
        break;
    case KEY_LANES:
        o->lanes = qv__arg_size(state, "--lanes", arg, 1);
        break;
    default:
        return parse_floats(key, arg, state);
    }
    return 0;
}

static const struct argp_option options[] = {
    {NULL, 0, NULL, 0, "The expert:", 3},
    {"rank", KEY_RANK, "R", 0, "Of each LoRA (4)", 3},
    {"alpha", KEY_ALPHA, "X", 0, "Its scale is alpha / rank (16)", 3},
    {"dropout", KEY_DROPOUT, "P", 0, "Of the LoRA's input (0.05)", 3},
    {"sites", KEY_SITES, "REGEX", 0, "Adapted maps (q_proj|k_proj|v_proj|o_proj)", 3},
    {NULL, 0, NULL, 0, "Training:", 4},
    {"lr", KEY_LR, "X", 0, "Highest learning rate (1e-4; 3e-5 with --full)", 4},
    {"mix-lr", KEY_MIX_LR, "X", 0, "The same for weights that mix experts (0.1)", 4},
    {"warmup", KEY_WARMUP, "P", 0, "Share of the steps that lead up to it (0.06)", 4},
    {"weight-decay", KEY_WEIGHT_DECAY, "X", 0, "AdamW's (0)", 4},
    {"beta2", KEY_BETA2, "X", 0, "AdamW's (0.999)", 4},
    {"clip", KEY_CLIP, "X", 0, "Largest norm of a gradient; 0: any (0.1)", 4},
    {"batch", KEY_BATCH, "N", 0, "Sequences a step (16)", 4},
    {"epochs", KEY_EPOCHS, "N", 0, "Times that the data is seen (5)", 4},
    {"steps", KEY_STEPS, "N", 0, "Steps, instead of epochs", 4},
    {"max-tokens", KEY_MAX_TOKENS, "N", 0,
     "Of a sequence; longer ones are cut (the context)", 4},
    {"pass-tokens", KEY_PASS_TOKENS, "N", 0, "Packed into one thread's pass (1024)", 4},
    {"valid-every", KEY_VALID_EVERY, "N", 0, "Steps between validations (an epoch)", 4},
    {"valid-limit", KEY_VALID_LIMIT, "N", 0, "Examples of a task to validate on (all)", 4},
    {"save-every", KEY_SAVE_EVERY, "N", 0, "Seconds between checkpoints (60)", 4},
    {"lanes", KEY_LANES, "N", 0, "Threads that share a batch (all)", 4},
    {"memory", KEY_MEMORY, "MIB", 0,
     "For activations; what does not fit is computed twice (half of the machine's)", 4},
    {0},
};

const struct argp qv__train_argp = {.options = options, .parser = parse};
