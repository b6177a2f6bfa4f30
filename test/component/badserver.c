#include "badserver.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/num.h"

enum { TURN_MAX_MS = 20000 };

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
    char line[PYSERVER_LINE_BYTES];
    memset(s, 0, sizeof *s);
    pyserver_start(&s->server, "test/component/badserver.py", line);
    read_line(s, str_trim(str_from(line)));
}

void badserver_stop(struct badserver *s)
{
    pyserver_stop(&s->server);
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
