/* spm_model.c - reading a SentencePiece tokenizer.model (a protobuf). */
#include "text/tokenizer.h"

qv_status qv__tokenizer_parse_spm(qv_tokenizer **out, const char *bytes, size_t size,
                                  qv_err *err)
{
    (void)bytes, (void)size;
    *out = NULL;
    return qv_fail(err, QV_EUNSUPPORTED, "tokenizer.model is not supported yet");
}
