/* train_and_route.c - train an expert, add it to a library, and let Arrow choose among
 * the library's experts, token by token. Run it once a task: no router is trained. */
#include <quiver/quiver.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Train an expert on the task and add it to the library in `dir`. */
static qv_status learn(const qv_model *model, const char *dir, const char *name,
                       const char *task, qv_err *err)
{
    char adapter[1024];
    snprintf(adapter, sizeof adapter, "%s.%s.adapter", dir, name);
    const qv_train_opts train = {.rank = 4, .epochs = 5, .lr = 1e-3f};
    const qv_expert_opts expert = {.meta = {.task = &name, .n_tasks = 1}, .replace = true};
    qv_library *lib;
    qv_status result = qv_library_open(&lib, dir, err);
    if (result == QV_ENOTFOUND)
        result = qv_library_create(&lib, dir, NULL, err);
    if (!result)
        result = qv_train(model, &task, 1, adapter, NULL, &train, err);
    if (!result)
        result = qv_library_add(lib, name, adapter, &expert, err);
    qv_library_close(lib);
    return result;
}

/* Print what the routed library finds likeliest to follow the prompt. */
static qv_status answer(const qv_model *model, const char *dir, const char *prompt,
                        qv_err *err)
{
    const qv_tokenizer *tok = qv_model_tokenizer(model);
    const qv_reuse_opts who = {.library = dir, .router = "arrow", .top_k = 4};
    qv_reuse *reuse = NULL;
    qv_session *session = NULL;
    int *ids = NULL;
    char *text = NULL;
    size_t n = 0, size;
    qv_status result = qv_reuse_open(&reuse, model, &who, err);
    if (!result)
        result = qv_session_new(&session, model, reuse, 0, err);
    if (!result)
        result = qv_tokenizer_encode(tok, prompt, strlen(prompt), false, &ids, &n, err);
    while (!result && n < qv_model_context(model)) {
        result = qv_session_sync(session, ids, n, err);
        const float *logits = qv_session_logits(session);
        int next = result ? -1 : qv_sample(logits, qv_model_vocabulary(model), NULL, n);
        int *longer = next < 0 ? NULL : realloc(ids, (n + 1) * sizeof *ids);
        ids = longer ? longer : ids;
        if (!longer || next == qv_tokenizer_eos(tok))
            break;
        ids[n++] = next;
    }
    if (!result)
        result = qv_tokenizer_decode(tok, ids, n, true, &text, &size, err);
    if (!result)
        puts(text);
    free(text);
    free(ids);
    qv_session_free(session);
    qv_reuse_close(reuse);
    return result;
}

int main(int argc, char **argv)
{
    qv_err err;
    qv_model *model = NULL;
    if (argc != 6)
        return fprintf(stderr, "usage: %s MODEL LIBRARY NAME TASK PROMPT\n", argv[0]), 2;
    qv_status result = qv_model_open(&model, argv[1], NULL, &err);
    if (!result)
        result = learn(model, argv[2], argv[3], argv[4], &err);
    if (!result)
        result = answer(model, argv[2], argv[5], &err);
    qv_model_close(model);
    return result ? fprintf(stderr, "%s\n", err.msg), 1 : 0;
}
