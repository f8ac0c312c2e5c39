/* library_test.c - the store: what it keeps and what it refuses. Run from the repository's
 * root. */
#include "library/library.h"
#include "base/file.h"
#include "base/json.h"
#include "library/meta.h"
#include "library/store.h"
#include "support/experts.h"
#include "support/scratch.h"

#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define PLAIN "tests/golden/peft/plain"

static char root[64]; // of this process alone, made and removed by main
static qv_library *lib;

/* "<root>/<tail>" in one of a few buffers, good for a few calls. */
static const char *at(const char *tail)
{
    static char text[4][256];
    static int next;
    next = (next + 1) % 4;
    snprintf(text[next], sizeof text[next], "%s/%s", root, tail);
    return text[next];
}

static void put(const char *name, float v, bool replace)
{
    const qv_expert_opts opts = {.replace = replace};
    struct qv_expert *e = expert_filled(name, v);
    qv_err err;
    assert_works(qv__library_put(lib, e, &opts, &err), &err);
    qv__expert_free(e);
}

static struct qv_expert *get(const char *name)
{
    struct qv_expert *e;
    qv_err err;
    assert_works(qv__library_read(&e, lib, name, NULL, &err), &err);
    return e;
}

static qv_snapshot *snapshot(void)
{
    qv_snapshot *snap;
    qv_err err;
    assert_works(qv_library_snapshot(&snap, lib, &err), &err);
    return snap;
}

static int open_library(void **state)
{
    (void)state;
    const qv_library_opts opts = {"made/tiny", NULL, "{\"seed\":1}"};
    return qv_library_create(&lib, at("lib"), &opts, NULL);
}

static int remove_library(void **state)
{
    (void)state;
    qv_library_close(lib);
    lib = NULL;
    return qv__remove_tree(root, NULL) || qv__make_dir(root, NULL);
}

static void a_library_keeps_the_facts_it_was_made_with(void **state)
{
    (void)state;
    qv_library *again;
    qv_err err = {0};
    assert_works(qv_library_open(&again, at("lib"), &err), &err);
    assert_string_equal(qv_library_facts(again)->base_name, "made/tiny");
    assert_null(qv_library_facts(again)->base_hash);
    assert_string_equal(qv_library_facts(again)->settings, "{\"seed\":1}");
    assert_string_equal(qv_library_dir(again), qv_library_dir(lib));
    qv_library_close(again);
    qv_library_close(NULL);
}

static void where_a_library_is_none_is_made_and_where_none_is_none_opens(void **state)
{
    (void)state;
    qv_library *other;
    qv_err err;
    char says[256];
    assert_int_equal(qv_library_create(&other, at("lib"), NULL, &err), QV_EEXIST);
    snprintf(says, sizeof says, "%s/lib: a library is there", root);
    assert_string_equal(err.msg, says);
    assert_null(other);
    assert_int_equal(qv_library_open(&other, root, &err), QV_ENOTFOUND);
    snprintf(says, sizeof says, "%s: not a library: library.json is missing", root);
    assert_string_equal(err.msg, says);
    assert_int_equal(qv_library_open(&other, at("none"), &err), QV_ENOTFOUND);
    snprintf(says, sizeof says, "%s/none: No such file or directory", root);
    assert_string_equal(err.msg, says);
    const qv_library_opts list = {.settings = "[]"}, broken = {.settings = "{"};
    assert_int_equal(qv_library_create(&other, at("x"), &list, &err), QV_EFORMAT);
    assert_string_equal(err.msg, "settings: not an object");
    assert_int_equal(qv_library_create(&other, at("x"), &broken, &err), QV_EFORMAT);
    assert_string_equal(err.msg,
                        "settings: not JSON: line 1, column 1: string or '}' expected "
                        "near end of file");
    const qv_library_opts latin = {.base_name = "\xe9"};
    assert_int_equal(qv_library_create(&other, at("x"), &latin, &err), QV_EFORMAT);
    assert_string_equal(err.msg, "the base model's name or hash is not UTF-8");
}

static const struct {
    const char *json;
    qv_status code;
    const char *says;
} facts_lie[] = {
    {"", QV_EFORMAT, "not JSON: line 1, column 0: '[' or '{' expected near end of file"},
    {"[]", QV_EFORMAT, "not an object"},
    {"{}", QV_EUNSUPPORTED, "format 0, this quiver reads 1"},
    {"{\"format\":2}", QV_EUNSUPPORTED, "format 2, this quiver reads 1"},
    {"{\"format\":\"1\"}", QV_EFORMAT, "'format' is not a whole number"},
    {"{\"format\":1,\"base\":\"phi\"}", QV_EFORMAT, "'base' is not an object"},
    {"{\"format\":1,\"base\":{\"name\":1}}", QV_EFORMAT, "'name' is not a string"},
    {"{\"format\":1,\"base\":{\"hash\":1}}", QV_EFORMAT, "'hash' is not a string"},
    {"{\"format\":1,\"settings\":1}", QV_EFORMAT, "'settings' is not an object"},
};

static void each_lie_of_a_library_has_its_sentence(void **state)
{
    (void)state;
    for (size_t i = 0; i < QV_COUNT(facts_lie); i++) {
        qv_library *other;
        qv_err err = {0};
        char says[256];
        write_text(at("lib/library.json"), facts_lie[i].json);
        assert_int_equal(qv_library_open(&other, at("lib"), &err), facts_lie[i].code);
        snprintf(says, sizeof says, "%s/lib/library.json: %s", root, facts_lie[i].says);
        assert_string_equal(err.msg, says);
    }
}

static void an_adapter_of_peft_is_kept_and_exported_bit_for_bit(void **state)
{
    (void)state;
    const char *const task[] = {"opposites", "plurals"};
    const qv_data_file data[] = {{"tasks/opposites.jsonl", "00ff"}};
    const qv_score score[] = {{"opposites", "rouge_l", 0.5}};
    const qv_expert_opts opts = {.meta = {.task = task,
                                          .n_tasks = 2,
                                          .base_name = "elsewhere/tiny",
                                          .base_hash = "abc",
                                          .data = data,
                                          .n_data = 1,
                                          .score = score,
                                          .n_scores = 1,
                                          .settings = "{\"lr\":0.001}"}};
    qv_err err;
    assert_works(qv_library_add(lib, "law & order", PLAIN, &opts, &err), &err);
    assert_works(qv_library_export(lib, "law & order", at("out/law"), &err), &err);
    assert_same_bytes(at("out/law/adapter_config.json"), PLAIN "/adapter_config.json");
    assert_same_bytes(at("out/law/adapter_model.safetensors"),
                      PLAIN "/adapter_model.safetensors");
    assert_int_equal(qv_library_export(lib, "law & order", at("out/law"), &err), QV_EEXIST);

    qv_snapshot *snap = snapshot();
    assert_int_equal(qv_snapshot_size(snap), 1);
    const qv_expert_info *info = qv_snapshot_info(snap, 0);
    struct qv_expert *e = get("law & order");
    char hash[65];
    qv__expert_hash(hash, e);
    assert_string_equal(info->name, "law & order");
    assert_string_equal(info->hash, hash);
    assert_string_equal(info->created_by, "quiver " QV_VERSION);
    assert_int_equal(info->n_sites, 6);
    assert_int_equal(info->n_weights, e->n_w);
    assert_int_equal(info->min_rank, 4);
    assert_int_equal(info->max_rank, 4);
    assert_int_equal(info->meta.n_tasks, 2);
    assert_string_equal(info->meta.task[1], "plurals");
    assert_string_equal(info->meta.base_name, "elsewhere/tiny");
    assert_string_equal(info->meta.base_hash, "abc");
    assert_string_equal(info->meta.data[0].path, "tasks/opposites.jsonl");
    assert_string_equal(info->meta.data[0].hash, "00ff");
    assert_string_equal(info->meta.score[0].metric, "rouge_l");
    assert_true(info->meta.score[0].value == 0.5);
    assert_string_equal(info->meta.settings, "{\"lr\":0.001}");
    assert_null(qv_snapshot_info(snap, 1));
    qv__expert_free(e);
    qv_snapshot_release(snap);
}

static void an_expert_in_memory_comes_back_as_it_went(void **state)
{
    (void)state;
    put("law", 3, false);
    struct qv_expert *e = get("law");
    assert_string_equal(e->name, "law");
    assert_int_equal(e->n_sites, 2);
    for (size_t i = 0; i < e->n_w; i++)
        assert_true(e->w[i] == 3);
    assert_true(e->site[0].scale == 1.5f);
    qv__expert_free(e);
}

static void an_expert_is_replaced_only_on_request(void **state)
{
    (void)state;
    put("law", 1, false);
    struct qv_expert *e = expert_filled("law", 2);
    qv_err err;
    char says[256];
    assert_int_equal(qv__library_put(lib, e, NULL, &err), QV_EEXIST);
    snprintf(says, sizeof says, "expert 'law' is already in %s/lib", root);
    assert_string_equal(err.msg, says);
    qv__expert_free(e);
    put("law", 2, true);
    e = get("law");
    assert_true(e->w[0] == 2);
    qv__expert_free(e);
}

static void experts_are_removed_and_renamed(void **state)
{
    (void)state;
    qv_err err;
    char says[256];
    put("a", 1, false);
    put("b", 2, false);
    assert_works(qv_library_rename(lib, "a", "c", &err), &err);
    assert_int_equal(qv_library_rename(lib, "b", "c", &err), QV_EEXIST);
    snprintf(says, sizeof says, "expert 'c' is already in %s/lib", root);
    assert_string_equal(err.msg, says);
    assert_works(qv_library_remove(lib, "b", &err), &err);
    snprintf(says, sizeof says, "no expert 'b' in %s/lib", root);
    struct qv_expert *e;
    const qv_score score = {"t", "m", 1};
    assert_int_equal(qv_library_remove(lib, "b", &err), QV_ENOTFOUND);
    assert_string_equal(err.msg, says);
    assert_int_equal(qv_library_rename(lib, "b", "d", &err), QV_ENOTFOUND);
    assert_string_equal(err.msg, says);
    assert_int_equal(qv_library_export(lib, "b", at("out"), &err), QV_ENOTFOUND);
    assert_string_equal(err.msg, says);
    assert_int_equal(qv_library_set_score(lib, "b", &score, &err), QV_ENOTFOUND);
    assert_string_equal(err.msg, says);
    assert_int_equal(qv__library_read(&e, lib, "b", NULL, &err), QV_ENOTFOUND);
    assert_string_equal(err.msg, says);
    qv_snapshot *snap = snapshot();
    assert_int_equal(qv_snapshot_size(snap), 1);
    assert_int_equal(qv_snapshot_find(snap, "c"), 0);
    assert_int_equal(qv_snapshot_find(snap, "a"), 1);
    qv_snapshot_release(snap);
    char **left;
    size_t n;
    qv_arena a = {0};
    assert_works(qv__list_dir(&left, &n, &a, at("lib/.tmp"), &err), &err);
    assert_int_equal(n, 0);
    qv__arena_free(&a);
}

static const struct {
    const char *name, *says;
} bad_name[] = {
    {"", "a name of no letters names no expert"},
    {".", "'.' cannot name an expert: it starts with '.'"},
    {"..", "'..' cannot name an expert: it starts with '.'"},
    {".tmp", "'.tmp' cannot name an expert: it starts with '.'"},
    {"a/b", "'a/b' cannot name an expert: it has a '/'"},
    {"a\nb", "a name with byte 10 in it names no expert"},
    {"a\x7f", "a name with byte 127 in it names no expert"},
    {"\xff", "a name that is not UTF-8 names no expert"},
};

static void a_name_that_is_no_directorys_is_refused_everywhere(void **state)
{
    (void)state;
    put("a", 1, false);
    for (size_t i = 0; i < QV_COUNT(bad_name); i++) {
        const char *name = bad_name[i].name;
        const qv_score score = {"t", "m", 1};
        struct qv_expert *e = expert_filled(name, 1), *none;
        struct qv_st st;
        qv_err err[9] = {0};
        assert_int_equal(qv__library_put(lib, e, NULL, &err[0]), QV_EFORMAT);
        assert_int_equal(qv_library_add(lib, name, PLAIN, NULL, &err[1]), QV_EFORMAT);
        assert_int_equal(qv_library_remove(lib, name, &err[2]), QV_EFORMAT);
        assert_int_equal(qv_library_rename(lib, name, "b", &err[3]), QV_EFORMAT);
        assert_int_equal(qv_library_rename(lib, "a", name, &err[4]), QV_EFORMAT);
        assert_int_equal(qv_library_export(lib, name, at("out"), &err[5]), QV_EFORMAT);
        assert_int_equal(qv_library_set_score(lib, name, &score, &err[6]), QV_EFORMAT);
        assert_int_equal(qv__library_read(&none, lib, name, NULL, &err[7]), QV_EFORMAT);
        assert_int_equal(qv__library_artifact(&st, lib, name, "p", "x", &err[8]),
                         QV_EFORMAT);
        for (size_t k = 0; k < QV_COUNT(err); k++)
            assert_string_equal(err[k].msg, bad_name[i].says);
        qv__expert_free(e);
    }
}

static void a_name_may_have_200_bytes(void **state)
{
    (void)state;
    char name[202];
    qv_err err;
    memset(name, 'n', sizeof name);
    name[201] = '\0';
    assert_int_equal(qv_library_remove(lib, name, &err), QV_EFORMAT);
    assert_string_equal(err.msg, "a name of 201 bytes is too long for an expert: 200 are "
                                 "allowed");
    name[200] = '\0';
    put(name, 1, false);
    put(name, 2, true);
    assert_works(qv_library_remove(lib, name, &err), &err);
}

static void an_expert_of_another_base_is_refused(void **state)
{
    (void)state;
    struct qv_expert *e = expert_filled("law", 1);
    qv_err err;
    e->base = "other/big";
    assert_int_equal(qv__library_put(lib, e, NULL, &err), QV_EFORMAT);
    assert_string_equal(err.msg, "expert 'law': base model 'other/big' (no hash), but the "
                                 "library's is 'made/tiny' (no hash)");
    e->base = "/home/me/tiny"; // the same by its last part
    assert_works(qv__library_put(lib, e, NULL, &err), &err);
    qv__expert_free(e);

    qv_library *hashed;
    const qv_library_opts opts = {"tiny", "0123456789abcdef", NULL};
    assert_works(qv_library_create(&hashed, at("hashed"), &opts, &err), &err);
    assert_works(qv_library_check_base(hashed, NULL, NULL, &err), &err);
    assert_works(qv_library_check_base(hashed, "renamed", "0123456789abcdef", &err), &err);
    assert_int_equal(qv_library_check_base(hashed, "tiny", "fedcba9876543210", &err),
                     QV_EFORMAT);
    assert_string_equal(err.msg,
                        "base model 'tiny' (fedcba987654), but the library's is 'tiny' "
                        "(0123456789ab)");
    qv_library_close(hashed);
}

static void an_adapter_that_cannot_be_read_is_not_added(void **state)
{
    (void)state;
    qv_err err;
    assert_int_equal(qv_library_add(lib, "dora", "tests/golden/peft/dora", NULL, &err),
                     QV_EUNSUPPORTED);
    assert_string_equal(err.msg,
                        "tests/golden/peft/dora/adapter_config.json: 'use_dora' is "
                        "set, which only an adapter used alone may have");
    assert_false(qv__is_dir(at("lib/dora")));
    const qv_expert_opts latin = {.meta = {.base_hash = "\xe9"}};
    struct qv_expert *e = expert_filled("law", 1);
    assert_int_equal(qv__library_put(lib, e, &latin, &err), QV_EFORMAT);
    assert_string_equal(err.msg, "expert 'law': the name or hash of the base model is not "
                                 "UTF-8");
    const char *const task[] = {"\xe9"};
    const qv_expert_opts tasks = {.meta = {.task = task, .n_tasks = 1}};
    assert_int_equal(qv__library_put(lib, e, &tasks, &err), QV_EFORMAT);
    assert_string_equal(err.msg, "expert 'law': the name of a task is not UTF-8");
    const qv_data_file file[] = {{"\xe9", NULL}};
    const qv_expert_opts data = {.meta = {.data = file, .n_data = 1}};
    assert_int_equal(qv__library_put(lib, e, &data, &err), QV_EFORMAT);
    assert_string_equal(err.msg,
                        "expert 'law': the path or hash of a data file is not UTF-8");
    qv__expert_free(e);
}

static void scores_are_kept_one_a_task_and_metric(void **state)
{
    (void)state;
    const qv_score first = {"t", "m", 0.25}, second = {"t", "m", 0.5},
                   other = {"t", "n", 1}, bad = {"t", "m", NAN}, latin = {"\xe9", "m", 1};
    qv_err err;
    put("law", 1, false);
    assert_works(qv_library_set_score(lib, "law", &first, &err), &err);
    assert_works(qv_library_set_score(lib, "law", &other, &err), &err);
    assert_works(qv_library_set_score(lib, "law", &second, &err), &err);
    assert_int_equal(qv_library_set_score(lib, "law", &bad, &err), QV_EFORMAT);
    assert_string_equal(err.msg, "expert 'law': the score is not a finite number");
    assert_int_equal(qv_library_set_score(lib, "law", &latin, &err), QV_EFORMAT);
    assert_string_equal(err.msg,
                        "expert 'law': the task or metric of a score is not UTF-8");
    qv_snapshot *snap = snapshot();
    const qv_expert_meta *m = &qv_snapshot_info(snap, 0)->meta;
    assert_int_equal(m->n_scores, 2);
    assert_true(m->score[0].value == 0.5 && m->score[1].value == 1);
    assert_string_equal(m->score[1].metric, "n");
    qv_snapshot_release(snap);
}

static void a_snapshot_holds_still(void **state)
{
    (void)state;
    put("a", 1, false);
    put("b", 2, false);
    put("c", 3, false);
    qv_snapshot *snap = snapshot(), *same = qv_snapshot_share(snap);
    qv_err err;
    put("d", 4, false);
    put("b", 5, true);
    assert_works(qv_library_remove(lib, "c", &err), &err);
    qv_snapshot_release(snap);
    qv_library_close(lib);
    lib = NULL;

    assert_int_equal(qv_snapshot_size(same), 3);
    assert_string_equal(qv_snapshot_info(same, 2)->name, "c");
    struct qv_expert *e;
    assert_works(qv__snapshot_read(&e, same, 0, NULL, &err), &err);
    assert_true(e->w[0] == 1);
    qv__expert_free(e);
    assert_int_equal(qv__snapshot_read(&e, same, 1, NULL, &err), QV_ENOTFOUND);
    assert_string_equal(err.msg, "expert 'b': replaced since it was listed");
    assert_int_equal(qv__snapshot_read(&e, same, 2, NULL, &err), QV_ENOTFOUND);
    qv_snapshot_release(same);
    qv_snapshot_release(NULL);
}

static void an_artifact_lives_as_long_as_the_expert_it_came_from(void **state)
{
    (void)state;
    const float v[2] = {1, 2};
    const struct qv_tensor_out t = {"v", QV_F32, 1, {2}, v};
    struct qv_st st;
    qv_err err;
    put("law", 1, false);
    struct qv_expert *e = get("law");
    char hash[65];
    qv__expert_hash(hash, e);
    qv__expert_free(e);
    assert_int_equal(qv__library_artifact(&st, lib, "law", "proto", hash, &err),
                     QV_ENOTFOUND);
    assert_string_equal(err.msg, "expert 'law' has no artifact 'proto'");
    assert_works(qv__library_put_artifact(lib, "law", "proto", hash, &t, 1, &err), &err);
    assert_works(qv__library_artifact(&st, lib, "law", "proto", hash, &err), &err);
    assert_memory_equal(qv__st_find(&st, "v")->data, v, sizeof v);
    qv__st_close(&st);

    // The expert changes: what was computed is gone, and cannot come back.
    put("law", 2, true);
    assert_int_equal(qv__library_artifact(&st, lib, "law", "proto", hash, &err),
                     QV_ENOTFOUND);
    assert_int_equal(qv__library_put_artifact(lib, "law", "proto", hash, &t, 1, &err),
                     QV_ENOTFOUND);
    char says[128];
    snprintf(says, sizeof says, "expert 'law': not the one of hash %.12s any more", hash);
    assert_string_equal(err.msg, says);
    assert_int_equal(qv__library_put_artifact(lib, "none", "proto", hash, &t, 1, &err),
                     QV_ENOTFOUND);
    assert_int_equal(qv__library_put_artifact(lib, "law", "a/b", hash, &t, 1, &err),
                     QV_EFORMAT);
    assert_string_equal(err.msg, "'a/b' cannot name an artifact: it has a '/'");
}

/* What verify said, one sentence a line. */
struct told {
    char text[4096];
};

static void listen(void *arg, const char *expert, const char *sentence)
{
    struct told *told = arg;
    size_t n = strlen(told->text);
    snprintf(told->text + n, sizeof told->text - n, "%s: %s\n", expert ? expert : "-",
             sentence);
}

static void assert_verify_says(const char *format, ...)
{
    char says[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(says, sizeof says, format, args);
    va_end(args);
    struct told told = {0};
    size_t n, lines = 0;
    qv_err err;
    assert_works(qv_library_verify(lib, listen, &told, &n, &err), &err);
    assert_string_equal(told.text, says);
    for (const char *c = says; *c; c++)
        lines += *c == '\n';
    assert_int_equal(n, lines);
}

static void replace_in_file(const char *path, const char *from, const char *to)
{
    qv_arena a = {0};
    char *text;
    size_t size;
    qv_err err;
    assert_works(qv__read_file(&text, &size, &a, path, 1 << 20, &err), &err);
    char *place = strstr(text, from);
    assert_non_null(place);
    *place = '\0';
    write_text(path, qv__arena_fmt(&a, "%s%s%s", text, to, place + strlen(from)));
    qv__arena_free(&a);
}

static void verify_finds_each_kind_of_damage(void **state)
{
    (void)state;
    const float v[2] = {1, 2};
    const struct qv_tensor_out t = {"v", QV_F32, 1, {2}, v};
    const char *const stamp[][2] = {{"expert", "0000"}};
    const char *path;
    qv_err err;
    struct qv_map map;
    put("law", 1, false);
    struct qv_expert *e = get("law");
    char hash[65];
    qv__expert_hash(hash, e);
    qv__expert_free(e);
    assert_works(qv__library_put_artifact(lib, "law", "proto", hash, &t, 1, &err), &err);
    assert_verify_says("%s", "");

    write_text(at("lib/law/artifacts/x"), "");
    assert_verify_says("law: expert 'law': 'x' is not an artifact\n");
    assert_int_equal(unlink(at("lib/law/artifacts/x")), 0);
    path = at("lib/law/artifacts/old.safetensors");
    assert_works(qv__st_write(path, &t, 1, stamp, 1, &err), &err);
    assert_verify_says("law: expert 'law': artifact 'old' is of another version\n");
    write_text(path, "short");
    assert_verify_says(
        "law: %s/lib/law/artifacts/old.safetensors: 5 bytes, too short for a "
        "safetensors file\n",
        root);
    assert_int_equal(unlink(path), 0);

    // alpha is not in the weights, but in what the expert computes
    replace_in_file(at("lib/law/adapter_config.json"), "\"lora_alpha\": 1",
                    "\"lora_alpha\": 2");
    struct told told = {0};
    size_t n;
    assert_works(qv_library_verify(lib, listen, &told, &n, &err), &err);
    assert_non_null(strstr(told.text, "law: expert 'law': its hash is "));
    replace_in_file(at("lib/law/adapter_config.json"), "\"lora_alpha\": 2",
                    "\"lora_alpha\": 1");
    replace_in_file(at("lib/law/expert.json"), "\"sites\": 2", "\"sites\": 3");
    assert_verify_says(
        "law: expert 'law': 2 sites and 48 weights, expert.json says 3 and 48\n");
    replace_in_file(at("lib/law/expert.json"), "\"format\": 1", "\"format\": 9");
    assert_verify_says("law: expert 'law': expert.json: format 9, this quiver reads 1\n");
    replace_in_file(at("lib/law/expert.json"), "\"format\": 9", "\"format\": 1");
    replace_in_file(at("lib/law/expert.json"), "\"name\": null", "\"name\": \"big\"");
    assert_verify_says(
        "law: expert 'law': base model 'big' (no hash), but the library's is "
        "'made/tiny' (no hash)\n");
    replace_in_file(at("lib/law/expert.json"), "\"name\": \"big\"", "\"name\": null");

    path = at("lib/law/adapter_model.safetensors");
    assert_works(qv__map(&map, path, &err), &err);
    assert_works(qv__write_file(path, map.bytes, map.size - 4, &err), &err);
    qv__unmap(&map);
    assert_verify_says(
        "law: expert 'law': adapter_model.safetensors: tensor 'base_model.model."
        "model.layers.0.v.lora_B.weight': data ends at 192, outside the file's "
        "188\n");
    assert_int_equal(unlink(path), 0);
    assert_verify_says("law: expert 'law': adapter_model.safetensors: No such file or "
                       "directory\n");
    write_text(at("lib/library.json"), "[]");
    assert_works(qv__remove_tree(at("lib/law"), &err), &err);
    assert_verify_says("-: %s/lib/library.json: not an object\n", root);
}

#define HASH       "\"hash\":\"0123456789012345678901234567890123456789012345678901234567890123\""
#define INFO(more) "{\"format\":1," HASH more "}"

static const struct {
    const char *json, *says;
} info_lie[] = {
    {"[]", "not an object"},
    {"{\"format\":1}", "'hash' is not 64 hexadecimal digits"},
    {"{\"format\":1,\"hash\":\"0\"}", "'hash' is not 64 hexadecimal digits"},
    {"{\"format\":-1}", "'format' is not a whole number"},
    {INFO(",\"created_by\":1"), "'created_by' is not a string"},
    {INFO(",\"sites\":-1"), "'sites' is not a whole number"},
    {INFO(",\"weights\":0.5"), "'weights' is not a whole number"},
    {INFO(",\"min_rank\":[]"), "'min_rank' is not a whole number"},
    {INFO(",\"max_rank\":\"\""), "'max_rank' is not a whole number"},
    {INFO(",\"base\":[]"), "'base' is not an object"},
    {INFO(",\"base\":{\"name\":1}"), "'name' is not a string"},
    {INFO(",\"settings\":[]"), "'settings' is not an object"},
    {INFO(",\"tasks\":{}"), "'tasks' is not a list"},
    {INFO(",\"tasks\":[1]"), "'tasks': entry 0 is not a string"},
    {INFO(",\"data\":\"x\""), "'data' is not a list"},
    {INFO(",\"data\":[{}]"), "'data': entry 0 has no path"},
    {INFO(",\"data\":[{\"path\":1}]"), "'path' is not a string"},
    {INFO(",\"scores\":1"), "'scores' is not a list"},
    {INFO(",\"scores\":[{\"task\":\"t\",\"metric\":\"m\"}]"),
     "'scores': entry 0 lacks task, metric or value"},
    {INFO(",\"scores\":[{\"task\":1}]"), "'task' is not a string"},
};

static void each_lie_of_an_experts_metadata_has_its_sentence(void **state)
{
    (void)state;
    for (size_t i = 0; i < QV_COUNT(info_lie); i++) {
        qv_arena a = {0};
        qv_expert_info info;
        qv_err err = {0};
        json_t *json;
        assert_works(
            qv__json_parse(&json, info_lie[i].json, strlen(info_lie[i].json), &err), &err);
        assert_int_equal(qv__meta_parse(&info, &a, json, &err), QV_EFORMAT);
        assert_string_equal(err.msg, info_lie[i].says);
        json_decref(json);
        qv__arena_free(&a);
    }
}

static void a_directory_without_metadata_is_no_expert(void **state)
{
    (void)state;
    qv_err err;
    put("law", 1, false);
    assert_works(qv__make_dir(at("lib/plots"), &err), &err);
    write_text(at("lib/README"), "mine");
    qv_snapshot *snap = snapshot();
    assert_int_equal(qv_snapshot_size(snap), 1);
    qv_snapshot_release(snap);
    assert_verify_says("plots: expert 'plots': expert.json: No such file or directory\n");
}

static void what_a_dead_process_left_is_swept_and_what_it_took_is_put_back(void **state)
{
    (void)state;
    qv_err err;
    put("law", 1, false);
    put("art", 2, false);
    // Died between the two renames of a file system that cannot exchange.
    assert_works(qv__make_dir(at("lib/.tmp/1-0/new"), &err), &err);
    assert_int_equal(rename(at("lib/law"), at("lib/.tmp/1-0/old:law")), 0);
    // Died after them: the old version must not come back.
    assert_works(qv__make_dir(at("lib/.tmp/1-1/old:art"), &err), &err);
    // Alive: it holds its directory locked.
    assert_works(qv__make_dir(at("lib/.tmp/1-2/new"), &err), &err);
    int fd = open(at("lib/.tmp/1-2"), O_RDONLY | O_DIRECTORY);
    assert_int_equal(flock(fd, LOCK_EX), 0);

    put("new", 3, false);
    struct qv_expert *law = get("law"), *art = get("art");
    assert_true(law->w[0] == 1 && art->w[0] == 2);
    assert_false(qv__is_dir(at("lib/.tmp/1-0")) || qv__is_dir(at("lib/.tmp/1-1")));
    assert_true(qv__is_dir(at("lib/.tmp/1-2/new")));
    close(fd);
    put("newer", 4, false);
    assert_false(qv__is_dir(at("lib/.tmp/1-2")));
    qv__expert_free(law);
    qv__expert_free(art);
}

#define with_library(test)                                                                 \
    cmocka_unit_test_setup_teardown(test, open_library, remove_library)

/* Begin and end changes, again and again; how often that failed. */
static void *begin_and_end(void *arg)
{
    size_t *n_failed = arg;
    for (int i = 0; i < 1000; i++) {
        struct qv_change c;
        *n_failed += qv__change_begin(&c, lib, NULL) != QV_OK;
        qv__change_end(&c);
    }
    return NULL;
}

static void changes_that_end_while_others_begin_do_not_disturb_them(void **state)
{
    (void)state;
    enum { THREADS = 8 };
    pthread_t thread[THREADS];
    size_t n_failed[THREADS] = {0};
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, begin_and_end, &n_failed[i]), 0);
    for (size_t i = 0; i < THREADS; i++) {
        pthread_join(thread[i], NULL);
        assert_int_equal(n_failed[i], 0);
    }
}

int main(void)
{
    snprintf(root, sizeof root, "/tmp/quiver-library-%ld", (long)getpid());
    if (qv__make_dir(root, NULL))
        return 1;
    const struct CMUnitTest tests[] = {
        with_library(a_library_keeps_the_facts_it_was_made_with),
        with_library(where_a_library_is_none_is_made_and_where_none_is_none_opens),
        with_library(each_lie_of_a_library_has_its_sentence),
        with_library(an_adapter_of_peft_is_kept_and_exported_bit_for_bit),
        with_library(an_expert_in_memory_comes_back_as_it_went),
        with_library(an_expert_is_replaced_only_on_request),
        with_library(experts_are_removed_and_renamed),
        with_library(a_name_that_is_no_directorys_is_refused_everywhere),
        with_library(a_name_may_have_200_bytes),
        with_library(an_expert_of_another_base_is_refused),
        with_library(an_adapter_that_cannot_be_read_is_not_added),
        with_library(scores_are_kept_one_a_task_and_metric),
        with_library(a_snapshot_holds_still),
        with_library(an_artifact_lives_as_long_as_the_expert_it_came_from),
        with_library(verify_finds_each_kind_of_damage),
        with_library(each_lie_of_an_experts_metadata_has_its_sentence),
        with_library(a_directory_without_metadata_is_no_expert),
        with_library(what_a_dead_process_left_is_swept_and_what_it_took_is_put_back),
        with_library(changes_that_end_while_others_begin_do_not_disturb_them),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    return qv__remove_tree(root, NULL) ? 1 : failed;
}
