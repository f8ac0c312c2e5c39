/* args.h - options that several commands have, and how arguments are checked.
 *
 * An argument that is wrong ends the process: argp says what is wrong with it, how the
 * command is used, and exits with 2. What follows in a parser may trust it.
 */
#ifndef QV_CLI_ARGS_H
#define QV_CLI_ARGS_H

#include <argp.h>
#include <stdio.h>
#include <string.h>

#include <quiver/quiver.h>

#include "base/base.h"

/* ---- argp children; the comment says what their input is, zeroed by the caller ---- */

extern const struct argp qv__json_argp; // bool
extern const struct argp qv__seed_argp; // uint64_t

/* The model, which must be named unless the caller says otherwise. */
struct qv_base {
    const char *dir;
    qv_model_opts opts;
    bool is_optional;
};
extern const struct argp qv__base_argp; // struct qv_base

/* WHO answers. In the second, --top-k and --temperature are left to sampling,
 * and the router's are --router-top-k and --router-temperature alone. */
extern const struct argp qv__who_argp;     // qv_reuse_opts
extern const struct argp qv__who_gen_argp; // qv_reuse_opts

extern const struct argp qv__train_argp; // qv_train_opts

/* Those of commands that are alike. */
extern const struct argp_child qv__json_children[];  // json
extern const struct argp_child qv__seed_children[];  // seed, json
extern const struct argp_child qv__reuse_children[]; // base, who, json
extern const struct argp_child qv__train_children[]; // base, train, seed, json

/* What a parser does at ARGP_KEY_INIT: its children get these inputs, in their order. */
#define qv_inputs(state, ...)                                                              \
    memcpy((state)->child_inputs, (void *[]){__VA_ARGS__}, sizeof((void *[]){__VA_ARGS__}))

/* The model, and who answers. Both are the caller's, whatever comes of it. */
qv_status qv__reuse_begin(qv_model **m, qv_reuse **reuse, const struct qv_base *base,
                          const qv_reuse_opts *who, qv_err *err) QV_MUST_CHECK;

/* ---- arguments ---- */

/* Numbers. What is not one, or is out of range, is wrong usage of `option`. */
size_t qv__arg_size(const struct argp_state *state, const char *option, const char *arg,
                    size_t least);
float qv__arg_float(const struct argp_state *state, const char *option, const char *arg,
                    double least, double most);
double qv__arg_double(const struct argp_state *state, const char *option, const char *arg,
                      double least, double most);

/* Which of two words `arg` is: whether it is the second. */
bool qv__arg_second(const struct argp_state *state, const char *option, const char *arg,
                    const char *first, const char *second);

/* The one argument that is no option's; `what` it is, as in "library". */
void qv__arg_only(const struct argp_state *state, const char **to, const char *arg,
                  const char *what);
/* That `option` was given. */
void qv__arg_needed(const struct argp_state *state, bool is_given, const char *option);

/* A growing list of arguments, borrowed from argv. */
struct qv_words {
    const char **at; // [n] owned
    size_t n;
};
void qv__words_add(struct qv_words *w, const char *word);
/* The parts of `list`, which is cut at its commas in place. */
void qv__words_split(struct qv_words *w, char *list);
void qv__words_free(struct qv_words *w);

/* ---- help ---- */

/* What argp's help filter returns for a text: if the list goes `here`, the text and what
 * `list` writes after it, else the text alone. */
char *qv__help_list(bool here, const char *text, void (*list)(FILE *f));

#endif
