/* library_cli_test.c - commands on libraries as their users meet them: build, cluster,
 * merge, route, eval, library, and info of what a library takes in. */
#include "base/file.h"
#include "format/safetensors.h"
#include "support/scratch.h"
#include "support/world.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static void wrong_usage_of_a_library_exits_with_2_and_says_what_is_wrong(void **state)
{
    (void)state;
    static const char *const wrong[][2] = {
        {"build -m m --library x --method mbc", "quiver build: --tasks is missing"},
        {"build -m m --tasks x --method mbc", "quiver build: --library is missing"},
        {"build -m m --tasks x --library y", "quiver build: --method is missing"},
        {"build -m m x --library y --method mbx", "--method: no method is named 'mbx'"},
        {"build -m m x --similarity l2", "--similarity: 'l2' is not mbc or gauge"},
        {"library", "quiver library: what is to be done?"},
        {"library frob lib", "quiver library: no action is named 'frob'"},
        {"library show lib", "quiver library: show takes LIB NAME"},
        {"library list lib --replace",
         "quiver library: --replace goes with add and import"},
        {"library list lib -m m", "--model goes with import, prepare and GGUF adapters"},
        {"library add lib x ad -m m",
         "--model goes with import, prepare and GGUF adapters"},
        {"library add lib x a.gguf", "a GGUF adapter needs the --model it is for"},
        {"library export lib x a.gguf", "a GGUF adapter needs the --model it is for"},
        {"library convert ad a.gguf", "a GGUF adapter needs the --model it is for"},
        {"library convert ad b -m m", "convert: neither adapter is a .gguf file"},
        {"library convert ad", "quiver library: convert takes ADAPTER ADAPTER"},
        {"library import lib", "quiver library: import takes LIB DIR"},
        {"library list lib --task x", "quiver library: --task goes with add"},
        {"library list lib --router arrow", "quiver library: --router goes with prepare"},
        {"library list lib -m m",
         "quiver library: --model goes with import, prepare and GGUF "
         "adapters"},
        {"library prepare lib --router tp --tasks x", "quiver library: --model is missing"},
        {"library prepare lib -m m --tasks x", "quiver library: --router is missing"},
        {"library prepare lib -m m --router tp", "quiver library: --tasks is missing"},
        {"library prepare lib tasks", "quiver library: prepare takes LIB"},
        {"cluster", "quiver cluster: there is no library"},
        {"cluster a b", "quiver cluster: one library at a time"},
        {"cluster lib --method k", "--method: 'k' is not mbc or gauge"},
        {"route -m m --library lib --router arrow", "quiver route: there is no text"},
        {"route -m m hello", "quiver route: --library and --router are missing"},
        {"route -m m a b", "quiver route: one text at a time: quote it"},
        {"merge --method cat --out x", "quiver merge: there is no library"},
        {"merge lib lib", "quiver merge: one library at a time"},
        {"merge lib --out x", "quiver merge: --method is missing"},
        {"merge lib --method cat", "quiver merge: --out is missing"},
        {"merge lib --method cat --out x --experts a,b --weights 1",
         "--weights has 1 numbers, and --experts 2 names"},
        {"merge lib --method cat --out x --experts a,b --weights 1,",
         "--weights: '' is not a number"},
        {"merge lib --method ties --out x --density 0",
         "--density: 0 is not in 1e-09 .. 1"},
        {"merge lib --method ties --out x --gamma 2", "--gamma: 2 is not in 0 .. 1"},
        {"merge lib --method svd --out x --rank 0", "--rank: 0 is less than 1"},
        {"merge lib --method ties --out x --elect all",
         "--elect: 'all' is not sum or count"},
    };
    for (size_t i = 0; i < QV_COUNT(wrong); i++) {
        says(wrong[i][0], 2, wrong[i][1]);
        assert_string_equal(said.out, "");
    }
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
    assert_int_equal(json_array_size(json_object_get(v, "within")), 2);
    assert_int_equal(json_array_size(json_object_get(v, "to_others")), 2);
    json_decref(v);
    v = json_of("cluster lib --clusters 1 --json");
    double sum = 0;
    json_t *row;
    size_t k, j;
    json_array_foreach(json_object_get(v, "similarity"), k, row)
        json_array_foreach(row, j, one) sum += k == j ? 0 : json_real_value(one);
    one = json_array_get(json_object_get(v, "within"), 0);
    assert_true(fabs(json_real_value(one) - sum / 6) < 1e-6);
    assert_true(json_is_null(json_array_get(json_object_get(v, "to_others"), 0)));
    json_decref(v);
    v = json_of("cluster lib --method gauge --json");
    assert_int_equal(json_array_size(json_object_get(v, "clusters")), 3);
    json_decref(v);
    works("cluster lib");
    assert_non_null(strstr(said.out, "within"));
}

static void wrong_usage_of_study_exits_with_2_and_says_what_is_wrong(void **state)
{
    (void)state;
    static const char *const wrong[][2] = {
        {"study", "quiver study: what is to be studied?"},
        {"study tea lib", "quiver study: no study is named 'tea'"},
        {"study norms", "quiver study: norms takes LIB"},
        {"study norms lib", "quiver study: --model is missing"},
        {"study norms lib -m m", "quiver study: --tasks is missing"},
        {"study spectra lib -m m", "quiver study: spectra looks at the library alone"},
        {"study routing lib -m m --tasks t", "quiver study: --router is missing"},
        {"study routing lib -m m --tasks t --router x", "no router is named 'x'"},
        {"study norms lib -m m --tasks t --router arrow", "--router goes with routing"},
        {"study norms lib -m m --tasks t --metric loglik",
         "--metric and --max-tokens go with transfer and joint"},
        {"study joint lib -m m --tasks t", "quiver study: --work is missing"},
        {"study norms lib -m m --tasks t --work w",
         "--work, --pairs and --seed go with joint"},
        {"study joint lib -m m --tasks t --work w --pairs 0", "--pairs: 0 is less than 1"},
        {"study transfer lib -m m --tasks t --metric x", "quiver study: --metric: "},
    };
    for (size_t i = 0; i < QV_COUNT(wrong); i++)
        says(wrong[i][0], 2, wrong[i][1]);
}

static const struct {
    const char *what, *options, *lists[4]; // of 3 experts, tasks or pairs
} study[] = {
    {"transfer", "-m m --tasks tasks --limit 2", {"experts", "tasks", "score", "own"}},
    {"joint", "-m m --tasks tasks --work pairs --limit 2", {"pairs"}},
    {"norms", "-m m --tasks tasks", {"tasks"}},
    {"routing", "-m m --tasks tasks --router arrow --top-k 2", {"experts"}},
    {"spectra", "", {"experts"}},
};

static void every_study_tells_a_person_and_a_program(void **state)
{
    (void)state;
    for (size_t i = 0; i < QV_COUNT(study); i++) {
        char args[256];
        snprintf(args, sizeof args, "study %s lib %s", study[i].what, study[i].options);
        works(args);
        assert_non_null(strchr(said.out, '\n'));
        snprintf(args, sizeof args, "study %s lib %s --json", study[i].what,
                 study[i].options);
        json_t *v = json_of(args);
        assert_string_equal(json_string_value(json_object_get(v, "study")), study[i].what);
        for (size_t k = 0; k < 4 && study[i].lists[k]; k++)
            assert_int_equal(json_array_size(json_object_get(v, study[i].lists[k])), 3);
        json_decref(v);
    }
    json_t *spectra = json_of("study spectra lib --json"), *e, *site;
    size_t i, j;
    json_array_foreach(json_object_get(spectra, "experts"), i, e)
    {
        double sum = 0, least = 1;
        json_array_foreach(json_object_get(e, "sites"), j, site)
        {
            double one = json_number_value(json_object_get(site, "sigma1"));
            double two = json_number_value(json_object_get(site, "sigma2"));
            double gap = json_number_value(json_object_get(site, "gap"));
            assert_true(one > two && two > 0 && fabs(gap - (1 - two / one)) < 1e-6);
            sum += gap;
            least = fmin(least, gap);
        }
        assert_true(j > 1);
        assert_true(fabs(json_number_value(json_object_get(e, "mean_gap")) -
                         sum / (double)j) < 1e-6);
        assert_true(fabs(json_number_value(json_object_get(e, "least_gap")) - least) <
                    1e-6);
    }
    json_decref(spectra);
    static const char *const told[] = {"tokens", "last", "vote", "vote_of_all"};
    json_t *v = json_of("study routing lib -m m --tasks tasks --router arrow --json");
    for (size_t k = 0; k < QV_COUNT(told); k++)
        assert_true(
            json_is_number(json_object_get(json_object_get(v, "prompts"), told[k])));
    json_decref(v);
    v = json_of("study routing lib -m m --tasks tasks --router arrow_vote --json");
    assert_null(json_object_get(v, "prompts")); // it does not go by token
    json_decref(v);
    says("study routing lib -m m --tasks tasks --router uniform", 1,
         "router 'uniform' does not look at tokens");
    says("study spectra nowhere", 1, "nowhere");
}

/* Every method writes an adapter that the model can be read with. */
static void experts_are_merged_by_every_method(void **state)
{
    (void)state;
    static const char *const how[] = {
        "average",
        "linear --experts a,b --weights 0.5,-1",
        "cat --experts a,b",
        "svd --rank 3",
        "task_arithmetic --rank 2",
        "ties --density 0.5 --elect count",
        "ties_whole",
        "magnitude_prune --density 1",
        "breadcrumbs --gamma 0",
        "dare_linear --seed 3",
        "dare_ties --density 0.5",
        "subtract_exact --experts a --general b,c",
        "subtract_factor --experts a --general b --general c",
    };
    for (size_t i = 0; i < QV_COUNT(how); i++) {
        char args[128];
        snprintf(args, sizeof args, "merge lib --out merged%zu --json --method %s", i,
                 how[i]);
        json_t *v = json_of(args);
        assert_int_equal(json_integer_value(json_object_get(v, "n_sites")), 8);
        assert_true(json_integer_value(json_object_get(v, "max_rank")) >= 2);
        json_decref(v);
        snprintf(args, sizeof args, "score -m m --text hello --json --adapter merged%zu",
                 i);
        json_decref(json_of(args));
    }
    works("merge lib --out merged --method svd");
    assert_non_null(strstr(said.out, "discarded"));
}

/* The two ways to the mean of all experts, once by a merge and once by a router. */
static void a_mean_of_experts_is_the_uniform_router(void **state)
{
    (void)state;
    works("merge lib --out by_cat --method cat");
    works("merge lib --out by_average --method average");
    double cat = bits_of("m", "--adapter by_cat"),
           average = bits_of("m", "--adapter by_average");
    double output = bits_of("m", "--library lib --router uniform --compose output");
    double factor = bits_of("m", "--library lib --router uniform --compose factor");
    assert_true(fabs(cat - output) < 1e-5);
    assert_true(fabs(average - factor) < 1e-5);
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
    assert_non_null(strstr(said.out, "each site, over 6 tokens"));
}

/* What is kept for routers is made once, and missed by those that need it. */
static void what_a_router_needs_is_prepared(void **state)
{
    (void)state;
    static const char *const needy[] = {"centroid", "retrieval", "tp", "tp_ngrams",
                                        "phatgoose"};
    for (size_t i = 0; i < QV_COUNT(needy); i++) {
        char args[160], words[160];
        snprintf(args, sizeof args, "score -m m --library lib --router %s --text a",
                 needy[i]);
        snprintf(words, sizeof words,
                 "'quiver library prepare LIB --router %s --model M --tasks DIR' makes it",
                 needy[i]);
        says(args, 1, words);
        snprintf(args, sizeof args,
                 "library prepare lib --router %s -m m --tasks tasks --limit 8 --epochs 1 "
                 "--json",
                 needy[i]);
        for (int again = 0; again < 2; again++) {
            json_t *v = json_of(args);
            assert_int_equal(json_integer_value(json_object_get(v, "made")), again ? 0 : 3);
            json_decref(v);
        }
    }
    says("library prepare lib --router arrow -m m --tasks tasks", 1,
         "router 'arrow' needs nothing but the experts");
    works("library verify lib");
}

/* All of them but the oracle, which an evaluation alone can ask. */
static void every_router_scores_generates_routes_and_is_evaluated(void **state)
{
    (void)state;
    static const char *const routers[] = {
        "arrow",       "arrow_unit",   "arrow_norm", "arrow_across", "arrow_root",
        "arrow_sigma", "arrow_signed", "arrow_mean", "arrow_wide",   "arrow_vote",
        "spectr",      "spectr_sigma", "lag",        "centroid",     "avg_act",
        "phatgoose",   "retrieval",    "tp",         "tp_ngrams",    "uniform"};
    double base = bits_of("m", "");
    for (size_t i = 0; i < QV_COUNT(routers); i++) {
        char who[128], args[256];
        const bool is_static = strcmp(routers[i], "uniform") == 0;
        snprintf(who, sizeof who, "--library lib --router %s --compose output", routers[i]);
        double bits = bits_of("m", who);
        assert_true(isfinite(bits) && fabs(bits - base) > 1e-7);
        snprintf(args, sizeof args, "generate -m m %s -p 'Say a 3:' --max-tokens 3", who);
        works(args);
        snprintf(args, sizeof args, "route -m m %s --top-k 2 --json 'Say a 3:'", who);
        if (is_static) {
            says(args, 1, "does not look at tokens");
        } else {
            json_t *v = json_of(args);
            assert_int_equal(json_array_size(json_object_get(v, "sites")), 8);
            json_decref(v);
        }
        snprintf(args, sizeof args,
                 "eval -m m %s --suite tasks/a.jsonl --metric loglik --limit 3 --json",
                 who);
        json_decref(json_of(args));
    }
    // Two experts, and a third that they do without.
    double less = bits_of("m", "--library lib --router arrow --general c"),
           exact =
               bits_of("m", "--library lib --router arrow --general c --subtract exact");
    assert_true(fabs(less - exact) > 1e-9);
    says("score -m m --library lib --router spectr --temperature 2 --text a", 1,
         "spectr: its experts share evenly");
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
    assert_non_null(strstr(said.out, "mean"));
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
    assert_int_equal(said.code, 1);
    assert_non_null(strstr(said.out, "\"expert\":\"y\""));
    json_decref(json_of("library remove other y --json"));
}

/* Out as a GGUF file and in again, by way of a library and without one: one expert. */
static void an_adapter_goes_through_gguf_and_back(void **state)
{
    (void)state;
    const char *model = "m";
    works("library add forms x ad --task a");
    works("library export forms x x.gguf --model m");
    says("library export forms x x.gguf --model m", 1, "x.gguf: a file is there");
    works("library convert ad y.gguf --model m");
    works("library convert y.gguf back --model m");
    says("library convert y.gguf back --model m", 1, "a file is there");
    json_t *v = json_of("library add forms z x.gguf --model m --json");
    json_decref(v);
    v = json_of("library show forms z --json");
    json_t *was = json_of("library show forms x --json");
    assert_true(json_equal(json_object_get(v, "hash"), json_object_get(was, "hash")));
    assert_true(json_equal(json_object_get(v, "tasks"), json_object_get(was, "tasks")));
    json_decref(v);
    json_decref(was);
    double bits = bits_of(model, "--adapter ad");
    assert_true(bits_of(model, "--adapter x.gguf") == bits);
    assert_true(bits_of(model, "--adapter y.gguf") == bits);
    assert_true(bits_of(model, "--adapter back") == bits);
    assert_true(bits_of(model, "") != bits);
    works("train --model m --data tasks/a.jsonl --init x.gguf --steps 1 --out trained");
    says("library add forms q none.gguf --model m", 1, "none.gguf: No such file");
    says("library add forms q x.gguf --model none", 1, "none/config.json: No such file");
    says("library export forms q q.gguf --model m", 1, "no expert 'q'");
}

static void info_tells_of_a_gguf_adapter(void **state)
{
    (void)state;
    json_t *v = json_of("info x.gguf --json"), *of = json_object_get(v, "tensors");
    assert_string_equal(json_string_value(json_object_get(v, "kind")), "adapter");
    assert_string_equal(json_string_value(json_object_get(v, "format")), "gguf");
    assert_string_equal(json_string_value(json_object_get(v, "architecture")), "llama");
    assert_string_equal(json_string_value(json_object_get(v, "task")), "a");
    assert_int_equal(json_array_size(of), 8);
    assert_string_equal(json_string_value(json_object_get(json_array_get(of, 0), "tensor")),
                        "blk.0.attn_k.weight");
    assert_int_equal(json_integer_value(json_object_get(json_array_get(of, 0), "rank")), 4);
    json_decref(v);
}

#define EXPERT                                                                             \
    "\"expert_name\":\"%s\",\"expert_task_name\":\"t\",\"expert_deleted\":%s,"             \
    "\"expert_config\":{\"lora_alpha\":8,\"lora_rank\":4,\"modify_layers\":\"q_proj\"}"

/* The q_proj of the adapter "ad" in mttl's form, as far as names go. */
static void write_mttl(const char *stem, const char *name, const char *deleted)
{
    static float a[32 * 4], b[4 * 32];
    const struct qv_tensor_out t[] = {
        {"model.layers.0.self_attn.q_proj.lora_a", QV_F32, 2, {32, 4}, a},
        {"model.layers.0.self_attn.q_proj.lora_b", QV_F32, 2, {4, 32}, b}};
    char path[64], json[512];
    qv_err err = {0};
    for (size_t i = 0; i < 128; i++)
        a[i] = b[i] = (float)i / 128;
    snprintf(path, sizeof path, "%s.safetensors", stem);
    assert_works(qv__st_write(in_world(path), t, 2, NULL, 0, &err), &err);
    snprintf(path, sizeof path, "%s.json", stem);
    snprintf(json, sizeof json, "{" EXPERT "}", name, deleted);
    write_text(in_world(path), json);
}

static void a_library_of_mttl_s_is_explained_and_imported(void **state)
{
    (void)state;
    qv_err err = {0};
    assert_works(qv__make_dir(in_world("mttl"), &err), &err);
    write_mttl("mttl/one", "law", "false");
    write_mttl("mttl/two", "gone", "true");
    json_t *v = json_of("info mttl --json"), *first;
    first = json_array_get(json_object_get(v, "experts"), 0);
    assert_string_equal(json_string_value(json_object_get(v, "kind")), "mttl");
    assert_int_equal(json_integer_value(json_object_get(v, "n_experts")), 2);
    assert_string_equal(json_string_value(json_object_get(first, "expert")), "law");
    assert_int_equal(json_integer_value(json_object_get(first, "max_rank")), 4);
    json_decref(v);
    v = json_of("info mttl/one.json --json");
    assert_string_equal(json_string_value(json_object_get(v, "kind")), "mttl");
    assert_int_equal(json_array_size(json_object_get(v, "sites")), 1);
    json_decref(v);
    v = json_of("library import new mttl --model m --json");
    assert_int_equal(json_array_size(json_object_get(v, "imported")), 1);
    assert_int_equal(json_array_size(json_object_get(v, "left_out")), 1);
    json_decref(v);
    says("library import new mttl", 1, "expert 'law' is already in");
    works("library import new mttl --replace");
    assert_true(bits_of("m", "--library new --expert law") != bits_of("m", ""));
    write_text(in_world("mttl/three.ckpt"), "PK");
    says("library import new mttl", 1, "three.ckpt: a Python pickle, which is not read");
    says("info mttl/three.ckpt", 1, "three.ckpt: a Python pickle, which is not read");
    says("info mttl", 1, "three.ckpt: a Python pickle, which is not read");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_usage_of_a_library_exits_with_2_and_says_what_is_wrong),
        cmocka_unit_test(a_build_is_done_once),
        cmocka_unit_test(each_expert_is_in_one_cluster),
        cmocka_unit_test(wrong_usage_of_study_exits_with_2_and_says_what_is_wrong),
        cmocka_unit_test(every_study_tells_a_person_and_a_program),
        cmocka_unit_test(experts_are_merged_by_every_method),
        cmocka_unit_test(a_mean_of_experts_is_the_uniform_router),
        cmocka_unit_test(a_route_has_k_experts_a_token_whose_weights_sum_to_one),
        cmocka_unit_test(what_a_router_needs_is_prepared),
        cmocka_unit_test(every_router_scores_generates_routes_and_is_evaluated),
        cmocka_unit_test(
            an_evaluation_has_every_metric_and_in_its_file_every_score_and_answer),
        cmocka_unit_test(a_library_is_listed_changed_and_verified),
        cmocka_unit_test(an_adapter_goes_through_gguf_and_back),
        cmocka_unit_test(info_tells_of_a_gguf_adapter),
        cmocka_unit_test(a_library_of_mttl_s_is_explained_and_imported),
    };
    return cmocka_run_group_tests(tests, make_world, end_world);
}
