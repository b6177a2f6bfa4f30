/* Target URLs, good and bad. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "collector/target.h"

static void instances_are_host_and_port(void **state)
{
    static const struct {
        const char *url, *instance;
    } cases[] = {
        {"http://10.0.0.7:8080/metrics", "10.0.0.7:8080"},
        {"http://10.0.0.7/metrics", "10.0.0.7:80"},
        {"https://10.0.0.7/metrics", "10.0.0.7:443"},
        {"http://app:1?x=http://a@b:2", "app:1"},
        {"http://app", "app:80"},
        {"http://[fd00::7]:9/", "[fd00::7]:9"},
        {"https://[fd00::7]/stats/prometheus", "[fd00::7]:443"},
        {"http://app:65535/a?b=c", "app:65535"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct target t;
        struct err e = ERR_INIT;
        assert_int_equal(target_parse(str_from(cases[i].url), &t, &e), 0);
        assert_string_equal(t.instance, cases[i].instance);
        assert_true(str_eq(t.url, str_from(cases[i].url)));
    }
}

static void what_is_none_is_named(void **state)
{
    static const struct {
        const char *url, *says;
    } cases[] = {
        {"", "another scheme, or none"},
        {"10.0.0.7:8080/metrics", "another scheme, or none"},
        {"ftp://app/metrics", "another scheme, or none"},
        {"http://", "no host"},
        {"http:///metrics", "no host"},
        {"http://:80/", "no host"},
        {"http://[]:80/", "no host"},
        {"http://a:b:80/", "no host"},
        {"http://fd00::7/", "no host"},
        {"http://app:/metrics", "no host"},
        {"http://app:0/", "the port is not one of 1 to 65535"},
        {"http://app:65536/", "the port is not one of 1 to 65535"},
        {"http://app:99999999999999999999/", "the port is not one of 1 to 65535"},
        {"http://app:80/a b", "a blank, a fragment"},
        {"http://app:80/#x", "a blank, a fragment"},
        {"http://app:80/\xc3\xbc", "a blank, a fragment"},
        {"http://user:secret@app:80/", "user info"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct target t;
        struct err e = ERR_INIT;
        assert_int_equal(target_parse(str_from(cases[i].url), &t, &e), -1);
        assert_int_equal(e.code, ERR_INVALID);
        assert_non_null(strstr(e.text, cases[i].says));
        assert_null(strstr(e.text, "secret"));
    }
}

static void a_url_has_a_ceiling(void **state)
{
    static char url[TARGET_URL_MAX_BYTES + 2];
    struct target t;
    struct err e = ERR_INIT;
    (void)state;
    memset(url, 'x', sizeof url - 1);
    memcpy(url, "http://a:1/", 11);
    assert_int_equal(target_parse((struct str){url, TARGET_URL_MAX_BYTES}, &t, &e), 0);
    assert_int_equal(target_parse((struct str){url, TARGET_URL_MAX_BYTES + 1}, &t, &e), -1);
    memcpy(url, "http://", 7);
    memset(url + 7, 'h', sizeof url - 8); /* a host that is longer than any */
    assert_int_equal(target_parse((struct str){url, 400}, &t, &e), -1);
}

static void sockets_differ_where_targets_do(void **state)
{
    struct target a, b, again;
    struct err e = ERR_INIT;
    (void)state;
    assert_int_equal(target_parse(STR("http://app:80/a"), &a, &e), 0);
    assert_int_equal(target_parse(STR("http://app:80/b"), &b, &e), 0);
    assert_int_equal(target_parse(STR("http://app:80/a"), &again, &e), 0);
    assert_string_not_equal(a.socket_name, b.socket_name);
    assert_string_equal(a.socket_name, again.socket_name);
    assert_true(str_starts(str_from(a.socket_name), STR("ampscale-collector-")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(instances_are_host_and_port),
        cmocka_unit_test(what_is_none_is_named),
        cmocka_unit_test(a_url_has_a_ceiling),
        cmocka_unit_test(sockets_differ_where_targets_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
