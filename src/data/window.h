/* window.h - plain text to train a whole model on: one long row of token ids and
 * random windows of it.
 *
 * A corpus is read from *.txt files, each a document, and from *.jsonl files,
 * each line a document: its "text", or its "prompt" alone or with the
 * "completion". Each document is followed by the EOS token.
 */
#ifndef QV_DATA_WINDOW_H
#define QV_DATA_WINDOW_H

#include "base/base.h"

#include <quiver/tokenizer.h>

struct qv_corpus {
    void *ids;      // owned: [n] of uint16_t if `narrow`, else of uint32_t
    size_t n, room; // tokens
    size_t n_documents;
    size_t n_characters; // of the documents, in code points
    bool narrow;         // every id is below 65536
};

/* Zero means default. */
struct qv_corpus_opts {
    bool completions; // a line's "completion" follows its "prompt"
    qv_progress progress;
};

/* Read `paths` in their order. The caller owns *out and ends it with
 * qv__corpus_end. Fails as reading a file and tokenising fail; with QV_EFORMAT
 * (naming file and line) if a line is not a document; with QV_EUNSUPPORTED if
 * the tokenizer has no EOS; with QV_ENOMEM; with QV_ECANCEL. */
qv_status qv__corpus_read(struct qv_corpus *out, const char *const *paths, size_t n_paths,
                          const qv_tokenizer *tok, const struct qv_corpus_opts *opts,
                          qv_err *err) QV_MUST_CHECK;
void qv__corpus_end(struct qv_corpus *c);

/* ids[0..T) become the tokens from `start` on. start + T <= c->n. */
void qv__corpus_copy(int *ids, const struct qv_corpus *c, size_t start, size_t T);

/* Where window `i` of training step `step` starts: any place from which T tokens
 * follow, a function of (seed, step, i) alone. T <= c->n. */
size_t qv__corpus_window(const struct qv_corpus *c, size_t T, uint64_t seed, size_t step,
                         size_t i);

#endif
