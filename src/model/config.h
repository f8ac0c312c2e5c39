/* config.h - the numbers of an architecture, from config.json. */
#ifndef QV_MODEL_CONFIG_H
#define QV_MODEL_CONFIG_H

#include "base/base.h"

struct qv_config {
    size_t D;     // width
    size_t L;     // layers
    size_t H, Hk; // query heads, key/value heads
    size_t E;     // width of a head
    size_t F;     // width of the feed-forward
    size_t V;     // vocabulary
    size_t n_ctx; // positions
    float theta;  // base of the rotary embedding
    float eps;    // of the norms
    bool is_tied; // the head is the embedding table
    int bos, eos; // -1: none
};

/* Read and check dir/config.json. Whatever would change the arithmetic and is
 * not implemented is refused by name with QV_EUNSUPPORTED; sizes that do not fit
 * together with QV_EFORMAT. */
qv_status qv__config_read(struct qv_config *c, const char *dir, qv_err *err) QV_MUST_CHECK;

/* The same from a JSON text that is the whole of a config.json. */
qv_status qv__config_parse(struct qv_config *c, const char *json, size_t size,
                           qv_err *err) QV_MUST_CHECK;

/* Write dir/config.json as transformers would for a model of `dtype` ("float32",
 * "bfloat16"). */
qv_status qv__config_write(const struct qv_config *c, const char *dir, const char *dtype,
                           qv_err *err) QV_MUST_CHECK;

#endif
