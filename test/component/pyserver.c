#include "pyserver.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* In the child: run it between the two pipes. */
static void run(const char *path, const int input[2], const int output[2])
{
    (void)dup2(input[0], STDIN_FILENO);
    (void)dup2(output[1], STDOUT_FILENO);
    (void)close(input[1]);
    (void)close(output[0]);
    (void)setenv("PYTHONDONTWRITEBYTECODE", "1", 1);
    (void)execlp("python3", "python3", path, (char *)NULL);
    _exit(127);
}

void pyserver_start(struct pyserver *s, const char *path, char line[PYSERVER_LINE_BYTES])
{
    int input[2], output[2];
    assert_int_equal(pipe2(input, O_CLOEXEC), 0);
    assert_int_equal(pipe2(output, O_CLOEXEC), 0);
    s->pid = fork();
    assert_true(s->pid >= 0);
    if (s->pid == 0) {
        run(path, input, output);
    }
    (void)close(input[0]);
    (void)close(output[1]);
    s->input = input[1];
    FILE *from = fdopen(output[0], "r");
    assert_non_null(from);
    assert_non_null(fgets(line, PYSERVER_LINE_BYTES, from));
    (void)fclose(from);
}

void pyserver_stop(struct pyserver *s)
{
    (void)close(s->input);
    assert_int_equal(waitpid(s->pid, NULL, 0), s->pid);
}
