/* served.c - see served.h. */
#include "clients/served.h"
#include "parts.h"

#include "base/file.h"
#include "library/library.h"
#include "lora/peft.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { R = 4, FORMS = 3 };

static char place[] = "bench-load-XXXXXX";
static struct server running;
static struct qv__str form[FORMS]; // what is sent of an expert

const char *make_place(void)
{
    if (!mkdtemp(place))
        give_up("no directory can be made here");
    return place;
}

void remove_place(void)
{
    if (qv__remove_tree(place, NULL))
        fprintf(stderr, "bench: %s is left\n", place);
}

void give_up(const char *why)
{
    fprintf(stderr, "bench: %s\n", why);
    if (running.pid) {
        kill(running.pid, SIGKILL);
        waitpid(running.pid, NULL, 0);
    }
    remove_place();
    exit(1);
}

static void must(qv_status result, const qv_err *err)
{
    if (result)
        give_up(err->msg);
}

/* ---- experts ---- */

static struct qv_expert *expert(const qv_model *m, const char *name, uint64_t seed)
{
    struct qv_expert *e;
    qv_err err;
    must(random_expert(&e, m, name, R, 0.3f, seed, &err), &err);
    return e;
}

void make_library(const qv_model *m, size_t n)
{
    char path[64], name[32];
    qv_library *lib;
    qv_err err;
    snprintf(path, sizeof path, "%s/lib", place);
    must(qv_library_create(&lib, path, NULL, &err), &err);
    for (size_t i = 0; i < n; i++) {
        snprintf(name, sizeof name, "e%03zu", i);
        struct qv_expert *e = expert(m, name, i);
        must(qv__library_put(lib, e, NULL, &err), &err);
        qv__expert_free(e);
    }
    qv_library_close(lib);
}

/* ---- changes ---- */

static const struct {
    const char *method, *path;
    size_t form;
    int status;
} change[STATES] = {
    {"PUT", "/v1/library/experts/x0", 0, 201}, {"PUT", "/v1/library/experts/x0", 1, 200},
    {"PUT", "/v1/library/experts/x1", 2, 201}, {"DELETE", "/v1/library/experts/x0", 0, 204},
    {"PUT", "/v1/library/experts/x1", 0, 200}, {"DELETE", "/v1/library/experts/x1", 0, 204},
};

static void add_part(struct qv__str *f, const char *dir, const char *part, const char *file)
{
    char head[256], path[256];
    struct qv_map map;
    qv_err err;
    snprintf(path, sizeof path, "%s/%s", dir, file);
    must(qv__map(&map, path, &err), &err);
    int n = snprintf(head, sizeof head,
                     "--XyZ\r\nContent-Disposition: form-data; name=\"%s\"\r\n\r\n", part);
    qv__str_add(f, head, (size_t)n);
    qv__str_add(f, map.bytes, map.size);
    qv__str_add(f, "\r\n", 2);
    qv__unmap(&map);
}

void make_changes(const qv_model *m)
{
    for (size_t i = 0; i < FORMS; i++) {
        char dir[64];
        qv_err err;
        snprintf(dir, sizeof dir, "%s/x%zu", place, i);
        must(qv__make_dir(dir, &err), &err);
        struct qv_expert *e = expert(m, "x", 1000000 + i);
        must(qv__peft_write(e, dir, &err), &err);
        qv__expert_free(e);
        add_part(&form[i], dir, "config", "adapter_config.json");
        add_part(&form[i], dir, "weights", "adapter_model.safetensors");
        qv__str_add(&form[i], "--XyZ--\r\n", 9);
    }
}

void end_changes(void)
{
    for (size_t i = 0; i < FORMS; i++)
        qv__str_free(&form[i]);
}

qv_status change_library(struct client *c, size_t s, long *generation, qv_err *err)
{
    static const char key[] = "Authorization: Bearer who-may-change-0001\r\n";
    const bool is_put = change[s].status != 204;
    const struct qv__str *f = &form[change[s].form];
    struct qv__str body = {0};
    struct head h;
    *generation = -1;
    qv_status result = client_send(c, change[s].method, change[s].path, key,
                                   "multipart/form-data; boundary=XyZ",
                                   is_put ? f->bytes : "", is_put ? f->size : 0, err);
    if (!result)
        result = client_head(c, &h, err);
    if (!result)
        result = client_body(c, &h, &body, err);
    qv__str_add(&body, "", 1);
    if (!result && h.status != change[s].status)
        result = qv_fail(err, QV_EIO, "%s %s: status %d: %.120s", change[s].method,
                         change[s].path, h.status, body.bytes);
    const char *at = result ? NULL : strstr(body.bytes, "\"generation\":");
    if (at)
        *generation = strtol(at + strlen("\"generation\":"), NULL, 10);
    qv__str_free(&body);
    return result;
}

/* ---- the process ---- */

static void write_keys(const char *path)
{
    static const char keys[] = "who-may-change-0001\n";
    qv_err err;
    must(qv__write_file(path, keys, strlen(keys), &err), &err);
}

/* In the child. */
_Noreturn static void become(const char *quiver, const char *model, size_t slots,
                             size_t chunk)
{
    char lib[64], keys[64], log[64], n_slots[32], n_queue[32], n_chunk[32];
    snprintf(lib, sizeof lib, "%s/lib", place);
    snprintf(keys, sizeof keys, "%s/keys", place);
    snprintf(log, sizeof log, "%s/log", place);
    snprintf(n_slots, sizeof n_slots, "%zu", slots);
    snprintf(n_queue, sizeof n_queue, "%zu", 2 * slots);
    snprintf(n_chunk, sizeof n_chunk, "%zu", chunk);
    int fd = open(log, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    prctl(PR_SET_PDEATHSIG, SIGKILL); // whatever ends us ends it
    if (fd >= 0 && dup2(fd, STDOUT_FILENO) >= 0 && dup2(fd, STDERR_FILENO) >= 0)
        execl(quiver, quiver, "serve", "--model", model, "--library", lib, "--port", "0",
              "--library-key-file", keys, "--slots", n_slots, "--queue", n_queue, "--chunk",
              n_chunk, "--prefix-cache", "64", "--seconds", "300", (char *)NULL);
    _exit(126);
}

/* The port that it says it listens at, or 0 if it has not yet. */
static unsigned said_port(void)
{
    static const char words[] = "://127.0.0.1:";
    char line[256], path[64];
    unsigned port = 0;
    snprintf(path, sizeof path, "%s/log", place);
    FILE *f = fopen(path, "r");
    while (f && !port && fgets(line, sizeof line, f)) {
        const char *at = strstr(line, words);
        if (at && strchr(at, '\n'))
            port = (unsigned)strtoul(at + strlen(words), NULL, 10);
    }
    if (f)
        fclose(f);
    return port;
}

struct server begin_server(const char *quiver, const char *model, size_t slots,
                           size_t chunk)
{
    char keys[64];
    snprintf(keys, sizeof keys, "%s/keys", place);
    write_keys(keys);
    fflush(NULL);
    running.pid = fork();
    if (running.pid == 0)
        become(quiver, model, slots, chunk);
    for (int i = 0; i < 12000 && !running.port; i++) {
        nanosleep(&(struct timespec){.tv_nsec = 10 * 1000 * 1000}, NULL);
        running.port = said_port();
        if (waitpid(running.pid, NULL, WNOHANG) != 0)
            break;
    }
    if (!running.port)
        give_up("the server does not listen");
    return running;
}

int end_server(struct server *s)
{
    int status = 0;
    kill(s->pid, SIGTERM);
    waitpid(s->pid, &status, 0);
    running = *s = (struct server){0};
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

double resident(pid_t pid)
{
    char line[128], path[64];
    double mib = 0;
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    FILE *f = fopen(path, "r");
    while (f && fgets(line, sizeof line, f))
        if (strncmp(line, "VmRSS:", 6) == 0)
            mib = strtod(line + 6, NULL) / 1024;
    if (f)
        fclose(f);
    return mib;
}
