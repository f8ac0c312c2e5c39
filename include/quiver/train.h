/* train.h - how an expert, or a whole base, is trained. */
#ifndef QUIVER_TRAIN_H
#define QUIVER_TRAIN_H

#include <quiver/base.h>
#include <quiver/model.h>

#ifdef __cplusplus
extern "C" {
#endif

/* All-zero means default; the defaults are the paper's where it has them. To
 * ask for a true zero where zero means default, use a negative number. */
typedef struct qv_train_opts {
    size_t rank;        // of each LoRA (4)
    float alpha;        // scale = alpha / rank (16)
    float dropout;      // of the LoRA's input (0.05; negative: none)
    const char *sites;  // regular expression (the attention's four projections)
    float lr;           // peak learning rate (1e-4; full training: 3e-5)
    float mix_lr;       // the same for logits of mixing weights (0.1)
    float warmup;       // share of the steps (0.06; negative: none)
    float weight_decay; // AdamW (0)
    float beta2;        // AdamW (0.999)
    float clip;         // gradient norm (0.1; negative: none)
    bool muon;          // full training: Muon, not AdamW, for the maps of the layers
    size_t batch;       // sequences a step (16)
    size_t epochs;      // (5)
    size_t steps;       // instead of epochs
    size_t max_tokens;  // of a sequence; longer prompts are cut (the context)
    size_t pass_tokens; // packed into one thread's pass (1024)
    size_t valid_every; // steps between validations (once an epoch)
    size_t valid_limit; // examples of a task to validate on, the first so many (all)
    float save_every;   // seconds between checkpoints (60; negative: every step)
    size_t lanes;       // threads that share a batch (all)
    size_t memory;      // MiB for activations (half of the machine's); those that do not
                        // fit are computed again, which changes no number
    uint64_t seed;
    qv_progress progress;
} qv_train_opts;

#ifdef __cplusplus
}
#endif
#endif
