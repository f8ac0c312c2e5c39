/* sandbox.c - see sandbox.h. */
#include "eval/sandbox.h"
#include "base/clock.h"
#include "base/hash.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Reads a word and a program from its input, runs the program, and says the word only
 * after its last line: neither a silent exit nor a crash says it. */
static const char runner[] =
    "import os, sys\n"
    "word, program = sys.stdin.buffer.read().decode('utf-8', 'replace').split('\\n', 1)\n"
    "out = os.dup(1)\n"
    "null = type('Null', (), {'write': lambda s, t: len(t), 'flush': lambda s: None,\n"
    "                         'isatty': lambda s: False})()\n"
    "sys.stdout = sys.stderr = null\n"
    "exec(compile(program, 'program', 'exec'), {'__name__': 'program'})\n"
    "os.write(out, word.encode())\n"
    "os._exit(0)\n";

enum { WORD = 64 }; // characters

/* ---- the command ---- */

static void push(struct qv_sandbox *s, size_t *n, const char *const *words)
{
    for (; *words; words++)
        s->argv[(*n)++] = qv__arena_str(&s->arena, *words);
}

static void build(struct qv_sandbox *s, const struct qv_sandbox_opts *o)
{
    static const char *const nobody[] = {
        "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--", NULL};
    size_t n = 0;
    const char *const walls[] = {o->bwrap ? o->bwrap : "bwrap",
                                 "--unshare-all",
                                 "--die-with-parent",
                                 "--new-session",
                                 "--clearenv",
                                 "--setenv",
                                 "PATH",
                                 "/usr/bin",
                                 "--ro-bind",
                                 "/usr",
                                 "/usr",
                                 "--symlink",
                                 "usr/bin",
                                 "/bin",
                                 "--symlink",
                                 "usr/lib",
                                 "/lib",
                                 "--symlink",
                                 "usr/lib64",
                                 "/lib64",
                                 "--chdir",
                                 "/",
                                 "--remount-ro",
                                 "/",
                                 "--",
                                 NULL};
    const char *const limits[] = {
        "prlimit",
        "--nproc=4",
        "--fsize=0",
        "--core=0",
        "--nofile=32",
        qv__arena_fmt(&s->arena, "--cpu=%zu", s->seconds + 1),
        qv__arena_fmt(&s->arena, "--as=%zu", o->megabytes << 20),
        o->python ? o->python : "python3",
        "-I",
        "-S",
        "-B",
        "-c",
        runner,
        NULL,
    };
    s->argv =
        qv_new_n(&s->arena, char *, QV_COUNT(nobody) + QV_COUNT(walls) + QV_COUNT(limits));
    if (geteuid() == 0)
        push(s, &n, nobody);
    push(s, &n, walls);
    push(s, &n, limits);
}

/* ---- running ---- */

/* What the runner said. */
struct speech {
    char text[WORD];
    size_t n;
};

/* Listen until the other end is closed, as much is said as there is to say, or time is
 * over. */
static void listen_to(struct speech *s, int fd, double until)
{
    for (double now = qv__seconds(); now < until && s->n < sizeof s->text;
         now = qv__seconds()) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        if (poll(&p, 1, (int)((until - now) * 1000) + 1) <= 0)
            continue; // a signal, or time is over
        ssize_t n = read(fd, s->text + s->n, sizeof s->text - s->n);
        if (n == 0)
            return;
        if (n > 0)
            s->n += (size_t)n;
    }
}

/* A nameless file that holds the word and the program, for the runner to read. */
static FILE *written(const char *word, const char *program)
{
    FILE *f = tmpfile();
    if (!f)
        return NULL;
    fcntl(fileno(f), F_SETFD, FD_CLOEXEC);
    if (fprintf(f, "%s\n%s", word, program) > 0 && fflush(f) == 0 &&
        fseek(f, 0, SEEK_SET) == 0)
        return f;
    fclose(f);
    return NULL;
}

static int spawn(pid_t *pid, const struct qv_sandbox *s, int in, int out)
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attr;
    sigset_t pipe_only;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_adddup2(&files, in, 0);
    posix_spawn_file_actions_adddup2(&files, out, 1);
    posix_spawn_file_actions_addopen(&files, 2, "/dev/null", O_WRONLY, 0);
    posix_spawnattr_init(&attr);
    sigemptyset(&pipe_only);
    sigaddset(&pipe_only, SIGPIPE);
    posix_spawnattr_setsigdefault(&attr, &pipe_only);
    posix_spawnattr_setpgroup(&attr, 0);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF);
    char *nothing[] = {NULL}; // for an environment
    int why = posix_spawnp(pid, s->argv[0], &files, &attr, s->argv, nothing);
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attr);
    return why;
}

/* The word is the program's hash, which it does not say by accident. */
static qv_status run(bool *passed, const struct qv_sandbox *s, const char *program,
                     double seconds, qv_err *err)
{
    char word[WORD + 1];
    int out[2] = {-1, -1}, status;
    pid_t pid;
    *passed = false;
    qv__hash_bytes(word, program, strlen(program));
    FILE *in = written(word, program);
    if (!in || pipe(out)) {
        if (in)
            fclose(in);
        return qv_fail(err, QV_EIO, "sandbox: no file or pipe: %s", strerror(errno));
    }
    fcntl(out[0], F_SETFD, FD_CLOEXEC);
    fcntl(out[1], F_SETFD, FD_CLOEXEC);
    int why = spawn(&pid, s, fileno(in), out[1]);
    fclose(in);
    close(out[1]);
    if (why) {
        close(out[0]);
        return qv_fail(err, QV_EIO, "sandbox: cannot run %s: %s", s->argv[0],
                       strerror(why));
    }
    struct speech said = {.n = 0};
    listen_to(&said, out[0], qv__seconds() + seconds);
    kill(-pid, SIGKILL); // the sandbox dies with its parent
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    close(out[0]);
    *passed = said.n == WORD && memcmp(said.text, word, WORD) == 0;
    return QV_OK;
}

qv_status qv__sandbox_run(bool *passed, const struct qv_sandbox *s, const char *program,
                          qv_err *err)
{
    return run(passed, s, program, (double)s->seconds, err);
}

/* ---- trials ---- */

/* Each comes to its end only if the wall it is named after stands. The forks are few, and
 * what is forked soon ends. */
static const struct {
    const char *wall, *program;
} trial[] = {
    {"start Python", "pass\n"},
    {"keep files away", "import os\n"
                        "assert sorted(os.listdir('/')) == ['bin', 'lib', 'lib64', 'usr']\n"
                        "try:\n"
                        "    open('/usr/written', 'w')\n"
                        "except OSError:\n"
                        "    try:\n"
                        "        open('/written', 'w')\n"
                        "    except OSError:\n"
                        "        pass\n"
                        "    else:\n"
                        "        raise SystemError\n"
                        "else:\n"
                        "    raise SystemError\n"},
    {"keep the network away",
     "import socket\n"
     "assert [name for _, name in socket.if_nameindex()] == ['lo']\n"},
    {"limit processes", "import os, time\n"
                        "n = 0\n"
                        "try:\n"
                        "    while n < 16:\n"
                        "        if os.fork() == 0:\n"
                        "            time.sleep(0.5)\n"
                        "            os._exit(0)\n"
                        "        n += 1\n"
                        "except OSError:\n"
                        "    pass\n"
                        "assert n < 16\n"},
};

static qv_status try_wall(struct qv_sandbox *s, const char *wall, const char *program,
                          qv_err *err)
{
    enum { PATIENCE = 10 }; // seconds
    bool stands;
    qv_err why;
    if (run(&stands, s, program, PATIENCE, &why))
        return qv_fail(err, QV_EUNSUPPORTED, "no sandbox, so no program is run: %s",
                       why.msg);
    return stands ? QV_OK
                  : qv_fail(err, QV_EUNSUPPORTED,
                            "no sandbox, so no program is run: bwrap, prlimit and python3 "
                            "(Debian: bubblewrap, util-linux, python3) could not %s",
                            wall);
}

qv_status qv__sandbox_open(struct qv_sandbox *s, const struct qv_sandbox_opts *opts,
                           qv_err *err)
{
    struct qv_sandbox_opts o = opts ? *opts : (struct qv_sandbox_opts){0};
    o.megabytes = o.megabytes ? o.megabytes : 512;
    *s = (struct qv_sandbox){.seconds = o.seconds ? o.seconds : 3};
    build(s, &o);
    const char *greedy = qv__arena_fmt(&s->arena,
                                       "try:\n"
                                       "    bytearray(%zu << 20)\n"
                                       "except MemoryError:\n"
                                       "    pass\n"
                                       "else:\n"
                                       "    raise SystemError\n",
                                       o.megabytes);
    qv_status result = QV_OK;
    for (size_t i = 0; !result && i < QV_COUNT(trial); i++)
        result = try_wall(s, trial[i].wall, trial[i].program, err);
    if (!result)
        result = try_wall(s, "limit memory", greedy, err);
    if (result)
        qv__sandbox_end(s);
    return result;
}

void qv__sandbox_end(struct qv_sandbox *s)
{
    qv__arena_free(&s->arena);
    *s = (struct qv_sandbox){0};
}
