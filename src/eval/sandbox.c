/* sandbox.c - see sandbox.h. */
#include "eval/sandbox.h"
#include "base/clock.h"
#include "base/hash.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Reads a word and a program from its input, runs the program, and says the word only
 * after its last line: neither a silent exit nor a crash says it. */
static const char runner[] =
    "import os, sys\n"
    "word, program = sys.stdin.buffer.read().decode().split('\\n', 1)\n"
    "out = os.dup(1)\n"
    "null = type('Null', (), {'write': lambda s, t: len(t), 'flush': lambda s: None,\n"
    "                         'isatty': lambda s: False})()\n"
    "sys.stdout = sys.stderr = null\n"
    "exec(compile(program, 'program', 'exec'), {'__name__': 'program'})\n"
    "os.write(out, word.encode())\n"
    "os._exit(0)\n";

enum { WORD = 64 }; // characters

/* The command ---------------------------------------------------------------------- */

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

/* Running -------------------------------------------------------------------------- */

/* What is fed to the runner, and what it said. */
struct exchange {
    int in, out; // our ends: of its standard input and of its output
    const char *text;
    size_t left;
    char said[WORD + 1];
    size_t n_said;
};

/* One step of it, within `milliseconds`. Returns false when it is over. */
static bool step(struct exchange *x, int milliseconds)
{
    struct pollfd fd[2] = {{.fd = x->out, .events = POLLIN},
                           {.fd = x->in, .events = POLLOUT}};
    int ready = poll(fd, 2, milliseconds);
    if (ready < 0)
        return errno == EINTR;
    if (fd[1].revents) {
        ssize_t n = write(x->in, x->text, x->left);
        if (n > 0) {
            x->text += n;
            x->left -= (size_t)n;
        }
        if (x->left == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
            close(x->in);
            x->in = -1;
        }
    }
    if (!fd[0].revents)
        return true;
    ssize_t n = read(x->out, x->said + x->n_said, sizeof x->said - x->n_said);
    if (n > 0)
        x->n_said += (size_t)n;
    return (n > 0 && x->n_said < sizeof x->said) || (n < 0 && errno == EAGAIN);
}

static void converse(struct exchange *x, double until)
{
    for (double now = qv__seconds(); now < until; now = qv__seconds())
        if (!step(x, (int)((until - now) * 1000) + 1))
            return;
}

static qv_status open_pipe(int fd[2], bool we_write, qv_err *err)
{
    if (pipe(fd))
        return qv_fail(err, QV_EIO, "sandbox: no pipe: %s", strerror(errno));
    int ours = fd[we_write];
    fcntl(fd[0], F_SETFD, FD_CLOEXEC);
    fcntl(fd[1], F_SETFD, FD_CLOEXEC);
    fcntl(ours, F_SETFL, O_NONBLOCK);
    return QV_OK;
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

static void close_all(int *fd, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (fd[i] >= 0)
            close(fd[i]);
}

/* The word is the program's hash, which it does not say by accident. */
static qv_status run(bool *passed, const struct qv_sandbox *s, const char *program,
                     double seconds, qv_err *err)
{
    qv_arena a = {0};
    char word[WORD + 1];
    int fd[4] = {-1, -1, -1, -1}; // its input: read, write; its output: read, write
    pid_t pid = 0;
    *passed = false;
    qv__hash_bytes(word, program, strlen(program));
    qv_status result = open_pipe(fd, true, err);
    if (!result)
        result = open_pipe(fd + 2, false, err);
    int why = result ? 0 : spawn(&pid, s, fd[0], fd[3]);
    if (why)
        result =
            qv_fail(err, QV_EIO, "sandbox: cannot run %s: %s", s->argv[0], strerror(why));
    if (result) {
        close_all(fd, 4);
        return result;
    }
    close(fd[0]);
    close(fd[3]);
    char *text = qv__arena_fmt(&a, "%s\n%s", word, program);
    struct exchange x = {.in = fd[1], .out = fd[2], .text = text, .left = strlen(text)};
    converse(&x, qv__seconds() + seconds);
    kill(-pid, SIGKILL); // the sandbox dies with its parent
    int status;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    close_all((int[]){x.in, x.out}, 2);
    qv__arena_free(&a);
    *passed = x.n_said == WORD && memcmp(x.said, word, WORD) == 0;
    return QV_OK;
}

qv_status qv__sandbox_run(bool *passed, const struct qv_sandbox *s, const char *program,
                          qv_err *err)
{
    return run(passed, s, program, (double)s->seconds, err);
}

/* Trials --------------------------------------------------------------------------- */

/* Each comes to its end only if the wall it is named after stands. The forks are few, and
 * what is forked ends at once. */
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
