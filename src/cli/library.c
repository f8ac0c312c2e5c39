/* library.c - quiver library: the experts of a library, and changes to them. Each
 * action is one function and one line in the table. */
#include "cli/cli.h"
#include "library/meta.h"
#include "model/gguf_adapter.h"

#include <stdlib.h>
#include <string.h>

struct args {
    struct qv_words words; // the action, the library, and what else it takes
    struct qv_words tasks;
    struct qv_prepare *prepare;
    bool replaces, as_json;
    int code; // to exit with, if nothing fails
};

/* The model's directory, or NULL; of GGUF adapters and import its config.json is enough. */
static const char *model_of(const struct args *a)
{
    return a->prepare->base.dir;
}

/* What an action does with a library. */
enum needs { OPENS, MAKES, HAS_NONE };

/* An action on an open library with its own words. */
struct action {
    const char *name, *takes, *gist;
    size_t n_words; // after the library, or after an adapter in its place
    enum needs needs;
    qv_status (*run)(qv_library *lib, const char *const *word, struct args *a, qv_err *err);
};

static json_t *describe(const qv_expert_info *e)
{
    json_t *scores = json_array(), *data = json_array(), *settings = NULL;
    const qv_expert_meta *m = &e->meta;
    for (size_t i = 0; i < m->n_scores; i++)
        json_array_append_new(scores, json_pack("{s:s, s:s, s:o}", "task", m->score[i].task,
                                                "metric", m->score[i].metric, "value",
                                                qv__json_number(m->score[i].value)));
    for (size_t i = 0; i < m->n_data; i++)
        json_array_append_new(data, json_pack("{s:s, s:s?}", "path", m->data[i].path,
                                              "hash", m->data[i].hash));
    if (m->settings && qv__json_parse(&settings, m->settings, strlen(m->settings), NULL))
        settings = NULL;
    return json_pack(
        "{s:s, s:s?, s:s?, s:I, s:I, s:I, s:I, s:o, s:s?, s:s?, s:o*, s:o, s:o}", "name",
        e->name, "hash", e->hash, "created_by", e->created_by, "n_sites",
        (json_int_t)e->n_sites, "n_weights", (json_int_t)e->n_weights, "min_rank",
        (json_int_t)e->min_rank, "max_rank", (json_int_t)e->max_rank, "tasks",
        qv__json_strings(m->task, m->n_tasks), "base", m->base_name, "base_hash",
        m->base_hash, "settings", settings, "data", data, "scores", scores);
}

static json_t *row_of(const qv_expert_info *e)
{
    json_t *tasks = qv__json_strings(e->meta.task, e->meta.n_tasks);
    return json_pack("{s:s, s:I, s:I, s:I, s:I, s:o}", "name", e->name, "min_rank",
                     (json_int_t)e->min_rank, "max_rank", (json_int_t)e->max_rank,
                     "n_sites", (json_int_t)e->n_sites, "n_weights",
                     (json_int_t)e->n_weights, "tasks", tasks);
}

static qv_status run_list(qv_library *lib, const char *const *word, struct args *a,
                          qv_err *err)
{
    (void)word;
    qv_snapshot *snap;
    qv_status result = qv_library_snapshot(&snap, lib, err);
    if (result)
        return result;
    json_t *rows = json_array();
    size_t n = qv_snapshot_size(snap);
    for (size_t i = 0; i < n; i++)
        json_array_append_new(rows, row_of(qv_snapshot_info(snap, i)));
    const qv_library_opts *facts = qv_library_facts(lib);
    qv__print(json_pack("{s:s, s:s?, s:s?, s:I, s:o}", "library", a->words.at[1], "base",
                        facts->base_name, "base_hash", facts->base_hash, "n_experts",
                        (json_int_t)n, "experts", rows),
              a->as_json);
    qv_snapshot_release(snap);
    return QV_OK;
}

static qv_status run_show(qv_library *lib, const char *const *word, struct args *a,
                          qv_err *err)
{
    qv_snapshot *snap;
    qv_status result = qv_library_snapshot(&snap, lib, err);
    if (result)
        return result;
    size_t i = qv_snapshot_find(snap, word[0]);
    if (i < qv_snapshot_size(snap))
        qv__print(describe(qv_snapshot_info(snap, i)), a->as_json);
    else
        result = qv_fail(err, QV_ENOTFOUND, "%s: no expert is named '%s'", a->words.at[1],
                         word[0]);
    qv_snapshot_release(snap);
    return result;
}

/* A change that worked, as JSON: {"added":"name"}. A person is told nothing. */
static void print_done(const struct args *a, const char *what, const char *name)
{
    if (a->as_json)
        qv__print(json_pack("{s:s}", what, name), true);
}

static qv_status run_add(qv_library *lib, const char *const *word, struct args *a,
                         qv_err *err)
{
    const qv_expert_opts opts = {
        .meta = {.task = a->tasks.at, .n_tasks = a->tasks.n},
        .replace = a->replaces,
    };
    qv_status result =
        model_of(a) ? qv_library_add_gguf(lib, word[0], word[1], model_of(a), &opts, err)
                    : qv_library_add(lib, word[0], word[1], &opts, err);
    if (!result)
        print_done(a, "added", word[0]);
    return result;
}

static qv_status run_remove(qv_library *lib, const char *const *word, struct args *a,
                            qv_err *err)
{
    qv_status result = qv_library_remove(lib, word[0], err);
    if (!result)
        print_done(a, "removed", word[0]);
    return result;
}

static qv_status run_rename(qv_library *lib, const char *const *word, struct args *a,
                            qv_err *err)
{
    qv_status result = qv_library_rename(lib, word[0], word[1], err);
    if (!result)
        print_done(a, "renamed", word[1]);
    return result;
}

static qv_status run_export(qv_library *lib, const char *const *word, struct args *a,
                            qv_err *err)
{
    qv_status result = model_of(a)
                           ? qv_library_export_gguf(lib, word[0], word[1], model_of(a), err)
                           : qv_library_export(lib, word[0], word[1], err);
    if (!result)
        print_done(a, "exported", word[1]);
    return result;
}

/* There is no library: its place among the words has the adapter that is read. */
static qv_status run_convert(qv_library *lib, const char *const *word, struct args *a,
                             qv_err *err)
{
    (void)lib;
    qv_status result = qv_adapter_convert(a->words.at[1], word[0], model_of(a), err);
    if (!result)
        print_done(a, "converted", word[0]);
    return result;
}

/* The names of experts added, and of those that mttl has as deleted. */
struct imported {
    json_t *added, *left_out;
};

static void note_imported(void *arg, const char *name, bool is_deleted)
{
    struct imported *i = arg;
    json_array_append_new(is_deleted ? i->left_out : i->added, json_string(name));
}

static qv_status run_import(qv_library *lib, const char *const *word, struct args *a,
                            qv_err *err)
{
    struct imported names = {json_array(), json_array()};
    qv_status result = qv_library_import_mttl(lib, word[0], model_of(a), a->replaces,
                                              note_imported, &names, err);
    if (!result)
        qv__print(json_pack("{s:s, s:o, s:O, s:O}", "library", a->words.at[1], "n_experts",
                            json_integer((json_int_t)json_array_size(names.added)),
                            "imported", names.added, "left_out", names.left_out),
                  a->as_json);
    json_decref(names.added);
    json_decref(names.left_out);
    return result;
}

static void note_problem(void *arg, const char *expert, const char *sentence)
{
    json_array_append_new(arg,
                          json_pack("{s:s?, s:s}", "expert", expert, "problem", sentence));
}

static qv_status run_verify(qv_library *lib, const char *const *word, struct args *a,
                            qv_err *err)
{
    (void)word;
    size_t n;
    json_t *problems = json_array();
    qv_status result = qv_library_verify(lib, note_problem, problems, &n, err);
    if (!result) {
        if (a->as_json || n)
            qv__print(json_pack("{s:O}", "problems", problems), a->as_json);
        else
            puts("everything is as it should be");
        a->code = n ? QV_FAILED : 0;
    }
    json_decref(problems);
    return result;
}

static qv_status run_prepare(qv_library *lib, const char *const *word, struct args *a,
                             qv_err *err)
{
    (void)lib;
    (void)word;
    return qv__prepare(a->words.at[1], a->prepare, a->as_json, err);
}

static const struct action actions[] = {
    {"list", "LIB", "the experts", 0, OPENS, run_list},
    {"show", "LIB NAME", "all that is known of one", 1, OPENS, run_show},
    {"add", "LIB NAME ADAPTER", "copy an adapter into it, which is made if need be", 2,
     MAKES, run_add},
    {"remove", "LIB NAME", "take one out", 1, OPENS, run_remove},
    {"rename", "LIB NAME TO", "call one otherwise", 2, OPENS, run_rename},
    {"verify", "LIB", "re-read and re-hash everything; exit 1 on a problem", 0, OPENS,
     run_verify},
    {"export", "LIB NAME ADAPTER", "copy one out", 2, OPENS, run_export},
    {"import", "LIB DIR", "add the experts of a library of mttl's", 1, MAKES, run_import},
    {"convert", "ADAPTER ADAPTER", "write the first as the second, without a library", 1,
     HAS_NONE, run_convert},
    {"prepare", "LIB", "make what a router needs besides the experts", 0, OPENS,
     run_prepare},
};

static const struct action *find(const char *name)
{
    for (size_t i = 0; i < QV_COUNT(actions); i++)
        if (strcmp(actions[i].name, name) == 0)
            return &actions[i];
    return NULL;
}

enum { KEY_TASK = 256, KEY_REPLACE };

/* What is wrong with --model, which tells what names and rows of GGUF are. */
static void check_model(const struct args *a, const struct action *action,
                        const struct argp_state *state)
{
    const char *const *word = a->words.at;
    bool is_gguf =
        (action->run == run_add || action->run == run_export) && qv__is_gguf_name(word[3]);
    if (action->run == run_convert)
        is_gguf = qv__is_gguf_name(word[1]) || qv__is_gguf_name(word[2]);
    if (action->run == run_convert && !is_gguf)
        argp_error(state, "convert: neither adapter is a .gguf file");
    else if (is_gguf && !model_of(a))
        argp_error(state, "a GGUF adapter needs the --model it is for");
    else if (model_of(a) && !is_gguf && action->run != run_import &&
             action->run != run_prepare)
        argp_error(state, "--model goes with import, prepare and GGUF adapters");
}

static void check_prepare(const struct qv_prepare *p, bool is_asked,
                          const struct argp_state *state)
{
    const struct {
        bool is_given;
        const char *option;
    } all[] = {{p->opts.router, "--router"}, {p->tasks.n, "--tasks"}};
    if (is_asked && !p->base.dir)
        argp_error(state, "--model is missing");
    for (size_t i = 0; i < QV_COUNT(all); i++)
        if (all[i].is_given != is_asked)
            argp_error(state, is_asked ? "%s is missing" : "%s goes with prepare",
                       all[i].option);
}

static void check(const struct args *a, const struct argp_state *state)
{
    const struct action *action = a->words.n ? find(a->words.at[0]) : NULL;
    if (a->words.n == 0)
        argp_error(state, "what is to be done?");
    else if (!action)
        argp_error(state, "no action is named '%s'", a->words.at[0]);
    else if (a->words.n != action->n_words + 2)
        argp_error(state, "%s takes %s", action->name, action->takes);
    else if (a->tasks.n && action->run != run_add)
        argp_error(state, "--task goes with add");
    else if (a->replaces && action->run != run_add && action->run != run_import)
        argp_error(state, "--replace goes with add and import");
    else {
        check_model(a, action, state);
        check_prepare(a->prepare, action->run == run_prepare, state);
    }
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct args *a = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        qv_inputs(state, &a->as_json, a->prepare);
        break;
    case KEY_TASK:
        qv__words_add(&a->tasks, arg);
        break;
    case KEY_REPLACE:
        a->replaces = true;
        break;
    case ARGP_KEY_ARG:
        qv__words_add(&a->words, arg);
        break;
    case ARGP_KEY_END:
        check(a, state);
        break;
    default:
        return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

static void list_actions(FILE *f)
{
    fputc('\n', f);
    for (size_t i = 0; i < QV_COUNT(actions); i++)
        fprintf(f, "\n  %-7s %-16s %s", actions[i].name, actions[i].takes, actions[i].gist);
}

static char *filter_help(int key, const char *text, void *input)
{
    (void)input;
    return qv__help_list(key == ARGP_KEY_HELP_PRE_DOC, text, list_actions);
}

static const struct argp_option options[] = {
    {"task", KEY_TASK, "NAME", 0, "add: what it was trained on; may be given again", 0},
    {"replace", KEY_REPLACE, NULL, 0, "add, import: in place of those of the same name", 0},
    {0},
};
static const struct argp_child children[] = {
    {&qv__json_argp, 0, NULL, 0}, {&qv__prepare_argp, 0, NULL, 0}, {0}};
static const struct argp spec = {
    .options = options,
    .parser = parse,
    .args_doc = "ACTION LIB [...]",
    .doc = "The experts of a library. An ADAPTER is a directory of PEFT's, or a file of "
           "llama.cpp's that ends in .gguf.\v"
           "With --json: list {\"experts\":[{\"name\":...}, ...]}, show {\"name\":...}, "
           "verify {\"problems\":[{\"expert\":...,\"problem\":...}, ...]}, prepare "
           "{\"made\":...}, how many artifacts are new.",
    .children = children,
    .help_filter = filter_help,
};

static qv_status open_library(qv_library **lib, const char *dir, enum needs needs,
                              qv_err *err)
{
    *lib = NULL;
    if (needs == HAS_NONE)
        return QV_OK;
    qv_status result = qv_library_open(lib, dir, err);
    if (result == QV_ENOTFOUND && needs == MAKES)
        result = qv_library_create(lib, dir, NULL, err);
    return result;
}

int cmd_library(int argc, char **argv)
{
    struct qv_prepare prepare = {.opts = {.router = NULL}};
    struct args a = {.prepare = &prepare};
    argp_parse(&spec, argc, argv, 0, NULL, &a);
    const struct action *action = find(a.words.at[0]);
    qv_err err;
    qv_library *lib;
    qv_status result = open_library(&lib, a.words.at[1], action->needs, &err);
    if (!result)
        result = action->run(lib, a.words.at + 2, &a, &err);
    qv_library_close(lib);
    qv__words_free(&a.words);
    qv__words_free(&a.tasks);
    qv__words_free(&prepare.tasks);
    return result ? qv__say_failure(&err) : a.code;
}
