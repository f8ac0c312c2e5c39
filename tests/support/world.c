/* world.c - see world.h. */
#include "support/world.h"

#include "base/file.h"
#include "support/scratch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct said said;

static char world[] = "/tmp/quiver-cli-XXXXXX";
static char program[4096];

static void read_all(char **text, const char *name)
{
    char path[128];
    size_t size, n = snprintf(path, sizeof path, "%s/%s", world, name) > 0;
    qv_arena a = {0};
    char *bytes;
    qv_err e = {0};
    assert_true(n);
    assert_works(qv__read_file(&bytes, &size, &a, path, 1 << 24, &e), &e);
    free(*text);
    *text = strdup(bytes);
    qv__arena_free(&a);
}

/* In the child: become the program, in the shared directory. */
_Noreturn static void become(const char *args)
{
    char line[8192];
    int n = snprintf(line, sizeof line, "exec \"%s\" %s >stdout 2>stderr </dev/null",
                     program, args);
    if (n > 0 && (size_t)n < sizeof line && chdir(world) == 0)
        execl("/bin/sh", "sh", "-c", line, (char *)NULL);
    _exit(126);
}

pid_t start(const char *args)
{
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        become(args);
    return pid;
}

void await(pid_t pid)
{
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    said.code = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
    read_all(&said.out, "stdout");
    read_all(&said.err, "stderr");
}

void quiver(const char *args)
{
    await(start(args));
}

void works(const char *args)
{
    quiver(args);
    if (said.code)
        fail_msg("quiver %s: exit %d: %s", args, said.code, said.err);
}

json_t *json_of(const char *args)
{
    works(args);
    json_t *value;
    qv_err e = {0};
    assert_works(qv__json_parse(&value, said.out, strlen(said.out), &e), &e);
    assert_true(json_is_object(value));
    return value;
}

void says(const char *args, int want, const char *words)
{
    quiver(args);
    if (said.code != want || !strstr(said.err, words))
        fail_msg("quiver %s: exit %d, should be %d, saying \"%s\"; it said \"%s\"", args,
                 said.code, want, words, said.err);
}

const char *in_world(const char *name)
{
    static char path[4][256];
    static unsigned next;
    char *p = path[next++ % 4];
    snprintf(p, sizeof path[0], "%s/%s", world, name);
    return p;
}

#define CONFIG                                                                             \
    "{\"architectures\":[\"LlamaForCausalLM\"],\"model_type\":\"llama\",\"hidden_act\":"   \
    "\"silu\",\"hidden_size\":32,\"intermediate_size\":64,\"num_hidden_layers\":2,"        \
    "\"num_attention_heads\":4,\"num_key_value_heads\":2,\"head_dim\":8,"                  \
    "\"max_position_embeddings\":64,\"rms_norm_eps\":1e-5,\"rope_theta\":10000.0,"         \
    "\"tie_word_embeddings\":true,\"vocab_size\":400,\"torch_dtype\":\"float32\"}"

/* 40 examples "Say a 17:" -> "a 18", with a wrong option beside it. */
static void write_task(const char *name)
{
    char path[64], text[8192];
    size_t n = 0;
    for (size_t i = 0; i < 40; i++)
        n += (size_t)snprintf(text + n, sizeof text - n,
                              "{\"prompt\":\"Say %s %zu:\",\"completion\":\"%s %zu\","
                              "\"options\":[\"%s %zu\",\"no\"]}\n",
                              name, i, name, i + 1, name, i + 1);
    snprintf(path, sizeof path, "tasks/%s.jsonl", name);
    write_text(in_world(path), text);
}

int make_world(void **state)
{
    (void)state;
    const char *given = getenv("QUIVER");
    if (!realpath(given ? given : "quiver", program) || !mkdtemp(world))
        return -1;
    qv_err e = {0};
    struct qv_map tokenizer;
    assert_works(qv__make_dir(in_world("tiny"), &e), &e);
    assert_works(qv__make_dir(in_world("tasks"), &e), &e);
    assert_works(qv__map(&tokenizer, "tests/golden/text/tiny_gpt2/tokenizer.json", &e), &e);
    assert_works(qv__write_file(in_world("tiny/tokenizer.json"), tokenizer.bytes,
                                tokenizer.size, &e),
                 &e);
    qv__unmap(&tokenizer);
    write_text(in_world("tiny/config.json"), CONFIG);
    write_text(in_world("text.txt"), "The cat sat on the mat. The dog sat on the cat. "
                                     "Nobody was sitting on the dog, which was glad.");
    write_task("a");
    write_task("b");
    write_task("c");
    works("train --full --random --f32 --window 8 --model tiny --data text.txt --out m "
          "--steps 3 --batch 2 --lr 1e-3");
    works("train --model m --data tasks/a.jsonl --out ad --steps 3 --lr 1e-2");
    works(
        "build --model m --tasks tasks --library lib --method private --steps 3 --lr 1e-2");
    return 0;
}

int end_world(void **state)
{
    (void)state;
    free(said.out);
    free(said.err);
    return qv__remove_tree(world, NULL);
}
