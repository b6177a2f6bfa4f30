/* List and watch against an API server that misbehaves by script (badkube.py).
 *
 * What the handler is told is written as a trace: "[" and "]" around a list, a name for an object
 * that is there, "-name" for one that is gone, "!" lost, "^" recovered. Every script ends with an
 * event of z.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "calls.h"
#include "kubefile.h"

struct seen {
    char trace[256];
    struct err lost;
    bool done; /* `until` came */
    char until;
    int calls, stop_at; /* stop the watch in the handler's nth call; 0: never */
    struct kube_watch *watch;
};

static void add(struct seen *s, const char *sign, struct str name)
{
    const size_t len = strlen(s->trace);
    assert_false(s->stop_at != 0 && s->calls >= s->stop_at);
    (void)snprintf(s->trace + len, sizeof s->trace - len, "%s%.*s", sign, STR_ARG(name));
    s->done = s->done || strchr(s->trace, s->until) != NULL;
    if (++s->calls == s->stop_at) {
        s->done = true;
        kube_watch_stop(s->watch);
    }
}

static void on_begin(void *context)
{
    add(context, "[", STR(""));
}

static void on_upsert(void *context, const struct json *object)
{
    add(context, "", json_str(json_path(object, "metadata/name")));
}

static void on_removed(void *context, const struct json *object)
{
    add(context, "-", json_str(json_path(object, "metadata/name")));
}

static void on_synced(void *context)
{
    add(context, "]", STR(""));
}

static void on_lost(void *context, const struct err *e)
{
    struct seen *s = context;
    s->lost = *e;
    add(s, "!", STR(""));
}

static void on_recovered(void *context)
{
    add(context, "^", STR(""));
}

static const struct kube_watch_handler HANDLER = {.list_begin = on_begin,
                                                  .upsert = on_upsert,
                                                  .removed = on_removed,
                                                  .synced = on_synced,
                                                  .lost = on_lost,
                                                  .recovered = on_recovered};

static void start(struct kube *k, const char *selector, struct seen *s)
{
    struct err e;
    if (kube_watch_start(k, "/apis/apps/v1/namespaces/shop/deployments", selector, &HANDLER, s,
                         &s->watch, &e) != 0) {
        fail_msg("%s", e.text);
    }
    assert_int_equal(s->calls, 0);
}

/* Play a scenario until z, and give what its server was asked. */
static void play(const char *scenario, const char *selector, struct seen *s, struct outcome *log)
{
    char path[64];
    struct kube *k = kubefile_client(scenario, "{}");
    *s = (struct seen){.until = 'z'};
    start(k, selector, s);
    turn_until(calls.loop, &s->done);
    kube_watch_stop(s->watch);
    kube_free(k);
    (void)snprintf(path, sizeof path, "/log/%s", scenario);
    calls_get(path, log);
}

struct script {
    const char *scenario;
    const char *trace;
    const char *asked; /* somewhere in the requests; NULL: anything */
};

static const struct script SCRIPTS[] = {
    /* closed by its time-out: taken up from the last bookmark */
    {"basic", "[ab]ea-bz", "\"resourceVersion\": \"30\""},
    {"pages", "[abcd]z", "\"continue\": \"p/2=&\""},
    {"split", "[ab]x\xc3\xbcpqz", NULL},
    {"gone-status", "[ab][ac]z", "\"resourceVersion\": \"20\""},
    {"gone-event", "[ab][ac]z", "\"resourceVersion\": \"20\""},
    {"error-event", "[ab]z", "\"resourceVersion\": \"10\""},
    {"garbage", "[ab]xz", "\"resourceVersion\": \"11\""},
    {"mid-line", "[ab]xz", "\"resourceVersion\": \"11\""},
    {"reset", "[ab]z", NULL},
    {"close-at-once", "[ab]!^z", NULL},
    {"long-line", "[ab]z", NULL},
    {"down", "![a]^z", NULL},
    {"expired-continue", "[ab[ac]z", NULL},
    {"odd-list", "![a]^z", NULL},
};

static void every_script_ends_in_a_sound_watch(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof SCRIPTS / sizeof SCRIPTS[0]; i++) {
        struct seen s;
        struct outcome log;
        play(SCRIPTS[i].scenario, NULL, &s, &log);
        if (strcmp(s.trace, SCRIPTS[i].trace) != 0) {
            fail_msg("%s: %s, expected %s (%s)", SCRIPTS[i].scenario, s.trace, SCRIPTS[i].trace,
                     s.lost.text);
        }
        if (SCRIPTS[i].asked != NULL && strstr(log.body, SCRIPTS[i].asked) == NULL) {
            fail_msg("%s: not asked for %s: %s", SCRIPTS[i].scenario, SCRIPTS[i].asked, log.body);
        }
    }
}

static void the_server_is_asked_for_pages_bookmarks_and_an_end(void **state)
{
    (void)state;
    struct seen s;
    struct outcome log;
    play("asked", "scale.amp/managed=true", &s, &log);
    assert_non_null(strstr(log.body, "\"limit\": \"100\""));
    assert_non_null(strstr(log.body, "\"labelSelector\": \"scale.amp/managed=true\""));
    assert_non_null(strstr(log.body, "\"allowWatchBookmarks\": \"true\""));
    assert_non_null(strstr(log.body, "\"timeoutSeconds\": \""));
}

static void lost_says_why_once(void **state)
{
    (void)state;
    struct seen s = {.until = '!'};
    struct kube *k = kubefile_client("denied", "{}");
    start(k, NULL, &s);
    turn_until(calls.loop, &s.done);
    turn_for(calls.loop, 700);
    assert_string_equal(s.trace, "!");
    assert_int_equal(s.lost.code, ERR_DENIED);
    assert_non_null(strstr(s.lost.text, "watch /apis/apps/v1/namespaces/shop/deployments: "));
    assert_non_null(strstr(s.lost.text, "deployments.apps is forbidden"));
    kube_watch_stop(s.watch);
    kube_free(k);
}

static void a_stream_that_stands_for_a_second_is_recovered(void **state)
{
    (void)state;
    struct seen s = {.until = '^'};
    struct kube *k = kubefile_client("quiet", "{}");
    start(k, NULL, &s);
    turn_until(calls.loop, &s.done);
    assert_string_equal(s.trace, "![a]^");
    kube_watch_stop(s.watch);
    kube_free(k);
}

static void the_watch_may_be_stopped_in_any_handler(void **state)
{
    (void)state;
    for (int at = 1; at <= 9; at++) {
        struct seen s = {.until = 'z', .stop_at = at};
        struct kube *k = kubefile_client("split", "{}");
        start(k, NULL, &s);
        turn_until(calls.loop, &s.done);
        turn_for(calls.loop, 20);
        assert_int_equal(s.calls, at);
        kube_free(k);
    }
}

static void the_watch_may_be_stopped_at_any_time(void **state)
{
    (void)state;
    for (int turns = 0; turns < 12; turns++) {
        struct seen s = {.until = 'z'};
        struct err e;
        struct kube *k = kubefile_client("basic", "{}");
        start(k, NULL, &s);
        for (int i = 0; i < turns; i++) {
            assert_int_equal(loop_run_once(calls.loop, 10, &e), 0);
        }
        kube_watch_stop(s.watch);
        kube_free(k);
    }
    kube_watch_stop(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_script_ends_in_a_sound_watch),
        cmocka_unit_test(the_server_is_asked_for_pages_bookmarks_and_an_end),
        cmocka_unit_test(lost_says_why_once),
        cmocka_unit_test(a_stream_that_stands_for_a_second_is_recovered),
        cmocka_unit_test(the_watch_may_be_stopped_in_any_handler),
        cmocka_unit_test(the_watch_may_be_stopped_at_any_time),
    };
    return cmocka_run_group_tests(tests, calls_start, calls_stop);
}
