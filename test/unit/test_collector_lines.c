/* Bodies cut into lines wherever their pieces end, and reasons told once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "collector/lines.h"
#include "collector/reasons.h"

/* Each line in brackets; a line "stop" ends the reading. */
static int note(void *context, struct str line, struct err *e)
{
    struct buf *out = context;
    buf_append_char(out, '[');
    buf_append(out, line);
    buf_append_char(out, ']');
    return str_eq(line, STR("stop")) ? err_set(e, ERR_INVALID, "told to") : 0;
}

/* A reader whose lines are noted. */
struct fixture {
    struct buf out;
    struct lines lines;
};

static int setup(void **state)
{
    static struct fixture f;
    buf_init(&f.out, 1024);
    lines_init(&f.lines, 1024, note, &f.out);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    lines_free(&f->lines);
    buf_free(&f->out);
    return 0;
}

static int feed_all(struct lines *l, struct str body, size_t piece, struct err *e)
{
    for (size_t at = 0; at < body.len; at += piece) {
        if (lines_feed(l, str_slice(body, at, at + piece), e) != 0) {
            return -1;
        }
    }
    return lines_end(l, e);
}

static void lines_are_the_same_however_the_pieces_fall(void **state)
{
    static const struct str body = STR_INIT("one\n\ntwo words\r\n# three\nfour");
    struct fixture *f = *state;
    struct err e = ERR_INIT;
    for (size_t piece = 1; piece <= body.len; piece++) {
        buf_reset(&f->out);
        lines_reset(&f->lines);
        assert_int_equal(feed_all(&f->lines, body, piece, &e), 0);
        assert_true(str_eq(buf_view(&f->out), STR("[one][][two words\r][# three][four]")));
    }
}

static void a_newline_at_the_end_adds_no_line(void **state)
{
    struct fixture *f = *state;
    struct err e = ERR_INIT;
    assert_int_equal(feed_all(&f->lines, STR("a\nb\n"), 3, &e), 0);
    assert_true(str_eq(buf_view(&f->out), STR("[a][b]")));
}

static void what_the_taker_says_ends_the_reading(void **state)
{
    struct fixture *f = *state;
    struct err e = ERR_INIT;
    for (size_t piece = 1; piece < 12; piece += 10) {
        buf_reset(&f->out);
        lines_reset(&f->lines);
        assert_int_equal(feed_all(&f->lines, STR("a\nstop\nb\n"), piece, &e), -1);
        assert_string_equal(e.text, "told to");
        assert_true(str_eq(buf_view(&f->out), STR("[a][stop]")));
    }
}

static void body_and_line_have_their_ceilings(void **state)
{
    struct buf out;
    struct lines l;
    struct err e = ERR_INIT;
    char *const big = malloc(LINES_LINE_MAX_BYTES + 1);
    (void)state;
    assert_non_null(big);
    memset(big, 'x', LINES_LINE_MAX_BYTES + 1);
    buf_init(&out, LINES_LINE_MAX_BYTES + 16);

    lines_init(&l, 8, note, &out);
    assert_int_equal(feed_all(&l, STR("12345678"), 3, &e), 0);
    lines_reset(&l);
    assert_int_equal(feed_all(&l, STR("1\n34567\n9"), 3, &e), -1);
    assert_int_equal(e.code, ERR_LIMIT);
    assert_string_equal(e.text, "the body is larger than 8 bytes");
    lines_free(&l);

    lines_init(&l, 1 << 30, note, &out);
    buf_reset(&out);
    assert_int_equal(feed_all(&l, (struct str){big, LINES_LINE_MAX_BYTES}, 16384, &e), 0);
    assert_int_equal(out.len, LINES_LINE_MAX_BYTES + 2);
    lines_reset(&l);
    assert_int_equal(l.partial.cap, 0); /* given back */
    assert_int_equal(feed_all(&l, (struct str){big, LINES_LINE_MAX_BYTES + 1}, 16384, &e), -1);
    assert_int_equal(e.code, ERR_LIMIT);
    assert_string_equal(e.text, "a line is longer than 1048576 bytes");
    lines_free(&l);
    buf_free(&out);
    free(big);
}

static void a_reason_is_told_once_an_hour(void **state)
{
    struct reasons r = {.items = {{0}}};
    (void)state;
    assert_true(reasons_tell(&r, STR("refused"), 1000));
    assert_false(reasons_tell(&r, STR("refused"), 2000));
    assert_true(reasons_tell(&r, STR("timeout"), 3000));
    assert_false(reasons_tell(&r, STR("refused"), 4000));
    assert_false(reasons_tell(&r, STR("refused"), 1000 + REASONS_AGAIN_MS - 1));
    assert_true(reasons_tell(&r, STR("refused"), 1000 + REASONS_AGAIN_MS));
    assert_false(reasons_tell(&r, STR("refused"), 1001 + REASONS_AGAIN_MS));
}

/* A target that fails every other time, at 15 s: told at its first failure of each ten minutes. */
static void what_comes_and_goes_is_told_every_ten_minutes(void **state)
{
    struct reasons r = {.items = {{0}}};
    int told = 0;
    (void)state;
    for (int64_t now_ms = 0; now_ms < REASONS_AGAIN_MS; now_ms += 30000) {
        told += reasons_tell(&r, STR("refused"), now_ms);
        reasons_over(&r);
    }
    assert_int_equal(told, 6);
    assert_true(reasons_tell(&r, STR("refused"), REASONS_AGAIN_MS)); /* and now it stays */
    assert_false(reasons_tell(&r, STR("refused"), REASONS_AGAIN_MS + REASONS_RETURN_MS));
    assert_true(reasons_tell(&r, STR("refused"), INT64_C(2) * REASONS_AGAIN_MS));
    reasons_over(&r);
    assert_true(
        reasons_tell(&r, STR("timeout"), INT64_C(2) * REASONS_AGAIN_MS)); /* another is another */
}

static void of_many_reasons_the_one_told_longest_ago_gives_way(void **state)
{
    struct reasons r = {.items = {{0}}};
    char name[2] = "a";
    (void)state;
    for (int i = 0; i < REASONS_MAX; i++, name[0]++) {
        assert_true(reasons_tell(&r, str_from(name), 1000 + i));
    }
    assert_true(reasons_tell(&r, STR("one more"), 2000));
    assert_false(reasons_tell(&r, STR("b"), 2001));
    assert_true(reasons_tell(&r, STR("a"), 2002));
    assert_true(reasons_tell(&r, STR("b"), 2003));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(lines_are_the_same_however_the_pieces_fall, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_newline_at_the_end_adds_no_line, setup, teardown),
        cmocka_unit_test_setup_teardown(what_the_taker_says_ends_the_reading, setup, teardown),
        cmocka_unit_test(body_and_line_have_their_ceilings),
        cmocka_unit_test(a_reason_is_told_once_an_hour),
        cmocka_unit_test(what_comes_and_goes_is_told_every_ten_minutes),
        cmocka_unit_test(of_many_reasons_the_one_told_longest_ago_gives_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
