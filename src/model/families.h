/* families.h - the model families, by their model_type. */
#ifndef QV_MODEL_FAMILIES_H
#define QV_MODEL_FAMILIES_H

#include "model/family.h"

extern const struct qv_family qv__gpt2;     // gpt2.c
extern const struct qv_family qv__gpt_neo;  // gpt_neo.c
extern const struct qv_family qv__gpt_neox; // gpt_neox.c: Pythia too
extern const struct qv_family qv__llama, qv__mistral, qv__qwen2, qv__qwen3; // llama.c
extern const struct qv_family qv__phi, qv__phi_msft;                        // phi.c
extern const struct qv_family qv__stablelm;                                 // stablelm.c

#endif
