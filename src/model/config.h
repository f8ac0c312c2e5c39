/* config.h - the numbers and switches of an architecture, from config.json.
 *
 * All families here are one decoder: embedding, blocks of attention and feed-forward,
 * a norm, a head. What tells them apart is written down in this struct by the
 * family's own file, and obeyed by decoder.c.
 */
#ifndef QV_MODEL_CONFIG_H
#define QV_MODEL_CONFIG_H

#include "base/base.h"
#include "op/gelu.h"
#include "op/rope.h"

enum { QV_MAX_LAYERS = 1 << 10 };

/* The linear maps of a layer, in the order the forward pass meets them; also the
 * order of sites within a layer. A family has QKV or Q, K and V. */
enum qv_linear_map { QV_QKV, QV_Q, QV_K, QV_V, QV_O, QV_GATE, QV_UP, QV_DOWN, QV_N_MAPS };

/* How a block adds attention and feed-forward to the stream x. */
enum qv_block {
    QV_SEQUENTIAL,      // mid = x + attention(norm1 x);  mid + mlp(norm2 mid)
    QV_PARALLEL,        // x + attention(norm1 x) + mlp(norm2 x)
    QV_PARALLEL_SHARED, // x + attention(norm1 x) + mlp(norm1 x)
};

struct qv_family;

struct qv_config {
    const struct qv_family *family;
    size_t D;     // width
    size_t L;     // layers
    size_t H, Hk; // query heads, key/value heads
    size_t E;     // width of a head
    size_t F;     // width of the feed-forward
    size_t V;     // vocabulary
    size_t n_ctx; // positions
    float eps;    // of the norms

    bool is_layernorm; // with mean and bias; else root mean square
    bool has_qk_norm;  // queries and keys are normed, head by head
    enum qv_block block;

    bool is_learned; // positions are a table, added to the embedding; else:
    size_t R;        // the first numbers of a head that are rotated
    float theta;     // base of their frequencies
    struct qv_rope_scaling scaling;

    float scale;                         // of attention's scores; 0: 1 / sqrt(E)
    size_t window;                       // positions that a local layer sees; 0: all
    uint8_t is_local[QV_MAX_LAYERS / 8]; // a bit a layer
    bool is_interleaved;                 // QKV's rows: head by head q, k, v

    bool is_gated; // silu(gate x) * (up x); else activation(up x)
    enum qv_activation activation;

    bool has_bias[QV_N_MAPS], has_head_bias;
    bool is_tied; // the head is the embedding table
    int bos, eos; // -1: none
};

/* How many positions layer l's attention sees; 0: all. */
size_t qv__config_window(const struct qv_config *c, size_t l);

/* Read and check dir/config.json. Whatever would change the arithmetic and is
 * not implemented is refused by name with QV_EUNSUPPORTED; sizes that do not fit
 * together with QV_EFORMAT. */
qv_status qv__config_read(struct qv_config *c, const char *dir, qv_err *err) QV_MUST_CHECK;

/* The same from a JSON text that is the whole of a config.json. */
qv_status qv__config_parse(struct qv_config *c, const char *json, size_t size,
                           qv_err *err) QV_MUST_CHECK;

/* Write dir/config.json as transformers would for a plain Llama (or no family) of
 * `dtype` ("float32", "bfloat16"). */
qv_status qv__config_write(const struct qv_config *c, const char *dir, const char *dtype,
                           qv_err *err) QV_MUST_CHECK;

#endif
