/* info_files.h - what quiver info says of adapters and experts of other programs. */
#ifndef QV_CLI_INFO_FILES_H
#define QV_CLI_INFO_FILES_H

#include "base/json.h"
#include "lora/expert.h"

/* A site of an expert, in a list of them. */
json_t *qv__site_row(const struct qv_expert_site *s);

/* A GGUF adapter, by its file's own names: no model is at hand. */
qv_status qv__gguf_adapter_info(json_t **out, const char *path, qv_err *err) QV_MUST_CHECK;

/* One expert of mttl's, its JSON; and a directory of them. */
qv_status qv__mttl_info(json_t **out, const char *path, qv_err *err) QV_MUST_CHECK;
qv_status qv__mttl_dir_info(json_t **out, const char *dir, qv_err *err) QV_MUST_CHECK;

#endif
