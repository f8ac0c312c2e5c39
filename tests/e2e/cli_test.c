/* cli_test.c - the program as its users meet it: its answers, its refusals, and how it
 * stops. Commands on libraries are in library_cli_test.c. */
#include "base/file.h"
#include "support/scratch.h"
#include "support/world.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static void every_command_lists_its_options(void **state)
{
    (void)state;
    static const struct {
        const char *command, *options;
    } all[] = {
        {"info", "--json PATH"},
        {"tokenize", "--model --decode --special --json TEXT|-"},
        {"score", "--model --compute --text --file --window --stride --no-start --adapter "
                  "--library --router --expert --top-k --temperature --compose --filter "
                  "--general --subtract "
                  "--json lag: phatgoose: tp:"},
        {"generate", "--model --prompt --max-tokens --temperature --top-p --top-k --stop "
                     "--seed --adapter --library --router --expert --router-top-k "
                     "--router-temperature --compose --chat --system --messages --json"},
        {"train", "--model --data --out --rank --alpha --dropout --lr --epochs --steps "
                  "--batch --sites --init --full --random --window --warmup --clip "
                  "--weight-decay --beta2 --resume --pass-tokens --max-tokens "
                  "--valid-every --save-every --lanes --memory --muon --f32 --seed --json"},
        {"build",
         "--model --tasks --library --method --clusters --similarity --first-part "
         "--limit --rank --lr --steps --seed --json private: shared: mbc: random:"},
        {"library", "list show add remove rename verify export prepare --task --replace "
                    "--model --router --tasks --limit --layers --seed --json"},
        {"cluster", "--clusters --method --seed --json LIB"},
        {"merge", "--method --out --experts --weights --general --density --gamma --rank "
                  "--elect --seed --json LIB average cat svd ties dare_linear breadcrumbs "
                  "subtract_exact"},
        {"route", "--model --library --router --top-k --site --json arrow:"},
        {"serve", "--model --library --router --expert --router-top-k --compose --chat "
                  "--host --port --api-key-file --slots --queue --context --chunk "
                  "--seconds --drain --seed"},
        {"study",
         "transfer joint norms routing spectra --model --tasks --limit --router --top-k "
         "--temperature --metric --max-tokens --json LIB"},
        {"quantize", "--model --type --out --json q4_k"},
        {"eval",
         "--model --suite --data --metric --split --limit --max-tokens --out --adapter "
         "--library --router --expert --json"},
    };
    works("--help");
    char *list = strdup(said.out);
    for (size_t i = 0; i < QV_COUNT(all); i++) {
        char args[64], words[512];
        assert_non_null(strstr(list, all[i].command));
        snprintf(args, sizeof args, "%s --help", all[i].command);
        works(args);
        snprintf(words, sizeof words, "%s", all[i].options);
        for (char *save, *w = strtok_r(words, " ", &save); w;
             w = strtok_r(NULL, " ", &save))
            if (!strstr(said.out, w))
                fail_msg("quiver %s does not mention %s", args, w);
        assert_string_equal(said.err, "");
    }
    free(list);
    works("help score");
    assert_non_null(strstr(said.out, "Usage: quiver score"));
    works("--version");
    assert_string_equal(said.out, "quiver " QV_VERSION "\n");
}

static void wrong_usage_exits_with_2_and_says_what_is_wrong(void **state)
{
    (void)state;
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
        {"score -m m -t a --general x", "--general needs a --library"},
        {"score -m m -t a --subtract all", "--subtract: 'all' is not factor or exact"},
        {"score -m m -t a --filter 0", "--filter: 0 is less than 1"},
        {"score -m m -t a --compose sum", "--compose: 'sum' is not factor or output"},
        {"score -m m -t a --top-k 0", "--top-k: 0 is less than 1"},
        {"score -m m -t a --top-k -3", "--top-k: '-3' is not a whole number"},
        {"score -m m -t a --temperature 0", "--temperature: 0 is not in 1e-06 .. 1e+06"},
        {"generate -m m", "quiver generate: --prompt is missing"},
        {"generate -m m -p a --stop ''", "--stop: an empty text is everywhere"},
        {"generate -m m -p a --top-k 3",
         "--top-k and --top-p choose among tokens and need"},
        {"generate -m m -p a --temperature x", "--temperature: 'x' is not a number"},
        {"generate -m m -p a --seed x", "--seed: 'x' is not a whole number"},
        {"generate -m m -p a --system x", "--system and --messages need --chat"},
        {"generate -m m --chat --system x --messages y",
         "--messages has the system's message: no --system"},
        {"generate -m m -p a --chat --messages y",
         "--messages stands instead of a --prompt"},
        {"train -m m --out x", "quiver train: --data is missing"},
        {"train -m m --data x", "quiver train: --out is missing"},
        {"train -m m --data x -o y --random", "quiver train: --random goes with --full"},
        {"train -m m --data x -o y --window 8", "quiver train: --window goes with --full"},
        {"train -m m --data x -o y --f32", "quiver train: --f32 goes with --full"},
        {"train -m m --data x -o y --muon", "quiver train: --muon goes with --full"},
        {"train -m m --data x -o y --full --init z", "--init is an expert's"},
        {"train -m m --data x -o y --dropout 1", "--dropout: 1 is not in 0 .. 0.99"},
        {"train -m m --data x -o y --rank 4.5", "--rank: '4.5' is not a whole number"},
        {"eval -m m", "quiver eval: --suite is missing"},
        {"eval -m m tasks --metric f1", "--metric: no metric 'f1'"},
        {"eval -m m tasks --split dev", "--split: 'dev' is not all, train, valid or test"},
    };
    for (size_t i = 0; i < QV_COUNT(wrong); i++) {
        says(wrong[i][0], 2, wrong[i][1]);
        assert_string_equal(said.out, "");
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
         "quiver: chat template 'x' is none of chatml, qwen2, qwen2.5, qwen3, "
         "qwen3-2025-04, qwen3-2507, llama2, llama3, llama3.1, llama3.2, "
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
        {"merge none --method cat --out new", "quiver: none"},
        {"merge lib --method cat --out ad", "quiver: ad: an adapter is there\n"},
        {"merge lib --method mean --out new", "quiver: no merge method is named 'mean'\n"},
        {"merge lib --method cat --out new --density 0.5",
         "quiver: cat has no use for a density\n"},
        {"merge lib --method cat --out new --experts a,z", "no expert is named 'z'\n"},
        {"cluster lib --clusters 4", "quiver: 4 clusters cannot be made of 3 experts\n"},
        {"route -m m --library lib --router uniform a",
         "quiver: router 'uniform' does not look at tokens: there is nothing to show\n"},
        {"route -m m --library lib --router arrow ''",
         "quiver: a text of 0 tokens, the model has 64 positions\n"},
        {"eval -m m none", "quiver: none"},
    };
    for (size_t i = 0; i < QV_COUNT(fails); i++) {
        says(fails[i][0], 1, fails[i][1]);
        assert_string_equal(said.out, "");
        assert_non_null(strchr(said.err, '\n'));
        assert_int_equal(strchr(said.err, '\n')[1], '\0');
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
    assert_string_equal(said.out, "Hello, world!\n");
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
    assert_int_equal(said.out[strlen(said.out) - 1], '\n');
    said.out[strlen(said.out) - 1] = '\0';
    json_t *shown = json_string(said.out); // NULL if a token made it no UTF-8
    if (shown)
        assert_string_equal(said.out, want);
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
    hash_file(before, file);
    json_decref(
        json_of("train -m m --data tasks/b.jsonl --out ad --steps 9 --resume --json"));
    hash_file(after, file);
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
    assert_int_equal(said.code, 1);
    assert_non_null(strstr(said.err, "quiver: stopped after "));
    assert_non_null(
        strstr(said.err, "of 300 steps; the same command goes on from there\n"));
    assert_false(qv__is_file(in_world("one/same/adapter_config.json")));
    works(TRAINING "--steps 300 --out one/same");
    works(TRAINING "--steps 300 --out two/same");
    assert_same_bytes(in_world("one/same/adapter_model.safetensors"),
                      in_world("two/same/adapter_model.safetensors"));
    assert_false(qv__is_file(in_world("one/same.checkpoint")));
#undef TRAINING
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
        assert_non_null(strstr(said.out, kinds[i][1]));
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

/* A model with ten rows for each token of its tokenizer, which says little else. */
static void what_the_tokenizer_has_no_word_for_is_said_in_silence(void **state)
{
    (void)state;
    qv_err err;
    assert_works(qv__make_dir(in_world("rows"), &err), &err);
    copy_file(in_world("tiny/tokenizer.json"), in_world("rows/tokenizer.json"));
    write_text(in_world("rows/config.json"),
               "{\"model_type\":\"llama\",\"hidden_act\":\"silu\",\"hidden_size\":32,"
               "\"intermediate_size\":48,\"num_hidden_layers\":2,"
               "\"num_attention_heads\":4,\"max_position_embeddings\":128,"
               "\"rms_norm_eps\":1e-5,\"rope_theta\":10000.0,\"vocab_size\":4000}");
    works("train --full --random --window 8 --model rows --data text.txt --out padded "
          "--steps 1 --lr 1e-9 --batch 1");
    json_t *v =
        json_of("generate --json --model padded --prompt 'The cat' --max-tokens 20");
    const json_t *ids = json_object_get(v, "ids");
    size_t n_padding = 0;
    for (size_t i = 0; i < json_array_size(ids); i++)
        n_padding += json_integer_value(json_array_get(ids, i)) >= 400;
    assert_true(n_padding > 0);
    json_decref(v);
    works("eval --model padded --metric rougeL tasks --max-tokens 20");
}

static void a_suite_is_a_file_that_a_user_writes(void **state)
{
    (void)state;
    qv_err err;
    assert_works(qv__make_dir(in_world("elsewhere"), &err), &err);
    write_text(in_world("elsewhere/q.csv"), "ask,yes,no,right\nA cow,moos,sings,0\n"
                                            "A bird,moos,sings,1\n");
    write_text(
        in_world("own.json"),
        "{\"tasks\":[{\"name\":\"animals\",\"file\":\"q.csv\",\"prompt\":\"{ask}\","
        "\"options\":[\"{yes}\",\"{no}\"],\"label\":\"{right}\",\"metric\":\"choice\"},"
        "{\"name\":\"said\",\"file\":\"q.csv\",\"prompt\":\"{ask}\",\"target\":"
        "\"{yes}\",\"metric\":\"exact\",\"max_tokens\":3}]}");
    json_t *r = json_of("eval -m m --library lib --router arrow --suite own.json --data "
                        "elsewhere --out own_scores.json --json");
    json_t *tasks = json_object_get(r, "tasks"), *mean = json_object_get(r, "mean");
    double choice =
        json_number_value(json_object_get(json_object_get(tasks, "animals"), "choice"));
    double exact =
        json_number_value(json_object_get(json_object_get(tasks, "said"), "exact"));
    assert_true(fabs(json_number_value(json_object_get(mean, "accuracy")) -
                     (choice + exact) / 2) < 1e-12);
    json_decref(r);
    assert_works(qv__json_read(&r, in_world("own_scores.json"), 1 << 20, &err), &err);
    assert_string_equal(
        json_string_value(json_object_get(json_object_get(r, "run"), "data")), "elsewhere");
    json_decref(r);
    says("eval -m m --suite own.json", 1, "q.csv: no such file or directory");
}

/* Even where there is one: it is not found. */
static void a_suite_of_programs_is_refused_without_a_sandbox(void **state)
{
    (void)state;
    write_text(in_world("code.jsonl"), "{\"p\":\"x = 1\\n\",\"t\":\"pass\"}\n");
    write_text(
        in_world("code.json"),
        "{\"metric\":\"pass@1\",\"tasks\":[{\"file\":\"code.jsonl\",\"prompt\":\"{p}\","
        "\"tests\":\"{t}\"}]}");
    char *path = strdup(getenv("PATH"));
    assert_int_equal(setenv("PATH", "/nowhere", 1), 0);
    says("eval -m m --suite code.json", 1,
         "quiver: task 'code': no sandbox, so no program is run: ");
    assert_int_equal(setenv("PATH", path, 1), 0);
    assert_string_equal(said.out, "");
    free(path);
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
        cmocka_unit_test(info_knows_what_is_at_a_path),
        cmocka_unit_test(what_the_tokenizer_has_no_word_for_is_said_in_silence),
        cmocka_unit_test(a_suite_is_a_file_that_a_user_writes),
        cmocka_unit_test(a_suite_of_programs_is_refused_without_a_sandbox),
        cmocka_unit_test(a_model_is_quantised_and_info_says_to_what),
        cmocka_unit_test(a_gguf_file_serves_wherever_a_directory_does),
    };
    return cmocka_run_group_tests(tests, make_world, end_world);
}
