#include "webhook/probe.h"

#include "base/num.h"
#include "webhook/forecast.h"
#include "webhook/policy_verdict.h"

enum { SHOWN_QUERY_BYTES = 60, SHOWN_TEXT_BYTES = 1024 };

/* One report under way. */
struct report {
    struct validation *v;
    const struct validate_query *query;
    struct arena *arena;
    struct err *e;
};

/* The query as shown in a message: not longer than a line bears. */
static int shorten(struct str query, struct arena *a, struct str *out, struct err *e)
{
    if (query.len <= SHOWN_QUERY_BYTES) {
        *out = query;
        return 0;
    }
    size_t end = SHOWN_QUERY_BYTES;
    while (end > 0 && ((unsigned char)query.ptr[end] & 0xC0) == 0x80) {
        end--;
    }
    return arena_format(a, out, e, "%.*s…", (int)end, query.ptr);
}

/* A fault in `value` of `key`: a reason to deny, or a warning when it was there before. */
static int fault(const struct report *r, int code, struct str key, struct str value,
                 struct str text)
{
    struct verdict *verdict = &r->v->verdict;
    struct str shown;
    if (shorten(value, r->arena, &shown, r->e) != 0) {
        return -1;
    }
    if (r->query->known) {
        return verdict_warn(verdict, r->arena, r->e, "%.*s: \"%.*s\": %.*s (as before)",
                            STR_ARG(key), STR_ARG(shown), STR_ARG(text));
    }
    return verdict_deny(verdict, code, r->arena, r->e, "%.*s: \"%.*s\": %.*s", STR_ARG(key),
                        STR_ARG(shown), STR_ARG(text));
}

static bool is_named(const struct report *r)
{
    return spec_has(&r->v->spec, KEY_TRIGGERS);
}

static struct str name(const struct report *r)
{
    return forecast_name(&r->v->spec, r->query->trigger);
}

static int query_fault(const struct report *r, struct str text)
{
    struct str key = STR(SPEC_PREFIX "query");
    if (is_named(r) &&
        arena_format(r->arena, &key, r->e, SPEC_PREFIX "triggers: %.*s", STR_ARG(name(r))) != 0) {
        return -1;
    }
    return fault(r, 422, key, r->query->query, text);
}

/* The rule about queries that cannot be tried has its say. */
static int judge_unreachable(const struct report *r, struct str why)
{
    struct validation *v = r->v;
    struct policy_finding finding = {.rule = RULE_UNREACHABLE,
                                     .action = v->unreachable.action,
                                     .known = r->query->known,
                                     .text = why};
    if (finding.action == ACTION_DENY &&
        arena_format(r->arena, &finding.text, r->e, "%.*s: %.*s", STR_ARG(why),
                     STR_ARG(v->unreachable.text)) != 0) {
        return -1;
    }
    if (v->findings.count < POLICY_FINDINGS_MAX) {
        v->findings.items[v->findings.count++] = finding;
    }
    return policy_verdict(&v->verdict, &finding, r->arena, r->e);
}

static int not_asked(const struct report *r, const struct err *error)
{
    const struct policy_unreachable *rule = &r->v->unreachable;
    const bool denied = rule->given && rule->action == ACTION_DENY;
    struct str why;
    if (arena_format(r->arena, &why, r->e, "the query%s%.*s could not be tried%s (%s): %s",
                     is_named(r) ? " of " : "", STR_ARG(is_named(r) ? name(r) : STR("")),
                     denied ? "" : ", admitted unchecked", err_code_name(error->code),
                     error->text) != 0) {
        return -1;
    }
    if (rule->given) {
        return judge_unreachable(r, why);
    }
    return verdict_warn(&r->v->verdict, r->arena, r->e, "%.*s", STR_ARG(why));
}

/* No base URL for it: a place that may not be asked, or none that can be told. */
static int report_unresolved(const struct report *r, const struct err *error)
{
    const struct validate_query *q = r->query;
    struct str key = STR(SPEC_PREFIX "region");
    struct str value = q->region;
    if (q->endpoint.ptr != NULL) {
        key = STR(SPEC_PREFIX "endpoint");
        value = q->endpoint;
    } else if (q->workspace.ptr != NULL) {
        key = STR(SPEC_PREFIX "workspace");
        value = q->workspace;
    }
    if (value.ptr == NULL) {
        return not_asked(r, error);
    }
    return fault(r, error->code == ERR_DENIED ? 403 : 422, key, value, str_from(error->text));
}

static int report_failed(const struct report *r, const struct err *error)
{
    struct str text;
    switch (error->code) {
    case ERR_INVALID:
        if (arena_format(r->arena, &text, r->e, "Prometheus refuses it: %s; correct the PromQL",
                         error->text) != 0) {
            return -1;
        }
        return query_fault(r, text);
    case ERR_LIMIT:
        if (arena_format(r->arena, &text, r->e,
                         "expected one series, the answer is too large: %s; wrap it in sum(…)",
                         error->text) != 0) {
            return -1;
        }
        return query_fault(r, text);
    case ERR_NONE:
    case ERR_MEMORY:
    case ERR_IO:
    case ERR_TIMEOUT:
    case ERR_TLS:
    case ERR_HTTP:
    case ERR_DENIED:
    case ERR_THROTTLED:
    case ERR_UNAVAILABLE:
    case ERR_NOT_FOUND:
    case ERR_CONFLICT:
    case ERR_GONE:
    case ERR_CANCELLED: break;
    }
    return not_asked(r, error);
}

static int report_many(const struct report *r, const struct prom_result *result)
{
    struct str shown;
    struct str text;
    if (shorten(r->query->query, r->arena, &shown, r->e) != 0) {
        return -1;
    }
    const struct str *examples = result->examples;
    if (arena_format(r->arena, &text, r->e,
                     "yields %zu series, expected one: wrap it in sum(…): sum(%.*s)%s%.*s%s%.*s",
                     result->series, STR_ARG(shown), examples[0].len > 0 ? "; it yields " : "",
                     STR_ARG(examples[0]), examples[1].len > 0 ? " and " : "",
                     STR_ARG(examples[1])) != 0) {
        return -1;
    }
    return query_fault(r, text);
}

/* `resultType` that can never be scaled on. */
static int report_type(const struct report *r, const struct prom_result *result)
{
    if (str_eq(result->type, STR("string"))) {
        return query_fault(r,
                           STR("yields a string, expected a number or one series: query a metric, "
                               "or write a constant as vector(…)"));
    }
    return query_fault(r, STR("yields a range vector, expected a number or one series: wrap it in "
                              "rate(…) or avg_over_time(…)"));
}

/* Answered, without a number to scale on. */
static int report_empty(const struct report *r, const struct prom_result *result)
{
    const struct scale_spec *spec = &r->v->spec;
    char what[64];
    char period[NUM_TEXT_BYTES];
    struct str described = prom_result_describe(result, what, sizeof(what));
    struct str after = num_print_duration(spec->fallback_after_ms, period);
    switch (spec->on_no_data) {
    case NO_DATA_HOLD:
        return verdict_warn(
            &r->v->verdict, r->arena, r->e,
            "%.*s yields no number now (%.*s); the replicas stay as they are until it does",
            STR_ARG(name(r)), STR_ARG(described));
    case NO_DATA_FALLBACK:
        return verdict_warn(&r->v->verdict, r->arena, r->e,
                            "%.*s yields no number now (%.*s); the replicas stay as they are until "
                            "it does, and after %.*s of that the fallback holds",
                            STR_ARG(name(r)), STR_ARG(described), STR_ARG(after));
    case NO_DATA_ZERO: return 0; /* a value, to the forecast */
    }
    return 0;
}

static int report_answer(const struct report *r, const struct prom_result *result)
{
    switch (result->outcome) {
    case PROM_VALUE: return 0;
    case PROM_MANY: return report_many(r, result);
    case PROM_MATRIX: return report_type(r, result);
    case PROM_EMPTY:
    case PROM_NAN:
    case PROM_INF: return report_empty(r, result);
    }
    return 0;
}

int probe_pass_on(struct validation *v, const struct query_fact *fact, struct arena *a,
                  struct err *e)
{
    const struct prom_result *result = fact->result;
    if (fact->outcome != QUERY_ANSWERED) {
        return 0;
    }
    for (size_t i = 0; i < result->warning_count; i++) {
        struct str text = str_slice(result->warnings[i], 0, SHOWN_TEXT_BYTES);
        if (verdict_warn(&v->verdict, a, e, "Prometheus: %.*s", STR_ARG(text)) != 0) {
            return -1;
        }
    }
    return 0;
}

int probe_report(struct validation *v, const struct validate_query *q,
                 const struct query_fact *fact, struct arena *a, struct err *e)
{
    struct report r = {.v = v, .query = q, .arena = a, .e = e};
    switch (fact->outcome) {
    case QUERY_SKIPPED: return 0;
    case QUERY_UNRESOLVED: return report_unresolved(&r, fact->error);
    case QUERY_NOT_AS_ROLE:
        return fault(&r, 403, STR(SPEC_PREFIX "role-arn"), q->role_arn,
                     str_from(fact->error->text));
    case QUERY_FAILED: return report_failed(&r, fact->error);
    case QUERY_ANSWERED: break;
    }
    return report_answer(&r, fact->result);
}
