/* Which HorizontalPodAutoscaler has which target. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "scaler/autoscalers.h"

static bool set(struct autoscalers *list, const char *namespace_, const char *hpa,
                const char *deployment)
{
    struct err e = ERR_INIT;
    bool changed;
    assert_int_equal(autoscalers_set(list, str_from(namespace_), str_from(hpa),
                                     str_from(deployment), &changed, &e),
                     0);
    return changed;
}

static void assert_of(const struct autoscalers *list, const char *namespace_,
                      const char *deployment, const char *hpa)
{
    struct str got = autoscalers_of(list, str_from(namespace_), str_from(deployment));
    assert_int_equal(got.ptr == NULL, hpa == NULL);
    assert_true(str_eq(got, str_from(hpa)));
}

static void one_is_found_by_its_target(void **state)
{
    (void)state;
    struct autoscalers list = {NULL};
    assert_true(set(&list, "shop", "a", "web"));
    assert_false(set(&list, "shop", "a", "web"));
    assert_of(&list, "shop", "web", "a");
    assert_of(&list, "other", "web", NULL);
    assert_of(&list, "shop", "we", NULL);
    assert_true(set(&list, "shop", "a", "search"));
    assert_of(&list, "shop", "web", NULL);
    assert_of(&list, "shop", "search", "a");
    assert_true(str_eq(autoscalers_target(&list, STR("shop"), STR("a")), STR("search")));
    assert_null(autoscalers_target(&list, STR("other"), STR("a")).ptr);
    assert_true(set(&list, "shop", "a", NULL));
    assert_false(set(&list, "shop", "a", NULL));
    assert_of(&list, "shop", "search", NULL);
    autoscalers_free(&list);
}

static void two_with_one_target_are_left_one_by_one(void **state)
{
    (void)state;
    struct autoscalers list = {NULL};
    (void)set(&list, "shop", "a", "web");
    (void)set(&list, "shop", "b", "web");
    assert_non_null(autoscalers_of(&list, STR("shop"), STR("web")).ptr);
    (void)set(&list, "shop", "b", NULL);
    assert_of(&list, "shop", "web", "a");
    autoscalers_free(&list);
}

static void a_list_forgets_what_it_does_not_show(void **state)
{
    (void)state;
    struct autoscalers list = {NULL};
    (void)set(&list, "shop", "a", "web");
    (void)set(&list, "shop", "b", "search");
    (void)set(&list, "other", "a", "web");
    autoscalers_list_begin(&list, STR("shop"));
    (void)set(&list, "shop", "b", "search");
    autoscalers_list_end(&list, STR("shop"));
    assert_of(&list, "shop", "web", NULL);
    assert_of(&list, "shop", "search", "b");
    assert_of(&list, "other", "web", "a");
    autoscalers_list_begin(&list, (struct str){NULL, 0}); /* of all namespaces */
    autoscalers_list_end(&list, (struct str){NULL, 0});
    assert_null(list.first);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_is_found_by_its_target),
        cmocka_unit_test(two_with_one_target_are_left_one_by_one),
        cmocka_unit_test(a_list_forgets_what_it_does_not_show),
    };
    return cmocka_run_group_tests_name("autoscalers", tests, NULL, NULL);
}
