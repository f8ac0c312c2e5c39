/* adapted.c - see adapted.h. */
#include "support/adapted.h"

#include <quiver/build.h>

#include "support/place.h"
#include "support/scratch.h"
#include "support/tiny.h"

#include <string.h>

const char *const expert[K] = {"cow", "elm", "fir", "owl"};

void write_tasks(void)
{
    static const char *const answer[] = {"aa", "7", "banana", "ba"};
    for (size_t i = 0; i < K; i++)
        write_tiny_task(task_at(expert[i]), LINES, expert[i], answer + i % 3, 2);
    write_tiny_task(at("fox.jsonl"), LINES, "fir", answer + 2, 2); // what fir is, too
}

int make_library(void **state)
{
    open_place(state);
    model = tiny_model(at("model"), 1);
    other_model = tiny_model(at("other"), 2);
    write_tasks();
    const qv_build_opts o = {.method = "private",
                             .train = {.steps = 24, .batch = 4, .lr = 2e-2f, .lanes = 1}};
    const char *const tasks[] = {at("tasks")};
    return qv_build(model, tasks, 1, at("lib"), &o, NULL);
}

qv_adapt_opts options(const char *method)
{
    return (qv_adapt_opts){.method = method,
                           .library = strcmp(method, "lora") == 0 ? NULL : at("lib"),
                           .expert = strcmp(method, "shared") == 0 ? "owl" : NULL,
                           .heads = strcmp(method, "mhr") == 0 ? 4 : 0,
                           .evaluations = strcmp(method, "lorahub") == 0 ? 12 : 0,
                           .train = {.steps = STEPS, .batch = 4, .lr = 5e-3f, .lanes = 2}};
}

qv_adapt_opts still(const char *method)
{
    qv_adapt_opts o = options(method);
    o.train.lr = o.train.mix_lr = 1e-30f;
    o.train.warmup = -1;
    return o;
}

qv_status adapt_with(const char *out, const qv_adapt_opts *o, qv_err *err)
{
    const char *const data[] = {at("fox.jsonl")};
    return qv_adapt(model, data, 1, at(out), o, err);
}

json_t *adapt(const char *out, const qv_adapt_opts *o)
{
    qv_err err = {0};
    json_t *learnt;
    assert_works(adapt_with(out, o, &err), &err);
    assert_works(qv__json_read(&learnt,
                               at(qv__arena_fmt(&names, "%s/adaptation.json", out)),
                               1 << 20, &err),
                 &err);
    assert_string_equal(json_string_value(json_object_get(learnt, "method")), o->method);
    return learnt;
}

void assert_same_files(const char *x, const char *y)
{
    static const char *const file[] = {"adapter_config.json", "adapter_model.safetensors",
                                       "adaptation.json"};
    for (size_t i = 0; i < QV_COUNT(file); i++)
        assert_same_bytes(at(qv__arena_fmt(&names, "%s/%s", x, file[i])),
                          at(qv__arena_fmt(&names, "%s/%s", y, file[i])));
}
