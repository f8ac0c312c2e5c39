/* prepare.c - make the text that a small base model is trained on.
 *
 *     prepare DATA OUT
 *
 * DATA holds text/text.tar.xz, tasks/{p3,sni,paper12}.tar.xz, tasks/lists and
 * eval/eval.tar.xz. OUT gets novels, samples, wikitext, p3 and sni as JSON
 * lines {"text"}, one document a line; test/ with the three texts that the
 * model is measured on and never sees; and manifest.json, which names every
 * input with its size and hash.
 *
 * Of the tasks only inputs are taken, never answers, and nothing that a model
 * is evaluated on: whole tasks are left out by name, and of the others every
 * input that shares eight words in a row with an evaluated text.
 */
#include "base/arena.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/rng.h"

#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

extern char **environ;

enum {
    P3_PER_TASK = 40, // many P3 tasks are wordings of the same examples
    SNI_PER_TASK = 120,
    PER_DOCUMENT = 8, // inputs in a row, so that few are followed by the end
    LONGEST_INPUT = 4000,
    SHINGLE = 8, // words in a row that make an input "seen in an evaluation"
    FILE_LIMIT = 64 << 20,
};

static const char unseen_novel[] = "Chesterton_Innocence_1911.txt";

/* What the evaluation sets were made from, as task names spell it. */
static const char *const evaluated_sources[] = {
    "piqa",   "boolq",       "winogrande", "_arc_",    "openbookqa", "hellaswag",
    "_swag_", "social_i_qa", "socialiqa",  "bigbench", "mbpp",       "humaneval",
};

struct buffer {
    char *at;
    size_t n, room;
};

struct set {
    uint64_t *slot; // 0 is empty
    size_t n, room; // room is a power of two
};

struct prepare {
    const char *data, *out, *from; // from: where the archives are unpacked
    qv_arena arena;
    struct set evaluated; // hashes of SHINGLE words in a row
    const char **held_out;
    size_t n_held_out;
    struct buffer lines; // of the collection being made
    size_t n_documents, n_characters;
    json_t *inputs, *collections;
};

static void append(struct buffer *b, const char *bytes, size_t n)
{
    if (b->room - b->n < n + 1) {
        b->room = qv__max(2 * b->room, b->n + n + 1);
        b->at = realloc(b->at, b->room);
        qv_check(b->at);
    }
    memcpy(b->at + b->n, bytes, n);
    b->n += n;
    b->at[b->n] = '\0';
}

static void append_str(struct buffer *b, const char *s)
{
    append(b, s, strlen(s));
}

/* ---- evaluated texts ---- */

static void set_grow(struct set *s)
{
    struct set wider = {.room = s->room ? 2 * s->room : 1 << 16};
    wider.slot = calloc(wider.room, sizeof *wider.slot);
    qv_check(wider.slot);
    for (size_t i = 0; i < s->room; i++) {
        if (!s->slot[i])
            continue;
        size_t at = s->slot[i] & (wider.room - 1);
        while (wider.slot[at])
            at = (at + 1) & (wider.room - 1);
        wider.slot[at] = s->slot[i];
    }
    wider.n = s->n;
    free(s->slot);
    *s = wider;
}

static bool set_has(const struct set *s, uint64_t key)
{
    if (!s->room)
        return false;
    for (size_t at = key & (s->room - 1); s->slot[at]; at = (at + 1) & (s->room - 1))
        if (s->slot[at] == key)
            return true;
    return false;
}

static void set_add(struct set *s, uint64_t key)
{
    if (set_has(s, key))
        return;
    if (2 * s->n >= s->room)
        set_grow(s);
    size_t at = key & (s->room - 1);
    while (s->slot[at])
        at = (at + 1) & (s->room - 1);
    s->slot[at] = key;
    s->n++;
}

static bool in_word(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           c >= 0x80;
}

/* Visit every run of SHINGLE words: add it if `add`, else say whether one of
 * them is there already. */
static bool shingles(struct set *s, const char *text, bool add)
{
    uint64_t word[SHINGLE] = {0};
    size_t n = 0;
    while (*text) {
        uint64_t h = UINT64_C(0xcbf29ce484222325); // FNV-1a
        const char *start = text;
        for (; in_word((unsigned char)*text); text++) {
            unsigned char c = (unsigned char)*text;
            h = (h ^ (c >= 'A' && c <= 'Z' ? c + 32u : c)) * UINT64_C(0x100000001b3);
        }
        if (text == start) {
            text++;
            continue;
        }
        word[n++ % SHINGLE] = h;
        if (n < SHINGLE)
            continue;
        uint64_t key = 1;
        for (size_t i = n; i < n + SHINGLE; i++)
            key = qv__seed_of(key, word[i % SHINGLE]);
        if (add)
            set_add(s, key | 1);
        else if (set_has(s, key | 1))
            return true;
    }
    return false;
}

static void add_strings(struct set *s, const json_t *value)
{
    const char *key;
    size_t i;
    json_t *item;
    if (json_is_string(value))
        shingles(s, json_string_value(value), true);
    json_array_foreach(value, i, item) add_strings(s, item);
    void *it = json_object_iter((json_t *)(uintptr_t)value);
    for (; it; it = json_object_iter_next((json_t *)(uintptr_t)value, it)) {
        key = json_object_iter_key(it);
        if (strcmp(key, "canary") != 0)
            add_strings(s, json_object_iter_value(it));
    }
}

/* ---- reading ---- */

/* Every file that is read is named in the manifest. */
static qv_status read_input(struct prepare *p, char **text, size_t *size, const char *path,
                            qv_err *err)
{
    qv_status result = qv__read_file(text, size, &p->arena, path, FILE_LIMIT, err);
    if (result)
        return result;
    char hex[QV_HASH_TEXT];
    qv__hash_bytes(hex, *text, *size);
    const char *name = strncmp(path, p->from, strlen(p->from)) == 0
                           ? path + strlen(p->from) + 1
                           : path + strlen(p->data) + 1;
    json_array_append_new(p->inputs, json_pack("{s:s, s:I, s:s}", "name", name, "bytes",
                                               (json_int_t)*size, "sha256", hex));
    return QV_OK;
}

/* A text without byte-order mark and carriage returns, in place. */
static char *plain(char *text)
{
    if (strncmp(text, "\xEF\xBB\xBF", 3) == 0)
        text += 3;
    char *to = text;
    for (const char *from = text; *from; from++)
        if (*from != '\r')
            *to++ = *from;
    *to = '\0';
    return text;
}

/* The next line of *text as JSON; NULL at the end (then `*bad` says whether a
 * line was not JSON). */
static json_t *next_line(char **text, bool *bad)
{
    while (**text) {
        size_t n = strcspn(*text, "\n");
        char *line = *text;
        *text += n + (line[n] == '\n');
        if (strspn(line, " \t\r") >= n)
            continue;
        json_t *value = json_loadb(line, n, 0, NULL);
        *bad |= !value;
        return value;
    }
    return NULL;
}

static qv_status read_evaluated(struct prepare *p, const char *path, qv_err *err)
{
    size_t n = strlen(path), size;
    char *text;
    bool json = n > 5 && strcmp(path + n - 5, ".json") == 0;
    bool lines = n > 6 && strcmp(path + n - 6, ".jsonl") == 0;
    if (!json && !lines)
        return QV_OK; // compressed sets: their tasks are left out by name
    qv_status result = read_input(p, &text, &size, path, err);
    if (result)
        return result;
    bool bad = false;
    json_t *value = NULL;
    if (json && (result = qv__json_parse(&value, text, size, err)))
        return qv_wrap(err, result, "%s: ", path);
    if (json) { // of a Natural Instructions task only the instances count
        json_t *instances = json_object_get(value, "Instances");
        add_strings(&p->evaluated, instances ? instances : value);
        json_decref(value);
    }
    while (lines && (value = next_line(&text, &bad))) {
        add_strings(&p->evaluated, value);
        json_decref(value);
    }
    return bad ? qv_fail(err, QV_EFORMAT, "%s: a line is not JSON", path) : QV_OK;
}

static qv_status read_tree(struct prepare *p, const char *dir, qv_err *err)
{
    char **names;
    size_t n;
    qv_status result = qv__list_dir(&names, &n, &p->arena, dir, err);
    for (size_t i = 0; !result && i < n; i++) {
        char *path = qv__arena_fmt(&p->arena, "%s/%s", dir, names[i]);
        result = qv__is_dir(path) ? read_tree(p, path, err) : read_evaluated(p, path, err);
    }
    return result;
}

/* ---- writing ---- */

static void add_document(struct prepare *p, const char *text)
{
    json_t *s = json_string(text);
    char *quoted = s ? json_dumps(s, JSON_ENCODE_ANY) : NULL;
    json_decref(s);
    if (!quoted)
        return; // not UTF-8
    append_str(&p->lines, "{\"text\": ");
    append_str(&p->lines, quoted);
    append_str(&p->lines, "}\n");
    free(quoted);
    p->n_documents++;
    for (; *text; text++)
        p->n_characters += ((unsigned char)*text & 0xC0) != 0x80;
}

/* The documents so far become OUT/NAME.jsonl and an entry in the manifest. */
static qv_status end_collection(struct prepare *p, const char *name, qv_err *err)
{
    char *path = qv__arena_fmt(&p->arena, "%s/%s.jsonl", p->out, name);
    char hex[QV_HASH_TEXT];
    qv__hash_bytes(hex, p->lines.at, p->lines.n);
    json_object_set_new(p->collections, name,
                        json_pack("{s:I, s:I, s:I, s:s}", "documents",
                                  (json_int_t)p->n_documents, "characters",
                                  (json_int_t)p->n_characters, "bytes",
                                  (json_int_t)p->lines.n, "sha256", hex));
    fprintf(stderr, "%-10s %8zu documents %10zu characters\n", name, p->n_documents,
            p->n_characters);
    qv_status result = qv__write_file(path, p->lines.at, p->lines.n, err);
    p->lines.n = p->n_documents = p->n_characters = 0;
    return result;
}

/* ---- texts ---- */

/* Keep a text to measure on: OUT/test/NAME. Nothing of it may be trained on. */
static qv_status keep_test(struct prepare *p, const char *path, const char *name,
                           qv_err *err)
{
    char *text;
    size_t size;
    qv_status result = read_input(p, &text, &size, path, err);
    if (result)
        return result;
    text = plain(text);
    shingles(&p->evaluated, text, true);
    return qv__write_file(qv__arena_fmt(&p->arena, "%s/test/%s", p->out, name), text,
                          strlen(text), err);
}

static qv_status take_novels(struct prepare *p, const char *dir, qv_err *err)
{
    char **names, *text;
    size_t n, size;
    qv_status result = qv__list_dir(&names, &n, &p->arena, dir, err);
    for (size_t i = 0; !result && i < n; i++) {
        char *path = qv__arena_fmt(&p->arena, "%s/%s", dir, names[i]);
        if (strcmp(names[i], unseen_novel) == 0)
            continue;
        result = read_input(p, &text, &size, path, err);
        if (!result)
            add_document(p, plain(text));
    }
    return result ? result : end_collection(p, "novels", err);
}

/* Samples are separated by a line of '='; inside one, by the end-of-text mark. */
static void split_samples(struct prepare *p, char *text)
{
    static const char mark[] = "<|endoftext|>", rule[] = "======================";
    for (char *next; text; text = next) {
        char *end = strstr(text, mark), *line = strstr(text, rule);
        if (line && (!end || line < end)) {
            next = strchr(line, '\n');
            end = line;
        } else {
            next = end ? end + strlen(mark) : NULL;
        }
        if (end)
            *end = '\0';
        text += strspn(text, "\n");
        if (*text)
            add_document(p, text);
    }
}

static qv_status take_samples(struct prepare *p, const char *dir, qv_err *err)
{
    char **names, *text;
    size_t n, size;
    qv_status result = qv__list_dir(&names, &n, &p->arena, dir, err);
    for (size_t i = 0; !result && i < n; i++) {
        char *path = qv__arena_fmt(&p->arena, "%s/%s", dir, names[i]);
        result = read_input(p, &text, &size, path, err);
        if (!result)
            split_samples(p, plain(text));
    }
    return result ? result : end_collection(p, "samples", err);
}

/* One document an article; a line " = Title = " starts one. */
static qv_status take_wikitext(struct prepare *p, const char *path, qv_err *err)
{
    char *text;
    size_t size;
    qv_status result = read_input(p, &text, &size, path, err);
    if (result)
        return result;
    text = plain(text);
    for (char *next; text; text = next) {
        next = strstr(text + 1, "\n = ");
        while (next && next[4] == '=')
            next = strstr(next + 1, "\n = ");
        if (next)
            *next++ = '\0';
        if (strspn(text, " \n") < strlen(text))
            add_document(p, text);
    }
    return end_collection(p, "wikitext", err);
}

/* ---- tasks ---- */

static bool is_evaluated(const struct prepare *p, const char *task)
{
    for (size_t i = 0; i < QV_COUNT(evaluated_sources); i++)
        if (strstr(task, evaluated_sources[i]))
            return true;
    for (size_t i = 0; i < p->n_held_out; i++)
        if (strcmp(task, p->held_out[i]) == 0)
            return true;
    return false;
}

/* The inputs of a task's file that may be used, and its definition if the
 * first line gives one. */
static qv_status read_task(struct prepare *p, const char *path, const char *field,
                           const char ***inputs, size_t *n, const char **definition,
                           size_t *n_seen, qv_err *err)
{
    char *text;
    size_t size, lines = 1;
    bool bad = false;
    qv_status result = read_input(p, &text, &size, path, err);
    if (result)
        return result;
    for (size_t i = 0; i < size; i++)
        lines += text[i] == '\n';
    *inputs = qv_new_n(&p->arena, const char *, lines);
    *n = *n_seen = 0;
    *definition = NULL;
    for (json_t *line; (line = next_line(&text, &bad)); json_decref(line)) {
        const char *s = json_string_value(json_object_get(line, field));
        const char *d = json_string_value(json_object_get(line, "definition"));
        if (d)
            *definition = qv__arena_str(&p->arena, d);
        if (!s || !*s || strlen(s) > LONGEST_INPUT)
            continue;
        if (shingles(&p->evaluated, s, false))
            ++*n_seen;
        else
            (*inputs)[(*n)++] = qv__arena_str(&p->arena, s);
    }
    return bad ? qv_fail(err, QV_EFORMAT, "%s: a line is not JSON", path) : QV_OK;
}

/* `most` of a task's inputs in an order drawn by its name, a few a document. */
static size_t add_task(struct prepare *p, const char *task, const char *const *inputs,
                       size_t n, const char *definition, size_t most)
{
    size_t *order = qv_new_n(&p->arena, size_t, n + 1);
    struct buffer b = {0};
    qv__shuffle(order, n, qv__seed_named(0, task));
    for (size_t i = 0; i < qv__min(n, most); i++) {
        if (i % PER_DOCUMENT == 0) {
            if (b.n)
                add_document(p, b.at);
            b.n = 0;
            if (definition) {
                append_str(&b, "Definition: ");
                append_str(&b, definition);
            }
        }
        append_str(&b, b.n ? "\n\n" : "");
        append_str(&b, definition ? "Input: " : "");
        append_str(&b, inputs[order[i]]);
    }
    if (b.n)
        add_document(p, b.at);
    free(b.at);
    return qv__min(n, most);
}

static qv_status take_tasks(struct prepare *p, const char *name, const char *field,
                            size_t most, qv_err *err)
{
    char *dir = qv__arena_fmt(&p->arena, "%s/%s", p->from, name), **files;
    size_t n_files, n_tasks = 0, n_left_out = 0, n_taken = 0, n_all_seen = 0;
    qv_status result = qv__list_dir(&files, &n_files, &p->arena, dir, err);
    for (size_t i = 0; !result && i < n_files; i++) {
        const char *task = qv__stem(&p->arena, files[i]), *definition, **inputs;
        size_t n, n_seen;
        if (is_evaluated(p, task)) {
            n_left_out++;
            continue;
        }
        char *path = qv__arena_fmt(&p->arena, "%s/%s", dir, files[i]);
        result = read_task(p, path, field, &inputs, &n, &definition, &n_seen, err);
        if (result)
            break;
        n_taken += add_task(p, task, inputs, n, definition, most);
        n_all_seen += n_seen;
        n_tasks++;
    }
    result = result ? result : end_collection(p, name, err);
    if (result)
        return result;
    json_t *entry = json_object_get(p->collections, name);
    json_object_set_new(entry, "tasks", json_integer((json_int_t)n_tasks));
    json_object_set_new(entry, "inputs", json_integer((json_int_t)n_taken));
    json_object_set_new(entry, "inputs_per_task_at_most", json_integer((json_int_t)most));
    json_object_set_new(entry, "tasks_evaluated_left_out",
                        json_integer((json_int_t)n_left_out));
    json_object_set_new(entry, "inputs_evaluated_left_out",
                        json_integer((json_int_t)n_all_seen));
    return QV_OK;
}

/* ---- the whole ---- */

static qv_status unpack(struct prepare *p, const char *archive, qv_err *err)
{
    char hex[QV_HASH_TEXT], *path = qv__arena_fmt(&p->arena, "%s/%s", p->data, archive);
    struct qv_map map;
    qv_status result = qv__map(&map, path, err);
    if (result)
        return result;
    qv__hash_bytes(hex, map.bytes, map.size);
    json_array_append_new(p->inputs, json_pack("{s:s, s:I, s:s}", "name", archive, "bytes",
                                               (json_int_t)map.size, "sha256", hex));
    qv__unmap(&map);
    const char *argv[] = {"tar", "xf", path, "-C", p->from, NULL};
    pid_t child;
    int status = 1;
    if (posix_spawnp(&child, "tar", NULL, NULL, (char *const *)(uintptr_t)argv, environ) ||
        waitpid(child, &status, 0) < 0 || status != 0)
        return qv_fail(err, QV_EIO, "%s: tar cannot unpack it (is xz installed?)", path);
    return QV_OK;
}

static qv_status read_lists(struct prepare *p, qv_err *err)
{
    static const char *const lists[] = {"tasks/lists/sni_paper_heldout12.txt",
                                        "tasks/lists/sni_default_test_tasks.txt"};
    for (size_t i = 0; i < QV_COUNT(lists); i++) {
        char *text, *save = NULL;
        size_t size;
        qv_status result = read_input(
            p, &text, &size, qv__arena_fmt(&p->arena, "%s/%s", p->data, lists[i]), err);
        if (result)
            return result;
        const char **more = qv_new_n(&p->arena, const char *, p->n_held_out + size + 1);
        if (p->n_held_out)
            memcpy(more, p->held_out, p->n_held_out * sizeof *more);
        p->held_out = more;
        for (char *s = strtok_r(text, " \r\n", &save); s;
             s = strtok_r(NULL, " \r\n", &save))
            p->held_out[p->n_held_out++] = s;
    }
    return QV_OK;
}

static qv_status prepare(struct prepare *p, qv_err *err)
{
    static const char *const archives[] = {"text/text.tar.xz", "tasks/p3.tar.xz",
                                           "tasks/sni.tar.xz", "tasks/paper12.tar.xz",
                                           "eval/eval.tar.xz"};
    char *text = qv__arena_fmt(&p->arena, "%s/text", p->from);
    char *novels = qv__arena_fmt(&p->arena, "%s/100_english_novels", text);
    qv_status result = qv__make_dir(p->from, err);
    if (!result)
        result = qv__make_dir(qv__arena_fmt(&p->arena, "%s/test", p->out), err);
    for (size_t i = 0; !result && i < QV_COUNT(archives); i++)
        result = unpack(p, archives[i], err);
    if (result || (result = read_lists(p, err)))
        return result;

    const struct {
        const char *path, *name;
    } test[] = {
        {qv__arena_fmt(&p->arena, "%s/%s", novels, unseen_novel), "novel.txt"},
        {qv__arena_fmt(&p->arena, "%s/tinyshakespeare.txt", text), "shakespeare.txt"},
        {qv__arena_fmt(&p->arena, "%s/wikitext2/test.txt", text), "wikitext2.txt"}};
    for (size_t i = 0; !result && i < QV_COUNT(test); i++)
        result = keep_test(p, test[i].path, test[i].name, err);
    if (!result)
        result = read_tree(p, qv__arena_fmt(&p->arena, "%s/paper12", p->from), err);
    if (!result)
        result = read_tree(p, qv__arena_fmt(&p->arena, "%s/eval", p->from), err);

    if (!result)
        result = take_novels(p, novels, err);
    if (!result)
        result = take_samples(p, qv__arena_fmt(&p->arena, "%s/gpt2_samples", text), err);
    if (!result)
        result =
            take_wikitext(p, qv__arena_fmt(&p->arena, "%s/wikitext2/valid.txt", text), err);
    if (!result)
        result = take_tasks(p, "p3", "prompt", P3_PER_TASK, err);
    if (!result)
        result = take_tasks(p, "sni", "input", SNI_PER_TASK, err);
    if (result)
        return result;

    json_t *manifest = json_pack("{s:O, s:O, s:s}", "collections", p->collections, "inputs",
                                 p->inputs, "unseen_novel", unseen_novel);
    result =
        qv__json_write(manifest, qv__arena_fmt(&p->arena, "%s/manifest.json", p->out), err);
    json_decref(manifest);
    return result;
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: prepare DATA OUT\n");
        return 2;
    }
    struct prepare p = {.data = argv[1],
                        .out = argv[2],
                        .inputs = json_array(),
                        .collections = json_object()};
    p.from = qv__arena_fmt(&p.arena, "%s/unpacked", p.out);
    qv_err err;
    qv_status result = prepare(&p, &err);
    if (result)
        fprintf(stderr, "prepare: %s\n", err.msg);
    json_decref(p.inputs);
    json_decref(p.collections);
    free(p.lines.at);
    free(p.evaluated.slot);
    qv__arena_free(&p.arena);
    return result ? 1 : 0;
}
