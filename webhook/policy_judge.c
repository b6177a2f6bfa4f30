/* When a rule is broken: one row a rule. A breach that oldObject has too, as badly or worse, is
 * known; it is for the caller to make less of it.
 */
#include <string.h>

#include "base/fmt.h"
#include "base/num.h"
#include "webhook/endpoint.h"
#include "webhook/policy.h"
#include "webhook/record.h"

enum { SHOWN_BYTES = 64, LISTED_MAX = 3, LIST_TEXT_BYTES = 512 };

struct judging {
    const struct policy *policy;
    struct str namespace_;
    const struct policy_side *now, *before; /* before: NULL where there is nothing to compare */
    struct record record;                   /* of defaults that the webhook wrote into `now` */
    bool scales, scaled_before;             /* a scaler goes by it */
    enum policy_rule rule;
    const struct policy_setting *setting;
    struct arena *arena;
    struct policy_findings *out;
    struct err *e;
};

/* ---- texts ---- */

/* "policy maxReplicas <what> in namespace shop; ask #platform" */
static int say_rule(const struct policy *p, struct str namespace_, enum policy_rule rule,
                    struct str what, struct arena *a, struct str *out, struct err *e)
{
    struct str name = policy_rule_name(rule);
    return arena_format(a, out, e, "policy %.*s %.*s in namespace %.*s%s%.*s", STR_ARG(name),
                        STR_ARG(what), STR_ARG(namespace_), p->contact.len > 0 ? "; ask " : "",
                        STR_ARG(p->contact));
}

/* The annotation's value as the user wrote it, in quotes, or the default that is in force. */
static int show_value(const struct judging *j, enum spec_key key, struct str fallback,
                      struct str *out)
{
    struct str name = spec_key_name(key);
    struct str value = kv_get(j->now->annotations, name);
    size_t end = value.len;
    if (value.ptr == NULL || record_proves(&j->record, name, value)) {
        return arena_format(j->arena, out, j->e, "%.*s (the default)", STR_ARG(fallback));
    }
    for (end = end < SHOWN_BYTES ? end : SHOWN_BYTES;
         end < value.len && end > 0 && ((unsigned char)value.ptr[end] & 0xC0) == 0x80; end--) {
    }
    return arena_format(j->arena, out, j->e, "\"%.*s%s\"", (int)end, value.ptr,
                        end < value.len ? "…" : "");
}

static int add(struct judging *j, enum spec_key key, bool known, struct str shown, struct str what)
{
    struct policy_findings *f = j->out;
    struct str name = spec_key_name(key);
    struct str rule;
    struct policy_finding finding = {.rule = j->rule, .action = j->setting->action, .known = known};
    if (f->count == POLICY_FINDINGS_MAX) {
        return 0;
    }
    if (say_rule(j->policy, j->namespace_, j->rule, what, j->arena, &rule, j->e) != 0 ||
        arena_format(j->arena, &finding.text, j->e, "%.*s: %.*s: %.*s", STR_ARG(name),
                     STR_ARG(shown), STR_ARG(rule)) != 0) {
        return -1;
    }
    f->items[f->count++] = finding;
    return 0;
}

/* ---- numbers ---- */

static int add_count(struct judging *j, enum spec_key key, int64_t value, bool known)
{
    struct str fallback, shown, what;
    if (arena_format(j->arena, &fallback, j->e, "%lld", (long long)value) != 0 ||
        show_value(j, key, fallback, &shown) != 0 ||
        arena_format(j->arena, &what, j->e, "allows at most %lld", (long long)j->setting->limit) !=
            0) {
        return -1;
    }
    return add(j, key, known, shown, what);
}

static int judge_max_replicas(struct judging *j)
{
    const struct scale_spec *now = j->now->spec;
    const struct scale_spec *before = j->scaled_before ? j->before->spec : NULL;
    if (j->scales && now->max_replicas > j->setting->limit) {
        bool known = before != NULL && before->max_replicas >= now->max_replicas;
        if (add_count(j, KEY_MAX_REPLICAS, now->max_replicas, known) != 0) {
            return -1;
        }
    }
    /* It is the one count that max-replicas does not bound. */
    if (j->scales && spec_has(now, KEY_PAUSED_REPLICAS) &&
        now->paused_replicas > j->setting->limit) {
        bool known = before != NULL && spec_has(before, KEY_PAUSED_REPLICAS) &&
                     before->paused_replicas >= now->paused_replicas;
        return add_count(j, KEY_PAUSED_REPLICAS, now->paused_replicas, known);
    }
    return 0;
}

static int judge_min_polling_interval(struct judging *j)
{
    const int64_t now_ms = j->now->spec->polling_interval_ms;
    char value[NUM_TEXT_BYTES];
    char limit[NUM_TEXT_BYTES];
    struct str shown, what;
    if (!j->scales || now_ms >= j->setting->limit) {
        return 0;
    }
    bool known = j->scaled_before && j->before->spec->polling_interval_ms <= now_ms;
    struct str least = num_print_duration(j->setting->limit, limit);
    if (show_value(j, KEY_POLLING_INTERVAL, num_print_duration(now_ms, value), &shown) != 0 ||
        arena_format(j->arena, &what, j->e, "allows no less than %.*s", STR_ARG(least)) != 0) {
        return -1;
    }
    return add(j, KEY_POLLING_INTERVAL, known, shown, what);
}

static int judge_max_triggers(struct judging *j)
{
    const size_t count = j->now->spec->trigger_count;
    struct str shown, what;
    if (!j->scales || (int64_t)count <= j->setting->limit) {
        return 0;
    }
    bool known = j->scaled_before && j->before->spec->trigger_count >= count;
    if (arena_format(j->arena, &shown, j->e, "%zu trigger%s", count, fmt_s((int64_t)count)) != 0 ||
        arena_format(j->arena, &what, j->e, "allows at most %lld", (long long)j->setting->limit) !=
            0) {
        return -1;
    }
    return add(j, KEY_TRIGGERS, known, shown, what);
}

static int add_zero(struct judging *j, enum spec_key key, bool known)
{
    struct str shown;
    if (show_value(j, key, STR("0"), &shown) != 0) {
        return -1;
    }
    return add(j, key, known, shown, STR("allows no fewer than 1"));
}

static bool idles_at_zero(const struct scale_spec *spec)
{
    return spec_has(spec, KEY_IDLE_REPLICAS) && spec->idle_replicas == 0;
}

static int judge_forbid_zero(struct judging *j)
{
    const struct scale_spec *before = j->scaled_before ? j->before->spec : NULL;
    if (j->scales && j->now->spec->min_replicas == 0 &&
        add_zero(j, KEY_MIN_REPLICAS, before != NULL && before->min_replicas == 0) != 0) {
        return -1;
    }
    if (j->scales && idles_at_zero(j->now->spec)) {
        return add_zero(j, KEY_IDLE_REPLICAS, before != NULL && idles_at_zero(before));
    }
    return 0;
}

/* ---- lists ---- */

/* "allows ws-1, ws-2 and 3 more" */
static int list_text(const struct judging *j, struct str *out)
{
    const struct policy_setting *s = j->setting;
    struct buf text;
    buf_init(&text, LIST_TEXT_BYTES);
    buf_append(&text, s->value_count > 0 ? STR("allows ") : STR("allows none"));
    for (size_t i = 0; i < s->value_count && i < LISTED_MAX; i++) {
        struct str value = str_slice(s->values[i], 0, SHOWN_BYTES);
        buf_format(&text, "%s%.*s%s", i > 0 ? ", " : "", STR_ARG(value),
                   value.len < s->values[i].len ? "…" : "");
    }
    if (s->value_count > LISTED_MAX) {
        buf_format(&text, " and %zu more", s->value_count - LISTED_MAX);
    }
    int status = buf_check(&text, j->e) != 0 ? -1 : arena_str(j->arena, buf_view(&text), out, j->e);
    buf_free(&text);
    return status;
}

/* A value that is not on the list. */
static int add_unlisted(struct judging *j, enum spec_key key)
{
    struct str shown, what;
    struct str name = spec_key_name(key);
    bool known = j->before != NULL &&
                 str_eq(kv_get(j->before->annotations, name), kv_get(j->now->annotations, name));
    if (show_value(j, key, STR(""), &shown) != 0 || list_text(j, &what) != 0) {
        return -1;
    }
    return add(j, key, known, shown, what);
}

static bool is_listed(const struct policy_setting *s, struct str value,
                      bool (*eq)(struct str a, struct str b))
{
    for (size_t i = 0; i < s->value_count; i++) {
        if (eq(s->values[i], value)) {
            return true;
        }
    }
    return false;
}

static int judge_allowed_endpoints(struct judging *j)
{
    struct str endpoint = j->now->spec->endpoint;
    if (endpoint.len == 0 || is_listed(j->setting, endpoint, endpoint_eq)) {
        return 0;
    }
    return add_unlisted(j, KEY_ENDPOINT);
}

/* An endpoint of AMP names a workspace too; one of which it cannot be told names none allowed. */
static int judge_allowed_workspaces(struct judging *j)
{
    struct str workspace = j->now->spec->workspace;
    struct str endpoint = j->now->spec->endpoint;
    struct str named = {NULL, 0};
    if (workspace.len > 0 && !is_listed(j->setting, workspace, str_eq)) {
        return add_unlisted(j, KEY_WORKSPACE);
    }
    if (endpoint.len > 0 && endpoint_is_amp(endpoint, &named) &&
        !is_listed(j->setting, named, str_eq)) {
        return add_unlisted(j, KEY_ENDPOINT);
    }
    return 0;
}

static bool role_matches(struct str listed, struct str role)
{
    if (!str_ends(listed, STR("*"))) {
        return str_eq(listed, role);
    }
    return str_starts(role, str_slice(listed, 0, listed.len - 1));
}

static int judge_allowed_roles(struct judging *j)
{
    const struct scale_spec *spec = j->now->spec;
    if (spec->role_arn.len > 0 && !is_listed(j->setting, spec->role_arn, role_matches) &&
        add_unlisted(j, KEY_ROLE_ARN) != 0) {
        return -1;
    }
    if (spec->collector_role_arn.len > 0 &&
        !is_listed(j->setting, spec->collector_role_arn, role_matches)) {
        return add_unlisted(j, KEY_COLLECTOR_ROLE_ARN);
    }
    return 0;
}

/* ---- all of them ---- */

/* NULL: not about what is written. */
static int (*const JUDGES[RULE_COUNT])(struct judging *) = {
    [RULE_MAX_REPLICAS] = judge_max_replicas,
    [RULE_MIN_POLLING_INTERVAL] = judge_min_polling_interval,
    [RULE_MAX_TRIGGERS] = judge_max_triggers,
    [RULE_FORBID_ZERO] = judge_forbid_zero,
    [RULE_ALLOWED_ENDPOINTS] = judge_allowed_endpoints,
    [RULE_ALLOWED_WORKSPACES] = judge_allowed_workspaces,
    [RULE_ALLOWED_ROLES] = judge_allowed_roles,
    [RULE_UNREACHABLE] = NULL,
};

int policy_judge(const struct policy *p, struct str namespace_, const struct policy_side *now,
                 const struct policy_side *before, struct arena *a, struct policy_findings *out,
                 struct err *e)
{
    struct policy_findings findings = {.count = 0};
    struct judging j = {.policy = p,
                        .namespace_ = namespace_,
                        .now = now,
                        .before = before,
                        .scales = spec_wants_scaling(now->annotations),
                        .scaled_before = before != NULL && spec_wants_scaling(before->annotations),
                        .arena = a,
                        .out = &findings,
                        .e = e};
    if (record_decode(kv_get(now->annotations, STR(SPEC_INJECTED)), a, &j.record, e) != 0) {
        return -1;
    }
    for (int i = 0; i < RULE_COUNT; i++) {
        j.rule = (enum policy_rule)i;
        j.setting = policy_setting(p, namespace_, j.rule);
        if (j.setting != NULL && JUDGES[i] != NULL && JUDGES[i](&j) != 0) {
            return -1;
        }
    }
    *out = findings;
    return 0;
}

int policy_unreachable(const struct policy *p, struct str namespace_, struct arena *a,
                       struct policy_unreachable *out, struct err *e)
{
    const struct policy_setting *s = policy_setting(p, namespace_, RULE_UNREACHABLE);
    struct policy_unreachable u = {.given = s != NULL, .action = ACTION_WARN};
    if (s != NULL) {
        u.action = s->action;
        if (say_rule(p, namespace_, RULE_UNREACHABLE, STR("admits no query untried"), a, &u.text,
                     e) != 0) {
            return -1;
        }
    }
    *out = u;
    return 0;
}
