/* policy_parse on any bytes, and what it accepts held against Deployments that break all rules.
 * Properties: a rule that does not hold finds nothing; a breach is of a rule that holds, with its
 * action; what oldObject has in the same way is known, and what it does not have is not; texts are
 * UTF-8 and name rule and namespace. */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "webhook/policy_verdict.h"

static const struct kv GOOD_ITEMS[] = {
    {STR_INIT(SPEC_PREFIX "query"), STR_INIT("up")},
    {STR_INIT(SPEC_PREFIX "threshold"), STR_INIT("1")},
    {STR_INIT(SPEC_PREFIX "max-replicas"), STR_INIT("1")},
    {STR_INIT(SPEC_PREFIX "polling-interval"), STR_INIT("1h")},
};
static const struct kv BAD_ITEMS[] = {
    {STR_INIT(SPEC_PREFIX "triggers"),
     STR_INIT("[{query: a, threshold: 1}, {query: b, threshold: 1}]")},
    {STR_INIT(SPEC_PREFIX "min-replicas"), STR_INIT("0")},
    {STR_INIT(SPEC_PREFIX "max-replicas"), STR_INIT("2147483647")},
    {STR_INIT(SPEC_PREFIX "polling-interval"), STR_INIT("1s")},
    {STR_INIT(SPEC_PREFIX "endpoint"),
     STR_INIT("https://aps-workspaces.eu-west-1.amazonaws.com/workspaces/ws-z")},
    {STR_INIT(SPEC_PREFIX "role-arn"), STR_INIT("arn:aws:iam::000000000000:role/z")},
};

static void check(int condition)
{
    if (!condition) {
        abort();
    }
}

struct subject {
    struct kv_list annotations;
    struct scale_spec spec;
    struct policy_side side;
};

static void make(struct subject *s, const struct kv *items, size_t count, struct arena *a)
{
    struct complaints complaints;
    struct err e = ERR_INIT;
    s->annotations = (struct kv_list){items, count};
    check(spec_parse(&s->annotations, a, &s->spec, &complaints, &e) == 0);
    check(complaints.count == 0);
    s->side = (struct policy_side){&s->annotations, &s->spec};
}

static bool names(struct str text, struct str what)
{
    return memmem(text.ptr, text.len, what.ptr, what.len) != NULL;
}

static void check_findings(const struct policy *p, struct str namespace_, bool known,
                           const struct policy_findings *f)
{
    check(f->count <= POLICY_FINDINGS_MAX);
    for (size_t i = 0; i < f->count; i++) {
        const struct policy_finding *one = &f->items[i];
        const struct policy_setting *s = policy_setting(p, namespace_, one->rule);
        check(s != NULL && s->action == one->action && one->action != ACTION_NONE);
        check(one->known == known);
        check(str_is_utf8(one->text));
        check(names(one->text, policy_rule_name(one->rule)) && names(one->text, namespace_));
        check(!str_eq(policy_outcome(one), STR("none")));
    }
}

/* As many breaches as there are rules that hold and that this Deployment breaks. */
static void check_judge(const struct policy *p, struct str namespace_, struct arena *a)
{
    struct subject good, bad;
    struct policy_findings now, update, worse;
    struct policy_unreachable unreachable;
    struct err e = ERR_INIT;
    make(&good, GOOD_ITEMS, sizeof(GOOD_ITEMS) / sizeof(GOOD_ITEMS[0]), a);
    make(&bad, BAD_ITEMS, sizeof(BAD_ITEMS) / sizeof(BAD_ITEMS[0]), a);
    if (policy_judge(p, namespace_, &bad.side, NULL, a, &now, &e) != 0 ||
        policy_judge(p, namespace_, &bad.side, &bad.side, a, &update, &e) != 0 ||
        policy_judge(p, namespace_, &bad.side, &good.side, a, &worse, &e) != 0 ||
        policy_unreachable(p, namespace_, a, &unreachable, &e) != 0) {
        check(e.code == ERR_MEMORY);
        return;
    }
    check_findings(p, namespace_, false, &now);
    check_findings(p, namespace_, true, &update);
    check_findings(p, namespace_, false, &worse);
    check(now.count == update.count && now.count == worse.count);
    check(unreachable.given == (policy_setting(p, namespace_, RULE_UNREACHABLE) != NULL));
    const struct policy_setting *zero = policy_setting(p, namespace_, RULE_FORBID_ZERO);
    bool found = false;
    for (size_t i = 0; i < now.count; i++) {
        found = found || now.items[i].rule == RULE_FORBID_ZERO;
    }
    check(found == (zero != NULL));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = {(const char *)data, size};
    struct policy policy = {.namespace_count = 0};
    struct err e = ERR_INIT;
    struct arena a;
    arena_init(&a, POLICY_ARENA_BYTES);
    if (policy_parse(text, &a, &policy, &e) == 0) {
        check_judge(&policy, STR("nobody"), &a);
        for (size_t i = 0; i < policy.namespace_count && i < 4; i++) {
            check_judge(&policy, policy.namespaces[i].name, &a);
        }
    } else {
        check(e.code != ERR_NONE && policy.namespace_count == 0);
        check(str_is_utf8(str_from(e.text)));
    }
    arena_free(&a);
    return 0;
}
