/* A file that is read again when its content changes, however it was written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "net/reload.h"

enum { DEADLINE_MS = 20000, MAX_BYTES = 64 };

struct owner {
    struct loop *loop;
    struct reload *reload;
    char dir[64], path[128];
    char in_force[MAX_BYTES + 1]; /* the last content that was taken */
    size_t offered;               /* contents that take() saw */
    size_t loaded, refused;       /* as told */
    struct err why;
};

/* Contents that begin with '!' are wrong. */
static int take(void *context, struct str content, struct err *e)
{
    struct owner *o = context;
    o->offered++;
    if (content.len > 0 && content.ptr[0] == '!') {
        return err_set(e, ERR_INVALID, "line 1: a '!'");
    }
    memcpy(o->in_force, content.ptr, content.len);
    o->in_force[content.len] = '\0';
    return 0;
}

static void told(void *context, const struct err *refused)
{
    struct owner *o = context;
    o->loaded += refused == NULL ? 1 : 0;
    o->refused += refused != NULL ? 1 : 0;
    o->why = refused != NULL ? *refused : o->why;
}

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static struct reload_options options_of(struct owner *o)
{
    return (struct reload_options){
        .path = o->path, .max_bytes = MAX_BYTES, .take = take, .told = told, .context = o};
}

static int start(void **state)
{
    struct owner *o = calloc(1, sizeof(*o));
    struct err e;
    assert_non_null(o);
    (void)snprintf(o->dir, sizeof(o->dir), "/tmp/ampscale-reload-XXXXXX");
    assert_non_null(mkdtemp(o->dir));
    (void)snprintf(o->path, sizeof(o->path), "%s/file", o->dir);
    write_file(o->path, "one");
    const struct reload_options options = options_of(o);
    assert_int_equal(loop_new(&o->loop, &e), 0);
    assert_int_equal(reload_new(&options, &o->reload, &e), 0);
    assert_string_equal(o->in_force, "one");
    assert_int_equal(reload_watch(o->reload, o->loop, &e), 0);
    *state = o;
    return 0;
}

static int stop(void **state)
{
    struct owner *o = *state;
    char path[160];
    reload_free(o->reload);
    loop_free(o->loop);
    for (const char *const *name = (const char *const[]){"file", "new", "..1", NULL}; *name != NULL;
         name++) {
        (void)snprintf(path, sizeof(path), "%s/%s", o->dir, *name);
        (void)unlink(path);
    }
    (void)rmdir(o->dir);
    free(o);
    return 0;
}

/* Until so many were told of; fails when that does not come. */
static void wait_told(struct owner *o, size_t loaded, size_t refused)
{
    struct err e;
    const int64_t end = loop_now_ms(o->loop) + DEADLINE_MS;
    while (o->loaded < loaded || o->refused < refused) {
        assert_int_equal(loop_run_once(o->loop, 100, &e), 0);
        assert_true(loop_now_ms(o->loop) < end);
    }
    assert_int_equal(o->loaded, loaded);
    assert_int_equal(o->refused, refused);
}

static void a_change_is_taken_however_it_is_written(void **state)
{
    struct owner *o = *state;
    char other[128];
    write_file(o->path, "two"); /* in place, of the same size */
    wait_told(o, 1, 0);
    assert_string_equal(o->in_force, "two");
    (void)snprintf(other, sizeof(other), "%s/new", o->dir);
    write_file(other, "three");
    assert_int_equal(rename(other, o->path), 0);
    wait_told(o, 2, 0);
    assert_string_equal(o->in_force, "three");
    (void)snprintf(other, sizeof(other), "%s/..1", o->dir);
    write_file(other, "four");
    assert_int_equal(unlink(o->path), 0);
    assert_int_equal(symlink("..1", o->path), 0);
    wait_told(o, 3, 0);
    assert_string_equal(o->in_force, "four");
}

static void a_wrong_content_is_told_once_and_leaves_the_old_one(void **state)
{
    struct owner *o = *state;
    char text[192];
    write_file(o->path, "!no");
    wait_told(o, 0, 1);
    (void)snprintf(text, sizeof(text), "%s: line 1: a '!'", o->path);
    assert_string_equal(o->why.text, text);
    assert_string_equal(o->in_force, "one");
    write_file(o->path, "!no"); /* anew, and the same */
    const size_t offered = o->offered;
    struct err e;
    const int64_t end = loop_now_ms(o->loop) + 2500;
    while (loop_now_ms(o->loop) < end) { /* it is looked at twice meanwhile */
        assert_int_equal(loop_run_once(o->loop, 100, &e), 0);
    }
    assert_int_equal(o->offered, offered);
    write_file(o->path, "one"); /* what is in force is told of again: the file is right now */
    wait_told(o, 1, 1);
}

static void a_file_that_goes_and_one_too_large_are_refused(void **state)
{
    struct owner *o = *state;
    char large[2 * MAX_BYTES];
    assert_int_equal(unlink(o->path), 0);
    wait_told(o, 0, 1);
    assert_int_equal(o->why.code, ERR_IO);
    memset(large, 'x', sizeof(large) - 1);
    large[sizeof(large) - 1] = '\0';
    write_file(o->path, large);
    wait_told(o, 0, 2);
    assert_int_equal(o->why.code, ERR_LIMIT);
    assert_string_equal(o->in_force, "one");
    assert_int_equal(o->offered, 1);
    write_file(o->path, "");
    wait_told(o, 1, 2);
    assert_string_equal(o->in_force, "");
}

static void at_the_start_it_must_be_right(void **state)
{
    struct owner *o = *state;
    const struct reload_options options = options_of(o);
    struct reload *another = NULL;
    struct err e = ERR_INIT;
    write_file(o->path, "!no");
    assert_int_equal(reload_new(&options, &another, &e), -1);
    assert_int_equal(e.code, ERR_INVALID);
    assert_int_equal(unlink(o->path), 0);
    assert_int_equal(reload_new(&options, &another, &e), -1);
    assert_int_equal(e.code, ERR_IO);
    assert_int_equal(strncmp(e.text, o->path, strlen(o->path)), 0);
    assert_null(another);
    write_file(o->path, "two");
    assert_int_equal(reload_new(&options, &another, &e), 0);
    reload_free(another); /* nobody watches it */
    reload_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_change_is_taken_however_it_is_written, start, stop),
        cmocka_unit_test_setup_teardown(a_wrong_content_is_told_once_and_leaves_the_old_one, start,
                                        stop),
        cmocka_unit_test_setup_teardown(a_file_that_goes_and_one_too_large_are_refused, start,
                                        stop),
        cmocka_unit_test_setup_teardown(at_the_start_it_must_be_right, start, stop),
    };
    return cmocka_run_group_tests_name("reload", tests, NULL, NULL);
}
