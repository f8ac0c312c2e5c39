/* corpus.h - plain text as training windows, for making a base model.
 *
 * Documents are tokenised once, end to end, each followed by the EOS token; the
 * flat array is then cut into windows, each a sequence whose loss is on every
 * token but its first. A window may begin inside one document and end in the
 * next, as is usual for base models.
 */
#ifndef QV_DATA_CORPUS_H
#define QV_DATA_CORPUS_H

#include "base/base.h"
#include "data/dataset.h"

struct qv_corpus {
    int *token; // [n]
    size_t n, n_documents, n_bytes;
    char hash[65];          // of the tokens
    struct qv_sequence *at; // [n_windows], n = window + 1
    size_t n_windows;
};

/* Read files: *.jsonl, whose lines' field "text" is a document, or any other,
 * which is one document as it is. The tokenizer must have an EOS token. The
 * caller owns *out. Fails with QV_ENOTFOUND, QV_EIO, QV_EFORMAT (naming file and
 * line), QV_ENOMEM. */
qv_status qv__corpus_read(struct qv_corpus **out, const char *const *paths, size_t n_paths,
                          const qv_tokenizer *tok, size_t window,
                          qv_err *err) QV_MUST_CHECK;
void qv__corpus_free(struct qv_corpus *c);

#endif
