/* A request's body of any bytes through all that the webhook does with it. Properties: mutating
 * twice is mutating once, the patch can be applied and takes nothing of others away, a collector
 * that is there stays whatever the installation's becomes and goes without a trace, the answers are
 * JSON, and what validation says keeps the form that the API server passes on. */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "test/unit/jsonpatch.h"
#include "webhook/mutate.h"
#include "webhook/podtemplate.h"
#include "webhook/record.h"
#include "webhook/replicas.h"
#include "webhook/validate.h"

enum { ARENA_BYTES = 64 << 20, BUFFER_BYTES = 16 << 20 };

static const struct sidecar_options INSTALLATIONS[] = {
    {.image = STR_INIT("a/b:1"),
     .workspace = STR_INIT("ws-1"),
     .region = STR_INIT("eu-west-1"),
     .sigv4 = STR_INIT("auto"),
     .role_arn = STR_INIT("arn:aws:iam::123456789012:role/w")},
    {.image = STR_INIT("a/b@sha256:0"),
     .endpoint = STR_INIT("http://p:9090"),
     .sigv4 = STR_INIT("off"),
     .cpu = STR_INIT("1m"),
     .memory = STR_INIT("32Mi"),
     .ca_configmap = STR_INIT("ca")},
    {.sigv4 = STR_INIT("auto")}, /* no image, nowhere to write */
};
enum { INSTALLATION_COUNT = sizeof(INSTALLATIONS) / sizeof(INSTALLATIONS[0]) };

static const struct str POLICIES[] = {
    STR_INIT("version: 1\n"
             "defaults: {maxReplicas: {value: 2}, minPollingInterval: {value: 1m}, "
             "maxTriggers: {value: 1}, forbidZero: {}, allowedEndpoints: {values: []}, "
             "allowedWorkspaces: {values: []}, allowedRoles: {values: []}, "
             "unreachable: {action: deny}}\n"),
    STR_INIT("version: 1\ncontact: x\n"
             "defaults: {maxReplicas: {value: 0, action: audit}, "
             "minPollingInterval: {value: 1h, action: audit}, "
             "maxTriggers: {value: 1, action: warn}, forbidZero: {action: warn}, "
             "allowedEndpoints: {values: [], action: audit}, "
             "allowedRoles: {values: [], action: audit}, unreachable: {action: audit}}\n"),
};
enum { POLICY_COUNT = sizeof(POLICIES) / sizeof(POLICIES[0]) };

static void check(int condition)
{
    if (!condition) {
        abort();
    }
}

/* The answer is one JSON value that says what the verdict does. */
static void check_answer(const struct verdict *v, struct str uid, struct arena *a)
{
    struct buf out;
    struct err e = ERR_INIT;
    const struct json *answer = NULL;
    buf_init(&out, BUFFER_BYTES);
    check(verdict_encode(v, uid, &out, &e) == 0);
    check(json_parse(buf_view(&out), &JSON_LIMITS_API, a, &answer, &e) == 0);
    const struct json *response = json_get(answer, STR("response"));
    check(str_eq(json_str(json_get(response, STR("uid"))), uid));
    check(json_is_true(json_get(response, STR("allowed"))) == v->allowed);
    const struct json *warnings = json_get(response, STR("warnings"));
    const struct json *i = warnings == NULL ? NULL : warnings->child;
    for (; i != NULL; i = i->next) {
        check(i->text.len > 0 && i->text.len <= (size_t)4 * VERDICT_WARNING_MAX_RUNES);
        for (size_t k = 0; k < i->text.len; k++) {
            check((unsigned char)i->text.ptr[k] >= 0x20 && i->text.ptr[k] != 0x7f);
        }
    }
    buf_free(&out);
}

/* Every annotation that is not of the contract is still there, with its value. */
static void check_others_kept(const struct deployment *before, const struct json *after)
{
    const struct json *map = json_path(after, "metadata/annotations");
    for (size_t i = 0; i < before->annotations.count && i < 64; i++) {
        const struct kv *item = &before->annotations.items[i];
        if (!str_starts(item->key, STR(SPEC_PREFIX))) {
            check(str_eq(json_str(json_get(map, item->key)), item->value));
        }
    }
}

/* The count is as asked for, as it was, or what was noted first; other than asked for only with a
 * warning, and never without a scaler unless the user's keys went. */
static void check_replicas(const struct review *r, const struct deployment *after,
                           const struct mutate_facts *facts, const struct verdict *v)
{
    bool scaled = spec_wants_scaling(&after->annotations);
    int32_t noted = 0;
    size_t told = 0;
    for (size_t i = 0; i < v->warning_count; i++) {
        told += str_starts(v->warnings[i], STR("replicas ")) ? 1 : 0;
    }
    check(v->warning_count - told <= 1); /* of a sidecar that is put back */
    if (after->replicas == r->object.replicas) {
        check(told == 0);
        return;
    }
    check(told == 1 && r->has_old);
    if (scaled) {
        check(facts->scaler != SCALER_NONE && after->replicas == r->old.replicas);
    } else {
        check(replicas_noted(&r->old.annotations, &noted) && after->replicas == noted);
        check(r->object.replicas == r->old.replicas);
    }
}

static bool has_collector(const struct podtemplate *t)
{
    bool parts = t->container.node != NULL;
    for (size_t i = 0; i < VOLUME_COUNT; i++) {
        parts = parts || t->parts[i].node != NULL;
    }
    return parts;
}

/* The object after mutation; NULL where that failed for want of memory. */
static const struct json *mutate_object(const struct review *r, const struct mutate_facts *facts,
                                        struct arena *a, struct verdict *v)
{
    const struct json *after = r->object.node;
    struct err e = ERR_INIT;
    if (mutate(r, facts, a, v, &e) != 0) {
        check(e.code == ERR_MEMORY || e.code == ERR_LIMIT);
        return NULL;
    }
    check_answer(v, r->uid, a);
    if (v->patch.ptr != NULL) {
        check(jsonpatch_apply(r->object.node, v->patch, a, &after) == 0);
    }
    return after;
}

/* Another installation leaves a sidecar as it is, unless that was kept for want of a better one. */
static void check_sticky(const struct review *r, const struct mutate_facts *facts, struct arena *a)
{
    struct review same = *r;
    struct record record;
    struct podtemplate pod;
    struct verdict v;
    struct err e = ERR_INIT;
    check(record_decode(kv_get(&r->object.annotations, STR(SPEC_INJECTED)), a, &record, &e) == 0);
    podtemplate_read(r->object.node, record.claims_template, &pod);
    if (!record.claims_template || pod.container.node == NULL || record.template_inputs % 2 == 0) {
        return;
    }
    same.operation = REVIEW_UPDATE;
    same.has_old = true;
    same.old = r->object;
    check(mutate(&same, facts, a, &v, &e) == 0);
    check(v.patch.ptr == NULL && v.warning_count == 0);
}

/* Without the contract's annotations, as after an update that drops them. */
static const struct json *without_keys(const struct json *object, struct arena *a)
{
    struct json *copy = jsonpatch_copy(object, a);
    check(copy != NULL);
    struct json **metadata = jsonpatch_slot(copy, STR("metadata"));
    struct json **map = metadata == NULL || *metadata == NULL
                            ? NULL
                            : jsonpatch_slot(*metadata, STR("annotations"));
    struct json **at = map == NULL || *map == NULL ? NULL : &(*map)->child;
    while (at != NULL && *at != NULL) {
        if (str_starts((*at)->key, STR(SPEC_PREFIX))) {
            *at = (*at)->next;
            (*map)->count--;
        } else {
            at = &(*at)->next;
        }
    }
    return copy;
}

/* The user's keys go: so does all of ours in the template, and nothing else of it. */
static void check_no_trace(const struct review *r, const struct mutate_facts *facts,
                           struct arena *a)
{
    struct review gone = *r;
    struct record record;
    struct podtemplate before;
    struct podtemplate after;
    struct verdict v;
    struct err e = ERR_INIT;
    check(record_decode(kv_get(&r->object.annotations, STR(SPEC_INJECTED)), a, &record, &e) == 0);
    podtemplate_read(r->object.node, record.claims_template, &before);
    gone.operation = REVIEW_UPDATE;
    gone.has_old = true;
    gone.old = r->object;
    check(deployment_decode(without_keys(r->object.node, a), a, &gone.object, &e) == 0);
    const struct json *stripped = mutate_object(&gone, facts, a, &v);
    check(stripped != NULL);
    podtemplate_read(stripped, record.claims_template, &after);
    check(!has_collector(&after));
    check(podtemplate_hash(&before) == podtemplate_hash(&after));
}

/* The patch for an object of any shape, repeated members included. */
static void check_applies(const struct review *r, unsigned choice, struct arena *a)
{
    struct verdict v;
    const struct mutate_facts facts = {.scaler = SCALER_LIVE,
                                       .collector = &INSTALLATIONS[choice % INSTALLATION_COUNT]};
    const struct json *after = mutate_object(r, &facts, a, &v);
    if (after != NULL && r->has_object) {
        check_others_kept(&r->object, after);
    }
}

/* Repeated members count once, the last one, as the API server sends them. */
static bool make_plain(const struct review *r, struct arena *a, struct review *out)
{
    struct err e = ERR_INIT;
    const struct json *object = jsonpatch_copy(r->object.node, a);
    const struct json *old = r->has_old ? jsonpatch_copy(r->old.node, a) : object;
    *out = *r;
    return object != NULL && old != NULL && deployment_decode(object, a, &out->object, &e) == 0 &&
           (!r->has_old || deployment_decode(old, a, &out->old, &e) == 0);
}

static void check_mutate(const struct review *r, unsigned choice, struct arena *a)
{
    struct err e = ERR_INIT;
    struct verdict v;
    struct verdict again;
    struct review second = *r;
    struct mutate_facts facts = {.scaler = (enum scaler_presence)(choice % (SCALER_NONE + 1)),
                                 .collector = &INSTALLATIONS[choice / 4 % INSTALLATION_COUNT]};
    const struct json *after = mutate_object(r, &facts, a, &v);
    if (after == NULL) {
        return;
    }
    check(v.patch.ptr != NULL || v.warning_count == 0);
    check_others_kept(&r->object, after);
    check(deployment_decode(after, a, &second.object, &e) == 0);
    check_replicas(r, &second.object, &facts, &v);
    check(mutate(&second, &facts, a, &again, &e) == 0);
    check(again.patch.ptr == NULL && again.warning_count == 0);
    if (!review_concerns_us(r)) {
        return;
    }
    facts.collector = &INSTALLATIONS[choice / 16 % INSTALLATION_COUNT];
    check_sticky(&second, &facts, a);
    check_no_trace(&second, &facts, a);
}

/* What the world may answer, by a byte of the input. */
static void made_up(unsigned choice, struct prom_result *result, struct err *e,
                    struct query_fact *out)
{
    static const struct str ANY = STR_INIT("{\"a\":\"\\n\"}");
    *result = (struct prom_result){.outcome = (enum prom_outcome)(choice % (PROM_MATRIX + 1)),
                                   .value = (double)choice * 1e7 - 1e8,
                                   .series = choice,
                                   .type = choice % 2 == 0 ? STR("matrix") : STR("string"),
                                   .examples = {ANY, {NULL, 0}},
                                   .warnings = {STR("slow\x01")},
                                   .warning_count = choice % 2};
    (void)err_set(e, (enum err_code)(ERR_INVALID + choice % ERR_CANCELLED), "made up\x7f %u",
                  choice);
    *out = (struct query_fact){
        .outcome = (enum query_outcome)(choice / 16 % 4), .error = e, .result = result};
}

static void check_validate(const struct review *r, unsigned choice, struct arena *a)
{
    struct err e = ERR_INIT;
    struct err failures[SPEC_TRIGGERS_MAX];
    struct prom_result results[SPEC_TRIGGERS_MAX];
    struct query_fact facts[SPEC_TRIGGERS_MAX];
    struct err lists;
    struct validation v;
    (void)err_set(&lists, ERR_DENIED, "made up");
    struct policy policy;
    check(policy_parse(POLICIES[choice / 8 % POLICY_COUNT], a, &policy, &e) == 0);
    const struct validate_rules rules = {
        .collector = choice % 5 == 0 ? NULL : &INSTALLATIONS[choice % INSTALLATION_COUNT],
        .policy = choice % 3 == 0 ? NULL : &policy,
    };
    if (validate_begin(r, &rules, a, &v, &e) != 0) {
        check(e.code == ERR_MEMORY);
        return;
    }
    check(v.query_count <= SPEC_TRIGGERS_MAX);
    for (size_t i = 0; i < v.query_count; i++) {
        made_up(choice + 37 * (unsigned)i, &results[i], &failures[i], &facts[i]);
    }
    /* The object itself stands in for a list of autoscalers: of any shape at all. */
    struct validate_facts all = {.hpas = r->object.node,
                                 .scaled_objects = r->old.node,
                                 .autoscalers_error = choice % 3 == 0 ? &lists : NULL,
                                 .queries = facts,
                                 .scaler = (enum scaler_presence)(choice % (SCALER_NONE + 1))};
    check(validate_finish(&v, &all, a, &e) == 0);
    check(v.done);
    check(v.verdict.allowed || v.verdict.code == 403 || v.verdict.code == 422);
    check(str_is_utf8(v.verdict.message));
    check_answer(&v.verdict, r->uid, a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str body = {(const char *)data, size};
    struct arena arena;
    struct review review;
    struct err e = ERR_INIT;
    arena_init(&arena, ARENA_BYTES);
    if (review_decode(body, &arena, &review, &e) == 0) {
        unsigned choice = (unsigned)(str_hash(body) & 0xff);
        struct review plain;
        if (review.has_object && make_plain(&review, &arena, &plain)) {
            check_mutate(&plain, choice, &arena);
        }
        check_applies(&review, choice, &arena);
        check_validate(&review, choice, &arena);
    } else {
        check(e.text[0] != '\0');
    }
    arena_free(&arena);
    return 0;
}
