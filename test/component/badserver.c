#include "badserver.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/num.h"

enum { TURN_MAX_MS = 20000 };

/* In the child: run the script between the two pipes. */
static void run_script(const int input[2], const int output[2])
{
    (void)dup2(input[0], STDIN_FILENO);
    (void)dup2(output[1], STDOUT_FILENO);
    (void)close(input[1]);
    (void)close(output[0]);
    (void)setenv("PYTHONDONTWRITEBYTECODE", "1", 1);
    (void)execlp("python3", "python3", "test/component/badserver.py", (char *)NULL);
    _exit(127);
}

/* "HTTP HTTPS MTLS DIRECTORY" */
static void read_line(struct badserver *s, struct str line)
{
    int *const ports[] = {&s->http, &s->https, &s->mtls};
    for (size_t i = 0; i < sizeof ports / sizeof ports[0]; i++) {
        int64_t port = 0;
        struct err e;
        assert_int_equal(num_int(str_cut(line, ' ', &line), 1, 65535, &port, &e), 0);
        *ports[i] = (int)port;
    }
    assert_true(line.len > 0 && line.len < sizeof s->directory);
    memcpy(s->directory, line.ptr, line.len);
}

void badserver_start(struct badserver *s)
{
    int input[2], output[2];
    char line[256] = "";
    memset(s, 0, sizeof *s);
    assert_int_equal(pipe2(input, O_CLOEXEC), 0);
    assert_int_equal(pipe2(output, O_CLOEXEC), 0);
    s->pid = fork();
    assert_true(s->pid >= 0);
    if (s->pid == 0) {
        run_script(input, output);
    }
    (void)close(input[0]);
    (void)close(output[1]);
    s->input = input[1];
    FILE *from = fdopen(output[0], "r");
    assert_non_null(from);
    assert_non_null(fgets(line, sizeof line, from));
    read_line(s, str_trim(str_from(line)));
    (void)fclose(from);
}

void badserver_stop(struct badserver *s)
{
    (void)close(s->input);
    assert_int_equal(waitpid(s->pid, NULL, 0), s->pid);
}

const char *badserver_file(const struct badserver *s, const char *name)
{
    static char paths[4][128];
    static unsigned next;
    char *path = paths[next++ % 4];
    (void)snprintf(path, sizeof paths[0], "%s/%s", s->directory, name);
    return path;
}

static void turn(struct loop *l, const bool *done, int64_t for_ms)
{
    struct err e;
    const int64_t end_ms = loop_now_ms(l) + for_ms;
    while (!*done && loop_now_ms(l) < end_ms) {
        if (loop_run_once(l, (int)(end_ms - loop_now_ms(l)), &e) != 0) {
            fail_msg("%s", e.text);
        }
    }
}

void turn_until(struct loop *l, const bool *done)
{
    turn(l, done, TURN_MAX_MS);
    assert_true(*done);
}

void turn_for(struct loop *l, int64_t ms)
{
    const bool never = false;
    turn(l, &never, ms);
}
