/* args.c - options that several commands have: numbers, the model, who answers. */
#include "cli/args.h"
#include "route/route.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

size_t qv__arg_size(const struct argp_state *state, const char *option, const char *arg,
                    size_t least)
{
    char *end;
    errno = 0;
    unsigned long long x = strtoull(arg, &end, 10);
    bool is_number = *arg >= '0' && *arg <= '9' && *end == '\0' && !errno;
    if (!is_number || x > SIZE_MAX / 2)
        argp_error(state, "%s: '%s' is not a whole number", option, arg);
    else if (x < least)
        argp_error(state, "%s: %s is less than %zu", option, arg, least);
    return (size_t)x;
}

double qv__arg_double(const struct argp_state *state, const char *option, const char *arg,
                      double least, double most)
{
    char *end;
    double x = strtod(arg, &end);
    if (*arg == '\0' || *end != '\0' || !isfinite(x))
        argp_error(state, "%s: '%s' is not a number", option, arg);
    else if (x < least || x > most)
        argp_error(state, "%s: %s is not in %g .. %g", option, arg, least, most);
    return x;
}

float qv__arg_float(const struct argp_state *state, const char *option, const char *arg,
                    double least, double most)
{
    return (float)qv__arg_double(state, option, arg, least, most);
}

bool qv__arg_second(const struct argp_state *state, const char *option, const char *arg,
                    const char *first, const char *second)
{
    bool is_second = strcmp(arg, second) == 0;
    if (!is_second && strcmp(arg, first) != 0)
        argp_error(state, "%s: '%s' is not %s or %s", option, arg, first, second);
    return is_second;
}

void qv__arg_only(const struct argp_state *state, const char **to, const char *arg,
                  const char *what)
{
    if (*to)
        argp_error(state, "one %s at a time", what);
    *to = arg;
}

void qv__arg_needed(const struct argp_state *state, bool is_given, const char *option)
{
    if (!is_given)
        argp_error(state, "%s is missing", option);
}

void qv__words_add(struct qv_words *w, const char *word)
{
    const char **more = realloc(w->at, (w->n + 1) * sizeof *more);
    qv_check(more);
    w->at = more;
    w->at[w->n++] = word;
}

void qv__words_split(struct qv_words *w, char *list)
{
    for (char *comma; (comma = strchr(list, ',')); list = comma + 1) {
        *comma = '\0';
        qv__words_add(w, list);
    }
    qv__words_add(w, list);
}

void qv__words_free(struct qv_words *w)
{
    free(w->at);
}

static error_t parse_json(int key, char *arg, struct argp_state *state)
{
    (void)arg;
    if (key != 'j')
        return ARGP_ERR_UNKNOWN;
    *(bool *)state->input = true;
    return 0;
}

static const struct argp_option json_options[] = {
    {"json", 'j', NULL, 0, "Print one JSON object", -1},
    {0},
};
const struct argp qv__json_argp = {.options = json_options, .parser = parse_json};

static error_t parse_seed(int key, char *arg, struct argp_state *state)
{
    if (key != 's')
        return ARGP_ERR_UNKNOWN;
    *(uint64_t *)state->input = qv__arg_size(state, "--seed", arg, 0);
    return 0;
}

static const struct argp_option seed_options[] = {
    {"seed", 's', "N", 0, "Where randomness starts (0)", -1},
    {0},
};
const struct argp qv__seed_argp = {.options = seed_options, .parser = parse_seed};

enum {
    KEY_COMPUTE = 256,
    KEY_ADAPTER,
    KEY_LIBRARY,
    KEY_ROUTER,
    KEY_EXPERT,
    KEY_COMPOSE,
    KEY_TOP_K,
    KEY_TEMPERATURE,
    KEY_FILTER,
    KEY_GENERAL,
    KEY_SUBTRACT,
};

static error_t parse_base(int key, char *arg, struct argp_state *state)
{
    struct qv_base *b = state->input;
    switch (key) {
    case 'm':
        b->dir = arg;
        break;
    case KEY_COMPUTE:
        if (strcmp(arg, "auto") == 0)
            b->opts.compute = QV_COMPUTE_AUTO;
        else if (strcmp(arg, "f32") == 0)
            b->opts.compute = QV_COMPUTE_F32;
        else if (strcmp(arg, "bf16") == 0)
            b->opts.compute = QV_COMPUTE_BF16;
        else
            argp_error(state, "--compute: '%s' is not auto, f32 or bf16", arg);
        break;
    case ARGP_KEY_END:
        qv__arg_needed(state, b->dir || b->is_optional, "--model");
        break;
    default:
        return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

static const struct argp_option base_options[] = {
    {"model", 'm', "M", 0, "The model: a Hugging Face directory or a GGUF file", -2},
    {"compute", KEY_COMPUTE, "HOW", 0,
     "auto (bf16 where the machine multiplies it), f32 or bf16", -2},
    {0},
};
const struct argp qv__base_argp = {.options = base_options, .parser = parse_base};

static void choose_router(qv_reuse_opts *o, const char *name,
                          const struct argp_state *state)
{
    if (!qv__router_find(name))
        argp_error(state, "--router: no router is named '%s'", name);
    o->router = name;
}

/* Choices that contradict one another. */
static void check_who(const qv_reuse_opts *o, const struct argp_state *state)
{
    if (o->adapter && (o->library || o->router || o->expert))
        argp_error(state, "--adapter goes without --library, --router and --expert");
    else if (!o->library && (o->router || o->expert))
        argp_error(state, "%s needs a --library", o->router ? "--router" : "--expert");
    else if (o->router && o->expert)
        argp_error(state, "--router and --expert: choose one");
    else if (o->library && !o->router && !o->expert)
        argp_error(state, "--library needs a --router or an --expert");
    else if (o->general && !o->library)
        argp_error(state, "--general needs a --library");
}

static error_t parse_who(int key, char *arg, struct argp_state *state)
{
    qv_reuse_opts *o = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        if (state->child_inputs)
            state->child_inputs[0] = o;
        break;
    case KEY_ADAPTER:
        o->adapter = arg;
        break;
    case KEY_LIBRARY:
        o->library = arg;
        break;
    case KEY_ROUTER:
        choose_router(o, arg, state);
        break;
    case KEY_EXPERT:
        o->expert = arg;
        break;
    case KEY_TOP_K:
        o->top_k = qv__arg_size(state, "--top-k", arg, 1);
        break;
    case KEY_TEMPERATURE:
        o->temperature = qv__arg_float(state, "--temperature", arg, 1e-6, 1e6);
        break;
    case KEY_COMPOSE:
        o->compose = qv__arg_second(state, "--compose", arg, "factor", "output")
                         ? QV_COMPOSE_OUTPUT
                         : QV_COMPOSE_FACTOR;
        break;
    case KEY_FILTER:
        o->filter = qv__arg_size(state, "--filter", arg, 1);
        break;
    case KEY_GENERAL:
        o->general = arg;
        break;
    case KEY_SUBTRACT:
        o->subtract = qv__arg_second(state, "--subtract", arg, "factor", "exact")
                          ? QV_SUBTRACT_EXACT
                          : QV_SUBTRACT_FACTOR;
        break;
    case ARGP_KEY_END:
        if (state->child_inputs)
            check_who(o, state);
        break;
    default:
        return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

static void list_routers(FILE *f)
{
    static const char *const needs[] = {[QV_NEEDS_NOTHING] = "",
                                        [QV_NEEDS_DATA] = " (needs data)",
                                        [QV_NEEDS_TRAINING] = " (needs training)"};
    for (const struct qv_router_ops *const *r = qv__routers(); *r; r++)
        fprintf(f, "%s %s: %s%s", r == qv__routers() ? "" : ";", (*r)->name, (*r)->about,
                needs[(*r)->needs]);
}

static char *filter_help(int key, const char *text, void *input)
{
    (void)input;
    return qv__help_list(key == KEY_ROUTER, text, list_routers);
}

#define TOP_K       "Experts a token may use (4; retrieval 3, phatgoose 2, lag 1)"
#define TEMPERATURE "Of the router's softmax (1)"

static const struct argp_option short_options[] = {
    {"top-k", KEY_TOP_K, "K", 0, TOP_K, 2},
    {"router-top-k", 0, NULL, OPTION_ALIAS, NULL, 2},
    {"temperature", KEY_TEMPERATURE, "X", 0, TEMPERATURE, 2},
    {"router-temperature", 0, NULL, OPTION_ALIAS, NULL, 2},
    {0},
};
static const struct argp_option long_options[] = {
    {"router-top-k", KEY_TOP_K, "K", 0, TOP_K, 2},
    {"router-temperature", KEY_TEMPERATURE, "X", 0, TEMPERATURE, 2},
    {0},
};
static const struct argp_option who_options[] = {
    {NULL, 0, NULL, 0, "Who answers: the base alone, or", 2},
    {"adapter", KEY_ADAPTER, "PATH", 0,
     "One adapter, used alone: a PEFT directory or a GGUF file", 2},
    {"library", KEY_LIBRARY, "LIB", 0, "Experts of this library: with --router or --expert",
     2},
    {"router", KEY_ROUTER, "R", 0, "Who chooses among them:", 2},
    {"expert", KEY_EXPERT, "NAME", 0, "This expert of the library, instead of a router", 2},
    {"compose", KEY_COMPOSE, "HOW", 0,
     "How weighted experts become one update: factor (the paper's) or output (PEFT's, "
     "and phatgoose's default)",
     2},
    {"filter", KEY_FILTER, "N", 0, "lag: experts that arrow lets through (20)", 2},
    {"general", KEY_GENERAL, "NAMES", 0,
     "Take the mean of these experts, parted by commas, from all others first", 2},
    {"subtract", KEY_SUBTRACT, "HOW", 0,
     "How: factor by factor (factor) or update by update (exact)", 2},
    {0},
};

static const struct argp short_argp = {.options = short_options, .parser = parse_who};
static const struct argp long_argp = {.options = long_options, .parser = parse_who};
static const struct argp_child short_child[] = {{&short_argp, 0, NULL, 0}, {0}};
static const struct argp_child long_child[] = {{&long_argp, 0, NULL, 0}, {0}};

const struct argp qv__who_argp = {.options = who_options,
                                  .parser = parse_who,
                                  .children = short_child,
                                  .help_filter = filter_help};
const struct argp qv__who_gen_argp = {.options = who_options,
                                      .parser = parse_who,
                                      .children = long_child,
                                      .help_filter = filter_help};

const struct argp_child qv__json_children[] = {{&qv__json_argp, 0, NULL, 0}, {0}};
const struct argp_child qv__seed_children[] = {
    {&qv__seed_argp, 0, NULL, 0}, {&qv__json_argp, 0, NULL, 0}, {0}};
const struct argp_child qv__reuse_children[] = {{&qv__base_argp, 0, NULL, 0},
                                                {&qv__who_argp, 0, NULL, 0},
                                                {&qv__json_argp, 0, NULL, 0},
                                                {0}};
const struct argp_child qv__train_children[] = {{&qv__base_argp, 0, NULL, 0},
                                                {&qv__train_argp, 0, NULL, 0},
                                                {&qv__seed_argp, 0, NULL, 0},
                                                {&qv__json_argp, 0, NULL, 0},
                                                {0}};

qv_status qv__reuse_begin(qv_model **m, qv_reuse **reuse, const struct qv_base *base,
                          const qv_reuse_opts *who, qv_err *err)
{
    *reuse = NULL;
    qv_status result = qv_model_open(m, base->dir, &base->opts, err);
    return result ? result : qv_reuse_open(reuse, *m, who, err);
}

char *qv__help_list(bool here, const char *text, void (*list)(FILE *f))
{
    if (!here)
        return (char *)(uintptr_t)text;
    size_t size = 0;
    char *out = NULL; // argp ends it with free()
    FILE *f = open_memstream(&out, &size);
    qv_check(f);
    fputs(text, f);
    list(f);
    fclose(f);
    return out;
}
