/* report_parts.h - the files that read a run, and those that write its page. */
#ifndef QV_PLOT_REPORT_PARTS_H
#define QV_PLOT_REPORT_PARTS_H

#include "plot/report.h"

/* ---- parts of reading; each fills its arrays of *r ---- */
qv_status qv__report_read_eval(struct qv_report *r, const char *dir,
                               qv_err *err) QV_MUST_CHECK;
qv_status qv__report_read_libraries(struct qv_report *r, const char *dir,
                                    qv_err *err) QV_MUST_CHECK;
qv_status qv__report_read_routes(struct qv_report *r, const char *dir,
                                 qv_err *err) QV_MUST_CHECK;
const char *qv__report_family(const struct qv_report *r, const char *task); // or NULL
qv_status qv__report_read_tables(struct qv_report *r, const char *path,
                                 qv_err *err) QV_MUST_CHECK;
qv_status qv__report_read_studies(struct qv_report *r, const char *dir,
                                  qv_err *err) QV_MUST_CHECK;

/* ---- parts of the page ---- */
void qv__report_wanted(FILE *out, const struct qv_report *r);
void qv__report_studies(FILE *out, const struct qv_report *r);
void qv__report_scores(FILE *out, const struct qv_report *r);
void qv__report_families(FILE *out, const struct qv_report *r);
void qv__report_map(FILE *out, const struct qv_report *r);
void qv__report_routes(FILE *out, const struct qv_report *r);
void qv__report_curves(FILE *out, const struct qv_report *r);

#endif
