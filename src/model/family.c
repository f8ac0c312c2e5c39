/* family.c - the list of model families. */
#include "model/family.h"
#include "model/families.h"

#include <string.h>

static const struct qv_family *const families[] = {
    &qv__gpt2, &qv__gpt_neo,  &qv__gpt_neox, &qv__llama, &qv__mistral,
    &qv__phi,  &qv__phi_msft, &qv__qwen2,    &qv__qwen3, &qv__stablelm,
};

const struct qv_family *qv__family(const char *model_type)
{
    for (size_t i = 0; i < QV_COUNT(families); i++)
        if (strcmp(families[i]->model_type, model_type) == 0)
            return families[i];
    return NULL;
}

const char *qv__family_list(void)
{
    return "gpt2, gpt_neo, gpt_neox, llama, mistral, phi, phi-msft, qwen2, qwen3 and "
           "stablelm are";
}
