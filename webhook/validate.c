#include "webhook/validate.h"

#include "webhook/collect.h"
#include "webhook/conflict.h"
#include "webhook/forecast.h"
#include "webhook/ownpods.h"
#include "webhook/policy_verdict.h"
#include "webhook/probe.h"

enum { AUTOSCALERS_NAMED_MAX = 4 };

/* Both sides of the review, read by the contract. */
struct sides {
    const struct kv_list *now, *before; /* annotations; before: NULL on CREATE */
    struct complaints complaints, complaints_before;
    struct scale_spec spec_before; /* usable only when it says so */
    bool before_usable;
};

static int read_sides(const struct review *r, struct arena *a, struct sides *s,
                      struct scale_spec *spec, struct err *e)
{
    s->now = &r->object.annotations;
    if (spec_parse(s->now, a, spec, &s->complaints, e) != 0) {
        return -1;
    }
    if (r->operation != REVIEW_UPDATE) {
        return 0;
    }
    s->before = &r->old.annotations;
    if (spec_parse(s->before, a, &s->spec_before, &s->complaints_before, e) != 0) {
        return -1;
    }
    s->before_usable = spec_usable(&s->complaints_before);
    return 0;
}

/* The same complaint about the same whole value (a complaint's own is cut) in oldObject. */
static bool was_there(const struct sides *s, const struct complaint *c)
{
    for (size_t i = 0; i < s->complaints_before.count; i++) {
        const struct complaint *old = &s->complaints_before.items[i];
        if (str_eq(old->key, c->key) && str_eq(old->text, c->text)) {
            return str_eq(kv_get(s->before, c->key), kv_get(s->now, c->key));
        }
    }
    return false;
}

static int report_complaint(struct verdict *v, const struct complaint *c, bool ratchet,
                            struct arena *a, struct err *e)
{
    struct buf line;
    buf_init(&line, 4096);
    complaint_print(c, &line);
    int status = buf_check(&line, e);
    if (status == 0 && ratchet) {
        status = verdict_warn(v, a, e, "%.*s (as before)", STR_ARG(buf_view(&line)));
    } else if (status == 0) {
        status = verdict_deny(v, 422, a, e, "%.*s", STR_ARG(buf_view(&line)));
    }
    buf_free(&line);
    return status;
}

static int check_contract(struct verdict *v, const struct sides *s, struct arena *a, struct err *e)
{
    for (size_t i = 0; i < s->complaints.count; i++) {
        const struct complaint *c = &s->complaints.items[i];
        if (report_complaint(v, c, was_there(s, c), a, e) != 0) {
            return -1;
        }
    }
    if (s->complaints.more && !v->allowed) {
        return verdict_deny(v, 422, a, e, "and more");
    }
    return 0;
}

static bool same_place(const struct scale_spec *a, const struct scale_spec *b)
{
    return str_eq(a->endpoint, b->endpoint) && str_eq(a->workspace, b->workspace) &&
           str_eq(a->region, b->region) && str_eq(a->role_arn, b->role_arn);
}

static bool has_query(const struct scale_spec *spec, struct str query)
{
    for (size_t i = 0; i < spec->trigger_count; i++) {
        if (str_eq(spec->triggers[i].query, query)) {
            return true;
        }
    }
    return false;
}

static bool same_trigger(const struct trigger *a, const struct trigger *b)
{
    bool same_numbers = !(a->threshold < b->threshold || a->threshold > b->threshold ||
                          a->activation < b->activation || a->activation > b->activation);
    return same_numbers && a->type == b->type && str_eq(a->name, b->name) &&
           str_eq(a->query, b->query);
}

static bool is_paused(const struct scale_spec *spec)
{
    return spec->paused || spec_has(spec, KEY_PAUSED_REPLICAS);
}

static bool same_idle(const struct scale_spec *a, const struct scale_spec *b)
{
    bool has = spec_has(a, KEY_IDLE_REPLICAS);
    return has == spec_has(b, KEY_IDLE_REPLICAS) &&
           (!has || a->idle_replicas == b->idle_replicas) &&
           a->force_activation == b->force_activation && a->on_no_data == b->on_no_data;
}

/* Nothing changed that a look-up's answer, or what we say about it, depends on. Who pauses wants no
 * query; who goes on does. */
static bool same_in_effect(const struct scale_spec *a, const struct scale_spec *b)
{
    if (!same_place(a, b) || a->trigger_count != b->trigger_count ||
        a->min_replicas != b->min_replicas || a->max_replicas != b->max_replicas ||
        !same_idle(a, b) || (is_paused(b) && !is_paused(a))) {
        return false;
    }
    for (size_t i = 0; i < a->trigger_count; i++) {
        if (!same_trigger(&a->triggers[i], &b->triggers[i])) {
            return false;
        }
    }
    return true;
}

static void list_queries(struct validation *v, const struct sides *s)
{
    const struct scale_spec *spec = &v->spec;
    for (size_t i = 0; i < spec->trigger_count; i++) {
        struct str query = spec->triggers[i].query;
        bool known = v->scaled_before && s->before_usable && same_place(spec, &s->spec_before) &&
                     has_query(&s->spec_before, query);
        v->queries[v->query_count++] = (struct validate_query){
            .query = query,
            .endpoint = spec->endpoint,
            .workspace = spec->workspace,
            .region = spec->region,
            .role_arn = spec->role_arn,
            .trigger = i,
            .known = known,
        };
    }
}

/* What must be looked up for an object that keeps the contract. */
static void find_needs(struct validation *v, const struct sides *s)
{
    v->scaled_before = s->before != NULL && spec_wants_scaling(s->before);
    bool unchanged =
        v->scaled_before && s->before_usable && same_in_effect(&v->spec, &s->spec_before);
    if (!spec_wants_scaling(s->now) || !spec_usable(&s->complaints) || unchanged) {
        v->done = true;
        return;
    }
    v->wants_autoscalers = true;
    list_queries(v, s);
}

static bool same_complaint(const struct complaint *a, const struct complaint *b)
{
    return str_eq(a->key, b->key) && str_eq(a->value, b->value) && str_eq(a->text, b->text);
}

/* The faults of one that is to be there; those that oldObject's has too are warnings. */
static int check_faults(struct validation *v, const struct complaints *now,
                        const struct complaints *before, struct arena *a, struct err *e)
{
    for (size_t i = 0; i < now->count; i++) {
        bool known = false;
        for (size_t k = 0; k < before->count; k++) {
            known = known || same_complaint(&now->items[i], &before->items[k]);
        }
        if (report_complaint(&v->verdict, &now->items[i], known, a, e) != 0) {
            return -1;
        }
    }
    return 0;
}

static int check_collector(struct validation *v, const struct sides *s,
                           const struct sidecar_options *options, struct arena *a, struct err *e)
{
    struct collect_facts now;
    struct collect_facts before = {.injected = false};
    if (!spec_wants_collector(s->now) || !spec_usable(&s->complaints)) {
        return 0;
    }
    bool had = s->before != NULL && s->before_usable && spec_wants_collector(s->before);
    if (collect_judge(v->review, false, &v->spec, options, a, &now, e) != 0 ||
        (had && collect_judge(v->review, true, &s->spec_before, options, a, &before, e) != 0) ||
        check_faults(v, &now.wrong, &before.wrong, a, e) != 0) {
        return -1;
    }
    for (size_t i = 0; i < now.warning_count; i++) {
        if (verdict_warn(&v->verdict, a, e, "%.*s", STR_ARG(now.warnings[i])) != 0) {
            return -1;
        }
    }
    if (options == NULL || now.wrong.count > 0 || now.injected) {
        return 0;
    }
    return verdict_warn(&v->verdict, a, e,
                        "no collector is in the pod template: ampscale's mutating webhook was not "
                        "asked; apply the Deployment again once it serves");
}

static int check_policy(struct validation *v, const struct sides *s, const struct policy *policy,
                        struct arena *a, struct err *e)
{
    struct str namespace_ = v->review->namespace_;
    const struct policy_side now = {s->now, &v->spec};
    const struct policy_side before = {s->before, &s->spec_before};
    if (policy == NULL || !spec_usable(&s->complaints)) {
        return 0;
    }
    if (policy_judge(policy, namespace_, &now, s->before_usable ? &before : NULL, a, &v->findings,
                     e) != 0 ||
        policy_unreachable(policy, namespace_, a, &v->unreachable, e) != 0) {
        return -1;
    }
    for (size_t i = 0; i < v->findings.count; i++) {
        if (policy_verdict(&v->verdict, &v->findings.items[i], a, e) != 0) {
            return -1;
        }
    }
    return 0;
}

int validate_begin(const struct review *r, const struct validate_rules *rules, struct arena *a,
                   struct validation *out, struct err *e)
{
    struct validation v = {.review = r};
    struct sides sides = {.before = NULL};
    struct str target;
    verdict_init(&v.verdict);
    if (!review_concerns_us(r)) {
        v.done = true;
        *out = v;
        return 0;
    }
    if (review_target(r, a, &target, e) != 0 ||
        arena_format(a, &v.verdict.message, e,
                     "scale.amp: Deployment %.*s is not accepted:", STR_ARG(target)) != 0 ||
        read_sides(r, a, &sides, &v.spec, e) != 0 ||
        check_contract(&v.verdict, &sides, a, e) != 0 ||
        check_policy(&v, &sides, rules->policy, a, e) != 0 ||
        check_collector(&v, &sides, rules->collector, a, e) != 0) {
        return -1;
    }
    v.done = !v.verdict.allowed;
    if (!v.done) {
        find_needs(&v, &sides);
    }
    *out = v;
    return 0;
}

static int report_autoscaler(struct validation *v, const struct autoscaler *other, struct arena *a,
                             struct err *e)
{
    struct str namespace_ = v->review->namespace_;
    struct str text;
    if (arena_format(a, &text, e,
                     "%.*s %.*s scales this Deployment too: remove it (kubectl delete -n %.*s %.*s "
                     "%.*s) or the " SPEC_PREFIX " annotations",
                     STR_ARG(other->kind), STR_ARG(other->name), STR_ARG(namespace_),
                     STR_ARG(other->resource), STR_ARG(other->name)) != 0) {
        return -1;
    }
    if (v->scaled_before) {
        return verdict_warn(&v->verdict, a, e, "%.*s", STR_ARG(text));
    }
    return verdict_deny(&v->verdict, 422, a, e, "%.*s", STR_ARG(text));
}

static int check_autoscalers(struct validation *v, const struct validate_facts *facts,
                             struct arena *a, struct err *e)
{
    struct autoscaler found[AUTOSCALERS_NAMED_MAX];
    size_t count = conflict_find(facts->hpas, facts->scaled_objects, v->review->namespace_,
                                 v->review->name, found, AUTOSCALERS_NAMED_MAX);
    for (size_t i = 0; i < count; i++) {
        if (report_autoscaler(v, &found[i], a, e) != 0) {
            return -1;
        }
    }
    if (facts->autoscalers_error != NULL) {
        return verdict_warn(&v->verdict, a, e,
                            "could not look for other autoscalers of this Deployment: %s",
                            facts->autoscalers_error->text);
    }
    return 0;
}

static int check_queries(struct validation *v, const struct query_fact *facts, struct arena *a,
                         struct err *e)
{
    bool allowed = v->verdict.allowed;
    for (size_t i = 0; i < v->query_count; i++) {
        if (probe_report(v, &v->queries[i], &facts[i], a, e) != 0) {
            return -1;
        }
    }
    bool refused = allowed && !v->verdict.allowed; /* then nothing of it will come about */
    if (!refused && forecast_report(v, facts, a, e) != 0) {
        return -1;
    }
    for (size_t i = 0; i < v->query_count; i++) {
        if (probe_pass_on(v, &facts[i], a, e) != 0) {
            return -1;
        }
    }
    return 0;
}

static int check_scaler(struct validation *v, enum scaler_presence scaler, struct arena *a,
                        struct err *e)
{
    struct str namespace_ = v->review->namespace_;
    if (scaler != SCALER_NONE) {
        return 0;
    }
    return verdict_warn(&v->verdict, a, e,
                        "no scaler serves namespace %.*s: the replicas stay as they are until an "
                        "ampscale-scaler runs for it (none holds the Lease " SCALER_LEASE " there)",
                        STR_ARG(namespace_));
}

int validate_finish(struct validation *v, const struct validate_facts *facts, struct arena *a,
                    struct err *e)
{
    if (v->done) {
        return 0;
    }
    if (check_autoscalers(v, facts, a, e) != 0 || check_queries(v, facts->queries, a, e) != 0 ||
        ownpods_report(v, a, e) != 0 || check_scaler(v, facts->scaler, a, e) != 0) {
        return -1;
    }
    v->done = true;
    return 0;
}
