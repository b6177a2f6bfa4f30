#include "net/kube_exec.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"

enum {
    ANSWER_MAX_BYTES = 1 << 20,
    SAID_MAX_BYTES = 64 * 1024, /* of standard error */
    SHOWN_BYTES = 300,          /* of that, in messages */
    TIMEOUT_MS = 60000,
    LIST_MAX = 256, /* args, and env */
};

/* ---- the kubeconfig's part ---- */

static int copy_text(struct str s, struct arena *a, char **out, struct err *e)
{
    if (s.ptr == NULL || memchr(s.ptr, '\0', s.len) != NULL) {
        return err_set(e, ERR_INVALID, "expected a string");
    }
    *out = arena_alloc(a, s.len + 1);
    if (*out == NULL) {
        return arena_err(a, e);
    }
    memcpy(*out, s.ptr, s.len);
    return 0;
}

/* A command with a '/' that is not absolute is relative to the kubeconfig's folder. */
static int read_command(struct str command, const char *path, struct arena *a, char **out,
                        struct err *e)
{
    const char *slash = strrchr(path, '/');
    struct str joined;
    if (command.len == 0) {
        return err_set(e, ERR_INVALID, "command: expected the name of a program");
    }
    bool relative = command.ptr[0] != '/' && str_find_char(command, '/') < command.len;
    if (relative && slash != NULL) {
        if (arena_format(a, &joined, e, "%.*s/%.*s", (int)(slash - path), path, STR_ARG(command)) !=
            0) {
            return -1;
        }
        command = joined;
    }
    return copy_text(command, a, out, e) == 0 ? 0 : err_prefix(e, "command");
}

static int check_count(const struct json *list, const char *name, struct err *e)
{
    if (list->type != JSON_ARRAY || list->count > LIST_MAX) {
        return err_set(e, ERR_INVALID, "%s: expected a list of at most %d", name, LIST_MAX);
    }
    return 0;
}

/* The list `name`, or NULL where it is absent or null. */
static int get_list(const struct json *node, const char *name, const struct json **out,
                    struct err *e)
{
    const struct json *list = json_get(node, str_from(name));
    *out = list != NULL && list->type == JSON_NULL ? NULL : list;
    return *out == NULL ? 0 : check_count(*out, name, e);
}

static int read_argv(const struct json *node, const char *path, struct arena *a, char ***out,
                     struct err *e)
{
    const struct json *args;
    if (get_list(node, "args", &args, e) != 0) {
        return -1;
    }
    char **argv = arena_array(a, (args == NULL ? 0 : args->count) + 2, sizeof(char *));
    if (argv == NULL) {
        return arena_err(a, e);
    }
    if (read_command(json_str(json_get(node, STR("command"))), path, a, &argv[0], e) != 0) {
        return -1;
    }
    size_t count = 1;
    for (const struct json *i = args == NULL ? NULL : args->child; i != NULL; i = i->next) {
        /* A number or a truth value in YAML is text to the plugin. */
        struct str text = i->type == JSON_NUMBER ? i->text : json_str(i);
        if (copy_text(text, a, &argv[count++], e) != 0) {
            return err_prefix(e, "args");
        }
    }
    *out = argv;
    return 0;
}

/* Put "name=value" into envp[*count], over the one with that name. */
static int put_variable(char **envp, size_t *count, struct str name, struct str value,
                        struct arena *a, struct err *e)
{
    struct str both;
    char *text;
    if (name.len == 0 || str_find_char(name, '=') < name.len || value.ptr == NULL) {
        return err_set(e, ERR_INVALID, "expected a name and a value");
    }
    if (arena_format(a, &both, e, "%.*s=%.*s", STR_ARG(name), STR_ARG(value)) != 0 ||
        copy_text(both, a, &text, e) != 0) {
        return -1;
    }
    struct str head = str_slice(both, 0, name.len + 1);
    for (size_t i = 0; i < *count; i++) {
        if (str_starts(str_from(envp[i]), head)) {
            envp[i] = text;
            return 0;
        }
    }
    envp[(*count)++] = text;
    return 0;
}

static int read_env(const struct json *node, struct str api_version, struct arena *a, char ***out,
                    struct err *e)
{
    const struct json *env;
    size_t count = 0;
    struct str info;
    if (get_list(node, "env", &env, e) != 0 ||
        exec_credential_info(api_version, a, &info, e) != 0) {
        return -1;
    }
    while (environ != NULL && environ[count] != NULL) {
        count++;
    }
    char **envp = arena_array(a, count + (env == NULL ? 0 : env->count) + 2, sizeof(char *));
    if (envp == NULL) {
        return arena_err(a, e);
    }
    for (size_t i = 0; i < count; i++) {
        envp[i] = environ[i];
    }
    for (const struct json *i = env == NULL ? NULL : env->child; i != NULL; i = i->next) {
        if (put_variable(envp, &count, json_str(json_get(i, STR("name"))),
                         json_str(json_get(i, STR("value"))), a, e) != 0) {
            return err_prefix(e, "env");
        }
    }
    if (put_variable(envp, &count, STR("KUBERNETES_EXEC_INFO"), info, a, e) != 0) {
        return -1;
    }
    *out = envp;
    return 0;
}

int kube_exec_read(const struct json *node, const char *path, struct arena *a,
                   const struct kube_exec **out, struct err *e)
{
    struct str version = json_str(json_get(node, STR("apiVersion")));
    struct str hint = json_str(json_get(node, STR("installHint")));
    struct kube_exec *x = arena_alloc(a, sizeof(*x));
    if (x == NULL) {
        return arena_err(a, e);
    }
    x->timeout_ms = TIMEOUT_MS;
    if (!exec_credential_version(version)) {
        return err_set(e, ERR_INVALID,
                       "apiVersion: expected client.authentication.k8s.io/v1 or v1beta1, found "
                       "\"%.*s\": update the kubeconfig (aws eks update-kubeconfig)",
                       STR_ARG(str_slice(version, 0, 64)));
    }
    if (json_is_true(json_get(node, STR("provideClusterInfo")))) {
        return err_set(e, ERR_INVALID, "provideClusterInfo is not supported");
    }
    if (str_eq(json_str(json_get(node, STR("interactiveMode"))), STR("Always"))) {
        return err_set(e, ERR_INVALID,
                       "interactiveMode: Always is not supported: the plugin gets "
                       "no standard input");
    }
    if (arena_str(a, version, &x->api_version, e) != 0 ||
        (hint.len > 0 && arena_str(a, str_trim(hint), &x->install_hint, e) != 0) ||
        read_argv(node, path, a, &x->argv, e) != 0 ||
        read_env(node, version, a, &x->envp, e) != 0) {
        return -1;
    }
    *out = x;
    return 0;
}

/* ---- running it ---- */

/* A process of its own group, what is readable when it ends, and the ends of its output that we
 * read. */
struct child {
    pid_t pid;
    int ended, out, err;
};

static void close_pipe(int fds[2])
{
    for (int i = 0; i < 2; i++) {
        if (fds[i] >= 0) {
            (void)close(fds[i]);
        }
    }
}

/* Default signals, none blocked, nothing open but the three. Returns an errno. */
static int spawn(const struct kube_exec *x, int out, int err, pid_t *pid)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none, all;
    (void)sigemptyset(&none);
    (void)sigfillset(&all);
    int failed = posix_spawn_file_actions_init(&actions);
    if (failed != 0) {
        return failed;
    }
    failed = posix_spawnattr_init(&attributes);
    if (failed != 0) {
        (void)posix_spawn_file_actions_destroy(&actions);
        return failed;
    }
    (void)posix_spawnattr_setsigmask(&attributes, &none);
    (void)posix_spawnattr_setsigdefault(&attributes, &all);
    (void)posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
                                                    POSIX_SPAWN_SETPGROUP);
    failed = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    if (failed == 0) {
        failed = posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
    }
    if (failed == 0) {
        failed = posix_spawn_file_actions_adddup2(&actions, err, STDERR_FILENO);
    }
    if (failed == 0) {
        failed = posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
    }
    if (failed == 0) {
        failed = posix_spawnp(pid, x->argv[0], &actions, &attributes, x->argv, x->envp);
    }
    (void)posix_spawnattr_destroy(&attributes);
    (void)posix_spawn_file_actions_destroy(&actions);
    return failed;
}

static int fail_start(const struct kube_exec *x, int failed, struct err *e)
{
    bool absent = failed == ENOENT || failed == EACCES;
    bool hinted = absent && x->install_hint.len > 0;
    return err_set(e, ERR_IO, "%s%s%.*s",
                   failed == ENOENT && strchr(x->argv[0], '/') == NULL ? "not found in $PATH"
                                                                       : strerror(failed),
                   hinted ? ": " : "", STR_ARG(hinted ? x->install_hint : STR("")));
}

static int start(const struct kube_exec *x, struct child *c, struct err *e)
{
    int out[2] = {-1, -1}, err[2] = {-1, -1};
    int failed = pipe2(out, O_CLOEXEC) != 0 || pipe2(err, O_CLOEXEC) != 0 ? errno : 0;
    if (failed == 0) {
        failed = spawn(x, out[1], err[1], &c->pid);
    }
    if (failed != 0) {
        close_pipe(out);
        close_pipe(err);
        return fail_start(x, failed, e);
    }
    (void)close(out[1]);
    (void)close(err[1]);
    c->out = out[0];
    c->err = err[0];
    c->ended = pidfd_open(c->pid, 0); /* close-on-exec by itself */
    return 0;
}

static int64_t monotonic_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* What is there to read; the descriptor becomes -1 at the end. */
static void take(struct pollfd *p, struct buf *into)
{
    char piece[16 * 1024];
    if ((p->revents & (POLLIN | POLLHUP | POLLERR)) == 0) {
        return;
    }
    ssize_t n = read(p->fd, piece, sizeof(piece));
    if (n > 0) {
        buf_append(into, (struct str){piece, (size_t)n});
    } else if (n == 0 || errno != EINTR) {
        p->fd = -1;
    }
    explicit_bzero(piece, sizeof(piece));
}

/* Both outputs to their ends, and the process to its own. What it says on standard error beyond the
 * ceiling is dropped. */
static int collect(const struct kube_exec *x, const struct child *c, struct buf *answer,
                   struct buf *said, struct err *e)
{
    struct pollfd fds[3] = {{.fd = c->out, .events = POLLIN},
                            {.fd = c->err, .events = POLLIN},
                            {.fd = c->ended, .events = POLLIN}};
    int64_t deadline_ms = monotonic_ms() + x->timeout_ms;
    while (fds[0].fd >= 0 || fds[1].fd >= 0 || fds[2].fd >= 0) {
        int64_t left_ms = deadline_ms - monotonic_ms();
        if (left_ms <= 0) {
            return err_set(e, ERR_TIMEOUT, "no answer within %lld s",
                           (long long)(x->timeout_ms / 1000));
        }
        int ready = poll(fds, 3, (int)left_ms);
        if (ready < 0 && errno != EINTR) {
            return err_set(e, ERR_IO, "poll: %s", strerror(errno));
        }
        if (ready > 0) {
            take(&fds[0], answer);
            take(&fds[1], said);
            fds[2].fd = fds[2].revents != 0 ? -1 : fds[2].fd;
        }
        if (answer->failed) {
            return err_set(e, ERR_LIMIT, "its answer is larger than %d bytes", ANSWER_MAX_BYTES);
        }
    }
    return 0;
}

/* Take note of its end; `end` makes it end, and with it what it started. */
static void reap(const struct child *c, bool end, int *status)
{
    if (end) {
        (void)kill(-c->pid, SIGKILL);
        (void)kill(c->pid, SIGKILL);
    }
    while (waitpid(c->pid, status, 0) < 0 && errno == EINTR) {
    }
}

static int fail_status(int status, struct str said, struct err *e)
{
    said = str_trim(said);
    said = str_slice(said, 0, SHOWN_BYTES);
    if (WIFSIGNALED(status)) {
        return err_set(e, ERR_DENIED, "it was ended by signal %d: %.*s", WTERMSIG(status),
                       STR_ARG(said));
    }
    return err_set(e, ERR_DENIED, "exit status %d: %.*s", WEXITSTATUS(status), STR_ARG(said));
}

static int run(const struct kube_exec *x, struct buf *answer, struct buf *said, struct err *e)
{
    struct child c = {.pid = 0};
    int status = 0;
    if (start(x, &c, e) != 0) {
        return -1;
    }
    int result = c.ended < 0 ? err_set(e, ERR_IO, "pidfd_open: %s", strerror(errno))
                             : collect(x, &c, answer, said, e);
    reap(&c, result != 0, &status);
    close_pipe((int[2]){c.out, c.err});
    if (c.ended >= 0) {
        (void)close(c.ended);
    }
    if (result != 0) {
        return -1;
    }
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0
                                                         : fail_status(status, buf_view(said), e);
}

int kube_exec_run(const struct kube_exec *x, struct arena *a, struct exec_credential *out,
                  struct err *e)
{
    struct buf answer, said;
    struct str kept;
    buf_init(&answer, ANSWER_MAX_BYTES);
    buf_init(&said, SAID_MAX_BYTES);
    int status = run(x, &answer, &said, e);
    if (status == 0) {
        status = arena_str(a, buf_view(&answer), &kept, e);
    }
    if (status == 0 && exec_credential_parse(kept, x->api_version, a, out, e) != 0) {
        status = err_prefix(e, "its answer");
    }
    buf_wipe(&answer);
    buf_free(&said);
    return status == 0 ? 0 : err_prefix(e, "credential plugin \"%s\"", x->argv[0]);
}
