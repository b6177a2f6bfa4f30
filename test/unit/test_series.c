/* The table, scrape by scrape: what a receiver gets of bodies. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "scrape_stage.h"

static int setup(void **state)
{
    static struct stage stage;
    stage_init(&stage);
    *state = &stage;
    return 0;
}

static int teardown(void **state)
{
    stage_close(*state);
    return 0;
}

static void test_reports(void **state)
{
    struct stage *s = *state;
    s->reports = true;
    stage_open(s);
    stage_scrape(s, 1000, "a 1\nb{x=\"1\"} 2\nb{x=\"1\"} 3\n");
    assert_string_equal(stage_receive(s),
                        "a{job=\"j\"} 1 @1000\n"
                        "b{job=\"j\",x=\"1\"} 2 @1000\n"
                        "up{job=\"j\"} 1 @1000\n"
                        "scrape_duration_seconds{job=\"j\"} 0.5 @1000\n"
                        "scrape_samples_scraped{job=\"j\"} 3 @1000\n"
                        "scrape_samples_post_metric_relabeling{job=\"j\"} 3 @1000\n"
                        "scrape_series_added{job=\"j\"} 2 @1000\n");
    assert_int_equal(s->counts.dropped[SERIES_DUPLICATE], 1);
    assert_true(str_eq(s->counts.example[SERIES_DUPLICATE], STR("b")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_reports, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
