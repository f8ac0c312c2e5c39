/* cli_test.c - the program as its users meet it: every command over a tiny model
 * that the first of them makes, its answers, its refusals, and how it stops.
 *
 * Tests share one directory, which holds the model "m", task files "tasks", the
 * adapter "ad" and the library "lib". Commands run inside it.
 */
#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "support/scratch.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char world[] = "/tmp/quiver-cli-XXXXXX";
static char program[4096];

/* What the last command printed, and how it ended. */
static char *out, *err;
static int code;

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

static pid_t start(const char *args)
{
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        become(args);
    return pid;
}

static void await(pid_t pid)
{
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    code = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
    read_all(&out, "stdout");
    read_all(&err, "stderr");
}

/* Run "quiver ARGS", with a shell's quoting. */
static void quiver(const char *args)
{
    await(start(args));
}

static void works(const char *args)
{
    quiver(args);
    if (code)
        fail_msg("quiver %s: exit %d: %s", args, code, err);
}

/* The object on stdout, which is all there is. The caller ends it. */
static json_t *json_of(const char *args)
{
    works(args);
    json_t *value;
    qv_err e = {0};
    assert_works(qv__json_parse(&value, out, strlen(out), &e), &e);
    assert_true(json_is_object(value));
    return value;
}

static void says(const char *args, int want, const char *words)
{
    quiver(args);
    if (code != want || !strstr(err, words))
        fail_msg("quiver %s: exit %d, should be %d, saying \"%s\"; it said \"%s\"", args,
                 code, want, words, err);
}

static const char *in_world(const char *name)
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

static int make_world(void **state)
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

static int end_world(void **state)
{
    (void)state;
    free(out);
    free(err);
    return qv__remove_tree(world, NULL);
}

static void every_command_lists_its_options(void **state)
{
    (void)state;
    static const struct {
        const char *command, *options;
    } all[] = {
        {"info", "--json PATH"},
        {"tokenize", "--model --decode --special --json TEXT|-"},
        {"score", "--model --compute --text --file --window --stride --no-start --adapter "
                  "--library --router --expert --top-k --temperature --compose --json"},
        {"generate", "--model --prompt --max-tokens --temperature --top-p --top-k --stop "
                     "--seed --adapter --library --router --expert --router-top-k "
                     "--router-temperature --compose --chat --system --messages --json"},
        {"train", "--model --data --out --rank --alpha --dropout --lr --epochs --steps "
                  "--batch --sites --init --full --random --window --warmup --clip "
                  "--weight-decay --beta2 --resume --pass-tokens --max-tokens "
                  "--valid-every --save-every --lanes --muon --f32 --seed --json"},
        {"build",
         "--model --tasks --library --method --clusters --similarity --first-part "
         "--limit --rank --lr --steps --seed --json private: shared: mbc: random:"},
        {"library", "list show add remove rename verify export --task --replace --json"},
        {"cluster", "--clusters --method --seed --json LIB"},
        {"route", "--model --library --router --top-k --site --json arrow:"},
        {"quantize", "--model --type --out --json q4_k"},
        {"eval", "--model --suite --metric --split --limit --max-tokens --out --adapter "
                 "--library --router --expert --json"},
    };
    works("--help");
    char *list = strdup(out);
    for (size_t i = 0; i < QV_COUNT(all); i++) {
        char args[64], words[512];
        assert_non_null(strstr(list, all[i].command));
        snprintf(args, sizeof args, "%s --help", all[i].command);
        works(args);
        snprintf(words, sizeof words, "%s", all[i].options);
        for (char *save, *w = strtok_r(words, " ", &save); w;
             w = strtok_r(NULL, " ", &save))
            if (!strstr(out, w))
                fail_msg("quiver %s does not mention %s", args, w);
        assert_string_equal(err, "");
    }
    free(list);
    works("help score");
    assert_non_null(strstr(out, "Usage: quiver score"));
    works("--version");
    assert_string_equal(out, "quiver " QV_VERSION "\n");
}

/* What nobody should ask, and the words that say so. */
static const char *const wrong[][2] = {
    {"", "Usage: quiver COMMAND"},
    {"trian", "quiver: no command is named 'trian': did you mean 'train'?"},
    {"xyzzy", "quiver: no command is named 'xyzzy': see 'quiver --help'"},
    {"help xyzzy", "quiver: no command is named 'xyzzy'"},
    {"info", "quiver info: there is no path"},
    {"info a b", "quiver info: one path at a time"},
    {"info --frob", "unrecognized option '--frob'"},
    {"tokenize hello", "quiver tokenize: --model is missing"},
    {"tokenize -m m", "quiver tokenize: there is no text"},
    {"tokenize -m m a b", "quiver tokenize: one text at a time: quote it"},
    {"score --text a", "quiver score: --model is missing"},
    {"score -m m", "quiver score: give --text or --file, one of them"},
    {"score -m m --text a --file b", "quiver score: give --text or --file"},
    {"score -m m -t a --window 1", "--window: 1 is less than 2"},
    {"score -m m -t a --compute f8", "--compute: 'f8' is not auto, f32 or bf16"},
    {"score -m m -t a --adapter x --library y", "--adapter goes without --library"},
    {"score -m m -t a --router arrow", "--router needs a --library"},
    {"score -m m -t a --expert x", "--expert needs a --library"},
    {"score -m m -t a --library lib", "--library needs a --router or an --expert"},
    {"score -m m -t a --library l --router arrow --expert x",
     "--router and --expert: choose one"},
    {"score -m m -t a --library l --router bow", "--router: no router is named 'bow'"},
    {"score -m m -t a --compose sum", "--compose: 'sum' is not factor or output"},
    {"score -m m -t a --top-k 0", "--top-k: 0 is less than 1"},
    {"score -m m -t a --top-k -3", "--top-k: '-3' is not a whole number"},
    {"score -m m -t a --temperature 0", "--temperature: 0 is not in 1e-06 .. 1e+06"},
    {"generate -m m", "quiver generate: --prompt is missing"},
    {"generate -m m -p a --stop ''", "--stop: an empty text is everywhere"},
    {"generate -m m -p a --top-k 3", "--top-k and --top-p choose among tokens and need"},
    {"generate -m m -p a --temperature x", "--temperature: 'x' is not a number"},
    {"generate -m m -p a --seed x", "--seed: 'x' is not a whole number"},
    {"generate -m m -p a --system x", "--system and --messages need --chat"},
    {"generate -m m --chat --system x --messages y",
     "--messages has the system's message: no --system"},
    {"generate -m m -p a --chat --messages y", "--messages stands instead of a --prompt"},
    {"train -m m --out x", "quiver train: --data is missing"},
    {"train -m m --data x", "quiver train: --out is missing"},
    {"train -m m --data x -o y --random", "quiver train: --random goes with --full"},
    {"train -m m --data x -o y --window 8", "quiver train: --window goes with --full"},
    {"train -m m --data x -o y --f32", "quiver train: --f32 goes with --full"},
    {"train -m m --data x -o y --muon", "quiver train: --muon goes with --full"},
    {"train -m m --data x -o y --full --init z", "--init is an expert's"},
    {"train -m m --data x -o y --dropout 1", "--dropout: 1 is not in 0 .. 0.99"},
    {"train -m m --data x -o y --rank 4.5", "--rank: '4.5' is not a whole number"},
    {"build -m m --library x --method mbc", "quiver build: --tasks is missing"},
    {"build -m m --tasks x --method mbc", "quiver build: --library is missing"},
    {"build -m m --tasks x --library y", "quiver build: --method is missing"},
    {"build -m m x --library y --method mbx", "--method: no method is named 'mbx'"},
    {"build -m m x --similarity l2", "--similarity: 'l2' is not mbc or gauge"},
    {"library", "quiver library: what is to be done?"},
    {"library frob lib", "quiver library: no action is named 'frob'"},
    {"library show lib", "quiver library: show takes LIB NAME"},
    {"library list lib --replace", "quiver library: --replace goes with add"},
    {"library list lib --task x", "quiver library: --task goes with add"},
    {"cluster", "quiver cluster: there is no library"},
    {"cluster a b", "quiver cluster: one library at a time"},
    {"cluster lib --method k", "--method: 'k' is not mbc or gauge"},
    {"route -m m --library lib --router arrow", "quiver route: there is no text"},
    {"route -m m hello", "quiver route: --library and --router are missing"},
    {"route -m m a b", "quiver route: one text at a time: quote it"},
    {"eval -m m", "quiver eval: --suite is missing"},
    {"eval -m m tasks --metric f1", "--metric: no metric 'f1'"},
    {"eval -m m tasks --split dev", "--split: 'dev' is not all, train, valid or test"},
};

static void wrong_usage_exits_with_2_and_says_what_is_wrong(void **state)
{
    (void)state;
    for (size_t i = 0; i < QV_COUNT(wrong); i++) {
        says(wrong[i][0], 2, wrong[i][1]);
        assert_string_equal(out, "");
    }
}

static void a_failure_exits_with_1_and_one_sentence(void **state)
{
    (void)state;
    static const char *const fails[][2] = {
        {"info none", "quiver: none: there is no such file or directory\n"},
        {"tokenize -m none a", "quiver: none"},
        {"tokenize -m m -d '1 x'", "quiver: 'x' is not a token id\n"},
        {"tokenize -m m -d 400", "quiver: token 0: id 400 is not in 0..399\n"},
        {"score -m m -t ''", "quiver: an empty text has no likelihood\n"},
        {"score -m m --file none", "quiver: none"},
        {"score -m m -t a --window 65",
         "quiver: a window of 65 tokens, the model has 64 positions\n"},
        {"score -m m -t a --library lib --expert z", "no expert is named 'z'"},
        {"generate -m none -p a", "quiver: none"},
        {"generate -m m -p a --chat",
         "quiver: m: has no chat template, as base models have none: name one\n"},
        {"generate -m m -p a --chat=x",
         "quiver: chat template 'x' is none of chatml, qwen2, qwen2.5, llama2, llama3, "
         "mistral-v1, mistral-v1-2023, mistral-v3, phi3, phi3-small, zephyr\n"},
        {"generate -m m --chat=zephyr --messages m/config.json",
         "quiver: m/config.json: not a list of messages\n"},
        {"train -m m --data tasks/a.jsonl --out ad",
         "quiver: ad: something finished is there; choose another directory, or accept it "
         "with --resume\n"},
        {"train -m m --data none --out new", "quiver: none"},
        {"train -m m --data tasks --out new --sites zzz", "zzz"},
        {"library list none", "quiver: none"},
        {"library show lib z", "quiver: lib: no expert is named 'z'\n"},
        {"cluster lib --clusters 4", "quiver: 4 clusters cannot be made of 3 experts\n"},
        {"route -m m --library lib --router uniform a",
         "quiver: router 'uniform' does not look at tokens: there is nothing to show\n"},
        {"route -m m --library lib --router arrow ''",
         "quiver: a text of 0 tokens, the model has 64 positions\n"},
        {"eval -m m none", "quiver: none"},
    };
    for (size_t i = 0; i < QV_COUNT(fails); i++) {
        says(fails[i][0], 1, fails[i][1]);
        assert_string_equal(out, "");
        assert_non_null(strchr(err, '\n'));
        assert_int_equal(strchr(err, '\n')[1], '\0');
    }
}

static void tokens_are_those_of_the_golden_tokenizer_and_go_back_to_the_text(void **state)
{
    (void)state;
    json_t *v = json_of("tokenize --model m --json 'Hello, world!'");
    static const int want[] = {40, 69, 304, 79, 12, 267, 79, 82, 332, 1};
    const json_t *ids = json_object_get(v, "ids");
    assert_int_equal(json_array_size(ids), QV_COUNT(want));
    for (size_t i = 0; i < QV_COUNT(want); i++)
        assert_int_equal(json_integer_value(json_array_get(ids, i)), want[i]);
    json_decref(v);
    works("tokenize --model m --decode '[40, 69, 304, 79, 12, 267, 79, 82, 332, 1]'");
    assert_string_equal(out, "Hello, world!\n");
    v = json_of("tokenize --model m --special --json '<|endoftext|>'");
    assert_int_equal(json_array_size(json_object_get(v, "ids")), 1);
    json_decref(v);
}

static void a_score_is_the_sum_of_its_logprobs_a_character(void **state)
{
    (void)state;
    json_t *v = json_of("score --model m --text 'Grüße' --json"), *p;
    const json_t *list = json_object_get(v, "logprobs");
    double bits = 0;
    size_t i;
    assert_int_equal(json_array_size(list), json_array_size(json_object_get(v, "ids")));
    assert_true(json_is_null(json_array_get(list, 0)));
    json_array_foreach(list, i, p)
    {
        assert_true(json_number_value(p) <= 0);
        bits -= json_number_value(p) / log(2);
    }
    assert_int_equal(json_integer_value(json_object_get(v, "n_chars")), 5);
    assert_true(fabs(json_real_value(json_object_get(v, "bits_per_char")) - bits / 5) <
                1e-6);
    assert_true(fabs(json_real_value(json_object_get(v, "bits_per_byte")) - bits / 7) <
                1e-6);

    json_t *bare = json_of("score --model m --text 'Grüße' --no-start --json");
    assert_int_equal(json_array_size(json_object_get(bare, "ids")) + 1,
                     json_array_size(list));
    json_decref(bare);
    json_decref(v);
}

static void a_file_longer_than_the_context_is_scored_whole(void **state)
{
    (void)state;
    char text[4001] = "";
    for (size_t i = 0; i + 8 < sizeof text; i += 8)
        memcpy(text + i, "the cat ", 9);
    write_text(in_world("long.txt"), text);
    json_t *v =
        json_of("score --model m --library lib --router arrow --file long.txt --json");
    assert_int_equal(json_integer_value(json_object_get(v, "n_chars")),
                     (json_int_t)strlen(text));
    assert_true(json_array_size(json_object_get(v, "ids")) > 1000);
    json_decref(v);
}

static void what_is_streamed_is_what_json_holds(void **state)
{
    (void)state;
    json_t *v = json_of("generate --model m --prompt 'The cat' --max-tokens 20 "
                        "--temperature 1 --seed 7 --adapter ad --json");
    char *want = strdup(json_string_value(json_object_get(v, "text")));
    assert_in_range(json_array_size(json_object_get(v, "ids")), 1, 20);
    assert_non_null(json_object_get(v, "finish"));
    json_decref(v);
    works("generate --model m --prompt 'The cat' --max-tokens 20 --temperature 1 --seed 7 "
          "--adapter ad");
    assert_int_equal(out[strlen(out) - 1], '\n');
    out[strlen(out) - 1] = '\0';
    json_t *shown = json_string(out); // NULL if a token made it no UTF-8
    if (shown)
        assert_string_equal(out, want);
    json_decref(shown);
    free(want);
}

/* The ids of a user's "Hi" by a template that writes BOS nowhere. */
static void a_chat_is_prompted_as_its_template_says(void **state)
{
    (void)state;
    json_t *want = json_of("tokenize -m m --special --json '<|user|>\nHi<|endoftext|>\n"
                           "<|assistant|>\n'");
    json_t *v = json_of("generate -m m --chat=zephyr -p Hi --max-tokens 2 --json");
    assert_int_equal(json_integer_value(json_object_get(v, "n_prompt")),
                     json_array_size(json_object_get(want, "ids")));
    write_text(in_world("talk.json"), "[{\"role\":\"user\",\"content\":\"Hi\"}]");
    json_t *again =
        json_of("generate -m m --chat=zephyr --messages talk.json --max-tokens 2 --json");
    assert_true(json_equal(again, v));
    json_t *told =
        json_of("generate -m m --chat=zephyr -p Hi --system Be --max-tokens 2 --json");
    assert_true(json_integer_value(json_object_get(told, "n_prompt")) >
                json_integer_value(json_object_get(v, "n_prompt")));
    write_text(in_world("talk.json"), "[{\"role\":\"user\"}]");
    says("generate -m m --chat=zephyr --messages talk.json", 1,
         "talk.json: message 0 is not a role and a content, both text");
    json_decref(want);
    json_decref(v);
    json_decref(again);
    json_decref(told);
}

static void generation_ends_before_a_stop(void **state)
{
    (void)state;
    json_t *v = json_of("generate --model m --prompt 'The cat' --max-tokens 8 --json");
    const char *text = json_string_value(json_object_get(v, "text"));
    assert_true(strlen(text) >= 1);
    char args[128];
    snprintf(args, sizeof args,
             "generate -m m -p 'The cat' --max-tokens 8 --json --stop '%c'", text[0]);
    json_t *stopped = json_of(args);
    assert_string_equal(json_string_value(json_object_get(stopped, "text")), "");
    assert_string_equal(json_string_value(json_object_get(stopped, "finish")), "stop");
    json_decref(stopped);
    json_decref(v);
}

static void a_finished_output_is_accepted_with_resume_and_left_alone(void **state)
{
    (void)state;
    char before[65], after[65];
    const char *file = in_world("ad/adapter_model.safetensors");
    qv_err e = {0};
    assert_works(qv__hash_file(before, file, &e), &e);
    json_decref(
        json_of("train -m m --data tasks/b.jsonl --out ad --steps 9 --resume --json"));
    assert_works(qv__hash_file(after, file, &e), &e);
    assert_string_equal(before, after);
}

/* Give the training time to write its first checkpoint. */
static void await_file(const char *path)
{
    for (int i = 0; i < 6000 && !qv__is_file(path); i++)
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    assert_true(qv__is_file(path));
}

static void an_interrupted_training_goes_on_to_the_same_adapter(void **state)
{
    (void)state;
#define TRAINING "train -m m --data tasks --lr 1e-2 --batch 4 --lanes 1 --save-every 0.001 "
    pid_t pid = start(TRAINING "--steps 300 --out one/same");
    await_file(in_world("one/same.checkpoint"));
    kill(pid, SIGINT);
    await(pid);
    assert_int_equal(code, 1);
    assert_non_null(strstr(err, "quiver: stopped after "));
    assert_non_null(strstr(err, "of 300 steps; the same command goes on from there\n"));
    assert_false(qv__is_file(in_world("one/same/adapter_config.json")));
    works(TRAINING "--steps 300 --out one/same");
    works(TRAINING "--steps 300 --out two/same");
    char cut[65], whole[65];
    qv_err e = {0};
    assert_works(qv__hash_file(cut, in_world("one/same/adapter_model.safetensors"), &e),
                 &e);
    assert_works(qv__hash_file(whole, in_world("two/same/adapter_model.safetensors"), &e),
                 &e);
    assert_string_equal(cut, whole);
    assert_false(qv__is_file(in_world("one/same.checkpoint")));
#undef TRAINING
}

static void a_build_is_done_once(void **state)
{
    (void)state;
    json_t *v = json_of("build --model m --tasks tasks --library lib --method private "
                        "--steps 3 --lr 1e-2 --json");
    assert_int_equal(json_array_size(json_object_get(v, "experts")), 3);
    json_decref(v);
    says("build --model m --tasks tasks --library lib --method private --steps 4", 1,
         "is there from another run");
}

static void each_expert_is_in_one_cluster(void **state)
{
    (void)state;
    json_t *v = json_of("cluster lib --clusters 2 --json"), *one;
    size_t n = 0, i;
    json_array_foreach(json_object_get(v, "clusters"), i, one) n += json_array_size(one);
    assert_int_equal(json_array_size(json_object_get(v, "clusters")), 2);
    assert_int_equal(n, 3);
    json_decref(v);
    v = json_of("cluster lib --method gauge --json");
    assert_int_equal(json_array_size(json_object_get(v, "clusters")), 3);
    json_decref(v);
    works("cluster lib");
    assert_non_null(strstr(out, "within"));
}

static void a_route_has_k_experts_a_token_whose_weights_sum_to_one(void **state)
{
    (void)state;
    json_t *v = json_of("route --model m --library lib --router arrow --top-k 2 --json "
                        "'Say a 3:'");
    const json_t *sites = json_object_get(v, "sites");
    size_t T = json_array_size(json_object_get(v, "tokens")), i, t, j;
    json_t *site, *weights, *w;
    assert_int_equal(T, 6);
    assert_int_equal(json_array_size(sites), 8);
    json_array_foreach(sites, i, site)
    {
        assert_int_equal(json_array_size(json_object_get(site, "experts")), T);
        json_array_foreach(json_object_get(site, "weights"), t, weights)
        {
            double sum = 0;
            json_array_foreach(weights, j, w) sum += json_real_value(w);
            assert_int_equal(json_array_size(weights), 2);
            assert_true(fabs(sum - 1) < 1e-5);
        }
    }
    json_decref(v);
    v = json_of(
        "route -m m --library lib --router arrow --site 'layers.1.*v_proj' --json a");
    assert_int_equal(json_array_size(json_object_get(v, "sites")), 1);
    json_decref(v);
    works("route -m m --library lib --router arrow 'Say a 3:'");
    assert_non_null(strstr(out, "each site, over 6 tokens"));
}

static void
an_evaluation_has_every_metric_and_in_its_file_every_score_and_answer(void **state)
{
    (void)state;
    json_t *v =
        json_of("eval --model m --library lib --router oracle --suite tasks --metric "
                "choice,loglik --metric rougeL --limit 5 --out eval.json --json");
    const json_t *a = json_object_get(json_object_get(v, "tasks"), "a");
    const json_t *mean = json_object_get(v, "mean");
    static const char *const metrics[] = {"choice", "loglik", "rougeL"};
    json_t *file;
    qv_err e = {0};
    assert_works(qv__json_read(&file, in_world("eval.json"), 1 << 20, &e), &e);
    const json_t *full = json_object_get(json_object_get(file, "tasks"), "a");
    assert_int_equal(json_object_size(json_object_get(v, "tasks")), 3);
    assert_int_equal(json_integer_value(json_object_get(a, "n")), 5);
    assert_null(json_object_get(a, "scores"));
    for (size_t i = 0; i < QV_COUNT(metrics); i++) {
        assert_true(json_is_number(json_object_get(a, metrics[i])));
        assert_true(json_is_number(json_object_get(mean, metrics[i])));
        const json_t *scores = json_object_get(json_object_get(full, "scores"), metrics[i]);
        double sum = 0;
        for (size_t j = 0; j < 5; j++)
            sum += json_number_value(json_array_get(scores, j));
        double told = json_number_value(json_object_get(a, metrics[i]));
        assert_int_equal(json_array_size(scores), 5);
        assert_true(fabs(sum / 5 - told) < 1e-6);
    }
    const json_t *answers = json_object_get(full, "answers");
    assert_null(json_object_get(a, "answers"));
    assert_int_equal(json_array_size(answers), 5);
    for (size_t j = 0; j < 5; j++)
        assert_true(json_is_string(json_array_get(answers, j)));
    json_decref(file);
    json_decref(v);
    works("eval --model m tasks/a.jsonl --limit 3 --metric exact");
    assert_non_null(strstr(out, "mean"));
}

static void a_library_is_listed_changed_and_verified(void **state)
{
    (void)state;
    works("library add other x ad --task a");
    says("library add other x ad", 1, "other");
    works("library add other x ad --replace");
    works("library rename other x y");
    json_t *v = json_of("library list other --json");
    const json_t *first = json_array_get(json_object_get(v, "experts"), 0);
    assert_string_equal(json_string_value(json_object_get(first, "name")), "y");
    json_decref(v);
    v = json_of("library show other y --json");
    assert_int_equal(json_integer_value(json_object_get(v, "max_rank")), 4);
    json_decref(v);
    works("library export other y plain");
    v = json_of("info plain --json");
    assert_string_equal(json_string_value(json_object_get(v, "kind")), "adapter");
    json_decref(v);
    v = json_of("library verify other --json");
    assert_int_equal(json_array_size(json_object_get(v, "problems")), 0);
    json_decref(v);
    write_text(in_world("other/y/adapter_model.safetensors"), "not one");
    quiver("library verify other --json");
    assert_int_equal(code, 1);
    assert_non_null(strstr(out, "\"expert\":\"y\""));
    json_decref(json_of("library remove other y --json"));
}

static void info_knows_what_is_at_a_path(void **state)
{
    (void)state;
    static const char *const kinds[][2] = {
        {"m", "model"},
        {"ad", "adapter"},
        {"lib", "library"},
        {"m/tokenizer.json", "tokenizer"},
        {"m/model.safetensors", "safetensors"},
        {"tasks", "tasks"},
        {"tasks/a.jsonl", "task"},
        {"suite.json", "suite"},
        {"m.gguf", "gguf"},
    };
    works("quantize --model m --out m.gguf");
    write_text(in_world("suite.json"), "{\"metric\":\"choice\",\"tasks\":[\"tasks/\"]}");
    for (size_t i = 0; i < QV_COUNT(kinds); i++) {
        char args[64];
        snprintf(args, sizeof args, "info %s --json", kinds[i][0]);
        json_t *v = json_of(args);
        assert_string_equal(json_string_value(json_object_get(v, "kind")), kinds[i][1]);
        json_decref(v);
        snprintf(args, sizeof args, "info %s", kinds[i][0]);
        works(args);
        assert_non_null(strstr(out, kinds[i][1]));
    }
}

static void a_model_is_quantised_and_info_says_to_what(void **state)
{
    (void)state;
    says("quantize -o x", 2, "quiver quantize: --model is missing");
    says("quantize -m m", 2, "quiver quantize: --out is missing");
    says("quantize -m m -o x --type q7", 2, "--type: 'q7' is not f32, f16, bf16, q8_0");
    says("quantize -m m -o x --type iq4_nl", 2, "--type: 'iq4_nl' is not f32");
    says("quantize -m none -o x", 1, "quiver: none");
    says("quantize -m m -o none/x", 1, "quiver: none/x: No such file or directory");
    json_t *v = json_of("quantize --model m --type Q4_0 --out m4.gguf --json");
    assert_string_equal(json_string_value(json_object_get(v, "type")), "Q4_0");
    json_decref(v);
    v = json_of("info m4.gguf --json");
    const json_t *values = json_object_get(v, "values");
    assert_string_equal(json_string_value(json_object_get(values, "general.name")), "m");
    assert_string_equal(json_string_value(json_object_get(values, "tokenizer.ggml.tokens")),
                        "400 items");
    json_decref(v);
}

static double bits_of(const char *model, const char *who)
{
    char args[128];
    snprintf(args, sizeof args, "score --json --model %s %s --text 'The cat sat.'", model,
             who);
    json_t *v = json_of(args);
    double bits = json_number_value(json_object_get(v, "bits_per_char"));
    json_decref(v);
    return bits;
}

static void a_gguf_file_serves_wherever_a_directory_does(void **state)
{
    (void)state;
    works("quantize --model m --type f32 --out f.gguf");
    works("quantize --model m --type q8_0 --out q.gguf");
    json_t *ids = json_of("tokenize --json --model m 'The cat sat.'");
    json_t *same = json_of("tokenize --json --model q.gguf 'The cat sat.'");
    assert_true(json_equal(ids, same));
    json_decref(ids);
    json_decref(same);
    assert_true(fabs(bits_of("f.gguf", "") - bits_of("m", "")) < 1e-6);
    assert_true(fabs(bits_of("q.gguf", "") - bits_of("m", "")) < 0.01);
    assert_true(fabs(bits_of("f.gguf", "--adapter ad") - bits_of("m", "--adapter ad")) <
                1e-6);
    // A library knows the base that the file was made of.
    assert_true(fabs(bits_of("q.gguf", "--library lib --router arrow") -
                     bits_of("m", "--library lib --router arrow")) < 0.01);
    works("route --model q.gguf --library lib --router arrow 'The cat sat.'");
    works("generate --model q.gguf --prompt The --max-tokens 3");
    works("eval --model q.gguf --metric loglik tasks");
    works("train --model q.gguf --data tasks/a.jsonl --out adq --steps 3 --lr 1e-2");
    assert_true(bits_of("q.gguf", "--adapter adq") != bits_of("q.gguf", ""));
    works("build --model q.gguf --tasks tasks --library libq --method private --steps 1");
    works("info q.gguf");
    says("train --full --random --model q.gguf --data tasks/a.jsonl --out x --steps 1", 1,
         "quiver: q.gguf");
    says("train --full --model q.gguf --data tasks/a.jsonl --out x --steps 1", 1,
         "quiver: q.gguf: a GGUF file cannot be trained whole; a directory can");
    says("quantize --model q.gguf --out r.gguf", 1, "quiver: q.gguf: a GGUF file already");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_command_lists_its_options),
        cmocka_unit_test(wrong_usage_exits_with_2_and_says_what_is_wrong),
        cmocka_unit_test(a_failure_exits_with_1_and_one_sentence),
        cmocka_unit_test(tokens_are_those_of_the_golden_tokenizer_and_go_back_to_the_text),
        cmocka_unit_test(a_score_is_the_sum_of_its_logprobs_a_character),
        cmocka_unit_test(a_file_longer_than_the_context_is_scored_whole),
        cmocka_unit_test(what_is_streamed_is_what_json_holds),
        cmocka_unit_test(a_chat_is_prompted_as_its_template_says),
        cmocka_unit_test(generation_ends_before_a_stop),
        cmocka_unit_test(a_finished_output_is_accepted_with_resume_and_left_alone),
        cmocka_unit_test(an_interrupted_training_goes_on_to_the_same_adapter),
        cmocka_unit_test(a_build_is_done_once),
        cmocka_unit_test(each_expert_is_in_one_cluster),
        cmocka_unit_test(a_route_has_k_experts_a_token_whose_weights_sum_to_one),
        cmocka_unit_test(
            an_evaluation_has_every_metric_and_in_its_file_every_score_and_answer),
        cmocka_unit_test(a_library_is_listed_changed_and_verified),
        cmocka_unit_test(info_knows_what_is_at_a_path),
        cmocka_unit_test(a_model_is_quantised_and_info_says_to_what),
        cmocka_unit_test(a_gguf_file_serves_wherever_a_directory_does),
    };
    return cmocka_run_group_tests(tests, make_world, end_world);
}
