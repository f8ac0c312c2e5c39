/* form.h - a form as browsers and curl send it, and the change of a library that it asks a
 * server for.
 */
#ifndef TESTS_SUPPORT_FORM_H
#define TESTS_SUPPORT_FORM_H

#include "support/client.h"

/* All-zero is a form without parts yet; the bytes are the caller's. */
struct form {
    char *bytes;
    size_t size;
};

void add_bytes(struct form *f, const char *bytes, size_t n);
void add_text(struct form *f, const char *text);

/* A part; and one that is a file of the world. */
void add_part(struct form *f, const char *name, const char *bytes, size_t n);
void add_file(struct form *f, const char *name, const char *path);
void end_form(struct form *f);

/* A whole one, of the PEFT adapter in that directory of the world. */
struct form form_of(const char *adapter);

extern const char multipart[]; // its Content-Type
#define EXPERTS "/v1/library/experts/"

void send_bytes(int fd, const char *bytes, size_t n);

/* Ask, without waiting, with the head's lines `more` and the first n bytes of the form. */
int begin(const struct served *s, const char *method, const char *name, const char *more,
          const char *type, const struct form *f, size_t n);

#endif
