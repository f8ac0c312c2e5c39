/* quiver.c - the program: a table of commands. */
#include "cli/cli.h"
#include "cli/waiting.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct command {
    const char *name, *gist;
    int (*run)(int argc, char **argv);
} commands[] = {
    {"info", "what a model, adapter, library, tokenizer or data file holds", cmd_info},
    {"tokenize", "text to token ids and back", cmd_tokenize},
    {"score", "how likely a text is, token by token", cmd_score},
    {"generate", "continue a prompt", cmd_generate},
    {"train", "train one expert, or a whole model, on data", cmd_train},
    {"build", "train a library of experts on many tasks", cmd_build},
    {"adapt", "one expert for a new task, with the help of a library", cmd_adapt},
    {"library", "list, show, add, remove, rename, verify, export experts", cmd_library},
    {"cluster", "which experts belong together, from their weights", cmd_cluster},
    {"merge", "several experts of a library made into one", cmd_merge},
    {"route", "which experts each token of a text goes to, site by site", cmd_route},
    {"study", "what a library's experts are to one another and to tasks", cmd_study},
    {"eval", "score a model, an expert or a routed library on tasks", cmd_eval},
    {"serve", "answer OpenAI-style requests over HTTP", cmd_serve},
    {"quantize", "write a model as one GGUF file, in fewer bits", cmd_quantize},
    {"report", "tables and figures of a run as one HTML file", cmd_report},
};

/* Start again with threads that wait as they should. */
static void wait_politely(char **argv)
{
    char path[4096]; // by its own name, which ps then shows
    if (!qv__ask_to_wait())
        return;
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    if (n <= 0)
        return;
    path[n] = '\0';
    execv(path, argv); // if that fails, go on as we are
}

static int help(FILE *out)
{
    fprintf(out, "Usage: quiver COMMAND [OPTION...]\n\n"
                 "Build and reuse libraries of LoRA experts over one frozen model.\n\n");
    for (size_t i = 0; i < QV_COUNT(commands); i++)
        fprintf(out, "  %-10s %s\n", commands[i].name, commands[i].gist);
    fprintf(out, "\n'quiver COMMAND --help' lists a command's options; 'quiver --version' "
                 "says which this is.\n");
    return out == stdout ? 0 : QV_MISUSED;
}

static const struct command *find(const char *name)
{
    for (size_t i = 0; i < QV_COUNT(commands); i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

/* Letters to insert, delete or change to make one word of the other. */
static size_t distance(const char *a, const char *b)
{
    enum { MOST = 16 };
    size_t row[MOST + 1], n = qv__min(strlen(b), MOST);
    for (size_t j = 0; j <= n; j++)
        row[j] = j;
    for (size_t i = 0; a[i] && i < MOST; i++) {
        size_t above_left = row[0]++;
        for (size_t j = 0; j < n; j++) {
            size_t best =
                qv__min(qv__min(row[j], row[j + 1]) + 1, above_left + (a[i] != b[j]));
            above_left = row[j + 1];
            row[j + 1] = best;
        }
    }
    return row[n];
}

static int unknown(const char *name)
{
    const struct command *near = NULL;
    size_t least = 3; // further away is no suggestion
    for (size_t i = 0; i < QV_COUNT(commands); i++) {
        size_t d = distance(commands[i].name, name);
        if (d < least) {
            least = d;
            near = &commands[i];
        }
    }
    if (near)
        fprintf(stderr, "quiver: no command is named '%s': did you mean '%s'?\n", name,
                near->name);
    else
        fprintf(stderr, "quiver: no command is named '%s': see 'quiver --help'\n", name);
    return QV_MISUSED;
}

/* argp names the program after argv[0]. */
static int run(const struct command *c, int argc, char **argv)
{
    char name[32];
    snprintf(name, sizeof name, "quiver %s", c->name);
    argv[0] = name;
    argp_err_exit_status = QV_MISUSED;
    argp_program_version = "quiver " QV_VERSION;
    int code = c->run(argc, argv);
    if (fflush(stdout) == 0 && !ferror(stdout))
        return code;
    fprintf(stderr, "quiver: cannot write to standard output: %s\n", strerror(errno));
    return QV_FAILED;
}

int main(int argc, char **argv)
{
    wait_politely(argv);
    if (argc < 2)
        return help(stderr);
    const char *name = argv[1];
    bool is_help = strcmp(name, "help") == 0;
    if (strcmp(name, "--help") == 0 || strcmp(name, "-?") == 0 || (is_help && argc == 2))
        return help(stdout);
    if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0) {
        printf("quiver %s\n", QV_VERSION);
        return 0;
    }
    const struct command *c = find(is_help ? argv[2] : name);
    if (!c)
        return unknown(is_help ? argv[2] : name);
    char help_option[] = "--help";
    if (is_help)
        return run(c, 2, (char *[]){NULL, help_option, NULL});
    return run(c, argc - 1, argv + 1);
}
