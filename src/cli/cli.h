/* cli.h - what the commands of the program share.
 *
 * A command is one file with one cmd_ function and one line in quiver.c. Its
 * options are an argp table, from which glibc makes both the parsing and the
 * help. Results go to stdout: one JSON object with --json, else the same told to
 * a person; progress goes to stderr. It returns 0, 1 after saying what failed, or
 * 2 if it was asked wrongly (argp then says so and ends the process itself).
 */
#ifndef QV_CLI_CLI_H
#define QV_CLI_CLI_H

#include <stdio.h>

#include <quiver/quiver.h>

#include "base/base.h"
#include "base/json.h"
#include "cli/args.h"
#include "text/json.h"

enum { QV_FAILED = 1, QV_MISUSED = 2 };

int cmd_adapt(int argc, char **argv);
int cmd_build(int argc, char **argv);
int cmd_cluster(int argc, char **argv);
int cmd_eval(int argc, char **argv);
int cmd_generate(int argc, char **argv);
int cmd_info(int argc, char **argv);
int cmd_library(int argc, char **argv);
int cmd_merge(int argc, char **argv);
int cmd_quantize(int argc, char **argv);
int cmd_report(int argc, char **argv);
int cmd_route(int argc, char **argv);
int cmd_score(int argc, char **argv);
int cmd_serve(int argc, char **argv);
int cmd_study(int argc, char **argv);
int cmd_tokenize(int argc, char **argv);
int cmd_train(int argc, char **argv);

/* ---- prepare.c ---- */

/* What `quiver library prepare` was given. */
struct qv_prepare {
    struct qv_base base;
    qv_prepare_opts opts;
    struct qv_words tasks;
};
extern const struct argp qv__prepare_argp; // struct qv_prepare
qv_status qv__prepare(const char *library, struct qv_prepare *p, bool as_json,
                      qv_err *err) QV_MUST_CHECK;

/* ---- chat.c ---- */

/* How a prompt is a turn of a conversation. All-zero: it is none. */
struct qv_talk {
    bool is_on;
    const char *name;     // of a chat template, or NULL: the model's own
    const char *system;   // or NULL
    const char *messages; // a file, or NULL: the prompt is the one message
};
extern const struct argp qv__talk_argp; // struct qv_talk

/* The conversation as tokens, up to where the model is to answer; *ids is ended with
 * free(). *stop is the token that ends its turn, or -1. `model` is a path. */
qv_status qv__talk_ids(int **ids, size_t *n, int *stop, const struct qv_talk *t,
                       const char *model, const qv_tokenizer *tok, const char *prompt,
                       qv_err *err) QV_MUST_CHECK;

/* ---- output.c ---- */

/* "quiver: <sentence>" on stderr. Returns QV_FAILED. */
int qv__say_failure(const qv_err *err);

/* The same of work that goes on where it was: it is said so if it was stopped. */
int qv__say_stopped(const qv_err *err);

/* The result of a command: as JSON, or its facts one a line and its lists of
 * objects as tables. Takes `value`. */
void qv__print(json_t *value, bool as_json);

/* A list of objects as a table whose columns are the first one's keys. */
void qv__print_table(const json_t *rows);

/* A number, or null if it is not finite. */
json_t *qv__json_number(double x);
json_t *qv__json_square(const float *x, size_t n); // [n, n], all finite
json_t *qv__json_strings(const char *const *s, size_t n);
json_t *qv__json_names(const qv_snapshot *snap); // of a library's experts

/* ---- input.c ---- */

/* What `arg` stands for: itself, or with "-" all of stdin. The caller ends
 * *text, NUL-terminated, with free(). */
qv_status qv__read_text(char **text, size_t *size, const char *arg,
                        qv_err *err) QV_MUST_CHECK;

/* Tokens of a text, after BOS if the model's texts start so. Ended with free(). */
qv_status qv__read_tokens(int **ids, size_t *n, const qv_model *model, const char *text,
                          size_t size, qv_err *err) QV_MUST_CHECK;

/* ---- progress.c: long work ---- */

/* Shows how far work has come: a bar on a terminal, a line now and then
 * elsewhere. The first SIGINT or SIGTERM asks the work to stop, the next kills. */
struct qv_teller {
    bool is_terminal;
    bool has_told;
    double told;            // when, in seconds
    char what[160];         // the last heard of,
    double begun, begun_at; // where it began, and when
};
qv_progress qv__teller_begin(struct qv_teller *t);
void qv__teller_end(struct qv_teller *t);

/* Whether work that writes the directory `out`, and in it `last` at the end, has nothing
 * left to do. Fails with QV_EEXIST if so, unless --resume accepts that. */
qv_status qv__is_done(bool *is_done, const char *out, const char *last, bool accepts,
                      qv_err *err) QV_MUST_CHECK;

#endif
