/* Whatever expert.json says, reading returns; and if it succeeds, every string
 * that must be there is, and a score can be recorded. */
#include "library/meta.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void check_info(const qv_expert_info *info)
{
    qv_check(strlen(info->hash) == 64);
    for (size_t i = 0; i < info->meta.n_tasks; i++)
        qv_check(info->meta.task[i]);
    for (size_t i = 0; i < info->meta.n_data; i++)
        qv_check(info->meta.data[i].path);
    for (size_t i = 0; i < info->meta.n_scores; i++)
        qv_check(info->meta.score[i].task && info->meta.score[i].metric);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    qv_arena a = {0};
    json_t *root;
    qv_expert_info info;
    const qv_score score = {"task", "metric", 0.5};
    char *exact = malloc(qv__max(size, 1)); // so that reading past `size` traps
    qv_check(exact);
    if (size)
        memcpy(exact, bytes, size);
    if (!qv__json_parse(&root, exact, size, NULL)) {
        if (!qv__meta_parse(&info, &a, root, NULL)) {
            size_t n = info.meta.n_scores;
            check_info(&info);
            qv_check(!qv__meta_set_score(root, &score, NULL));
            qv_check(!qv__meta_parse(&info, &a, root, NULL));
            check_info(&info);
            qv_check(info.meta.n_scores == n || info.meta.n_scores == n + 1);
        }
        json_decref(root);
    }
    free(exact);
    qv__arena_free(&a);
    return 0;
}
