#include "cli/replay.h"

#include <stdlib.h>

#include "base/spec.h"
#include "cli/observed.h"
#include "scaler/memory_json.h"

enum { LINE_ARENA_BYTES = 64 << 20 };

/* A decision as the line tells it. */
struct told {
    int64_t from, to;
    struct str reason, message;
};

/* All that decide() was given. `records` is under memory's histories and to be freed. */
struct given {
    struct scale_spec spec;
    struct observed seen;
    struct decide_memory memory;
    struct decide_record *records;
};

static int read_told(const struct json *line, struct told *out, struct err *e)
{
    struct told t = {.reason = json_str(json_get(line, STR("reason"))),
                     .message = json_str(json_get(line, STR("message")))};
    if (!json_int(json_get(line, STR("from")), &t.from) ||
        !json_int(json_get(line, STR("to")), &t.to) || t.reason.ptr == NULL ||
        t.message.ptr == NULL) {
        return err_set(e, ERR_INVALID, "from, to, reason and message: expected all of them");
    }
    *out = t;
    return 0;
}

static int read_spec(const struct json *node, struct arena *a, struct scale_spec *out,
                     struct err *e)
{
    struct complaints complaints;
    if (node == NULL || node->type != JSON_OBJECT) {
        return err_set(e, ERR_INVALID, "spec: expected an object of annotations");
    }
    struct kv *items = arena_array(a, node->count, sizeof(struct kv));
    if (items == NULL) {
        return arena_err(a, e);
    }
    size_t count = 0;
    for (const struct json *item = node->child; item != NULL; item = item->next) {
        if (item->type != JSON_STRING) {
            return err_set(e, ERR_INVALID, "spec.%.*s: expected a string", STR_ARG(item->key));
        }
        items[count++] = (struct kv){item->key, item->text};
    }
    const struct kv_list annotations = {items, count};
    if (spec_parse(&annotations, a, out, &complaints, e) != 0) {
        return -1;
    }
    if (!spec_usable(&complaints)) {
        struct buf text;
        buf_init(&text, 4096);
        complaints_print(&complaints, STR("; "), &text);
        (void)err_set(e, ERR_INVALID, "spec: %.*s", STR_ARG(buf_view(&text)));
        buf_free(&text);
        return -1;
    }
    return 0;
}

static int read_member(const struct json *line, struct str name, const struct json **out,
                       struct err *e)
{
    *out = json_get(line, name);
    return *out != NULL ? 0 : err_set(e, ERR_INVALID, "%.*s: missing", STR_ARG(name));
}

static int read_given(const struct json *line, struct arena *a, struct given *out, struct err *e)
{
    const struct json *observation, *memory;
    if (read_spec(json_get(line, STR("spec")), a, &out->spec, e) != 0 ||
        read_member(line, STR("observation"), &observation, e) != 0 ||
        read_member(line, STR("memory"), &memory, e) != 0) {
        return -1;
    }
    if (observed_read(observation, &out->spec, &out->seen, e) != 0) {
        return err_prefix(e, "observation");
    }
    if (!out->seen.has_replicas || !out->seen.has_ready || out->seen.t_ms <= 0) {
        return err_set(e, ERR_INVALID, "observation: expected t > 0, replicas and ready");
    }
    out->records = calloc(decide_memory_records(&out->spec), sizeof(*out->records));
    if (out->records == NULL) {
        return err_set(e, ERR_MEMORY, "out of memory for the memory of a line");
    }
    decide_memory_init(&out->memory, &out->spec, out->records);
    return memory_read(memory, &out->memory, e);
}

static bool same(const struct told *t, const struct given *g, const struct decision *d)
{
    return t->from == g->seen.replicas && t->to == d->replicas &&
           str_eq(t->reason, str_from(decide_reason_name(d->reason))) &&
           str_eq(t->message, str_from(d->message));
}

/* ---- output ---- */

static struct str member(const struct json *line, const char *name)
{
    return json_str(json_get(line, str_from(name)));
}

static void put_head(struct replay *r, const struct json *line, struct buf *out)
{
    struct str namespace_ = member(line, "namespace"), name = member(line, "deployment");
    if (!r->json) {
        buf_format(out, "line %zu: %.*s/%.*s", r->lines, STR_ARG(namespace_), STR_ARG(name));
        return;
    }
    json_begin_object(&r->writer);
    json_member_int(&r->writer, STR("line"), (int64_t)r->lines);
    json_member_str(&r->writer, STR("namespace"), namespace_);
    json_member_str(&r->writer, STR("name"), name);
}

static void put_side(struct json_writer *j, struct str key, int64_t from, int64_t to,
                     struct str reason, struct str message)
{
    json_key(j, key);
    json_begin_object(j);
    json_member_int(j, STR("from"), from);
    json_member_int(j, STR("to"), to);
    json_member_str(j, STR("reason"), reason);
    json_member_str(j, STR("message"), message);
    json_end_object(j);
}

static void report_difference(struct replay *r, const struct json *line, const struct told *t,
                              const struct given *g, const struct decision *d, struct buf *out)
{
    struct str reason = str_from(decide_reason_name(d->reason));
    put_head(r, line, out);
    if (r->json) {
        put_side(&r->writer, STR("logged"), t->from, t->to, t->reason, t->message);
        put_side(&r->writer, STR("recomputed"), g->seen.replicas, d->replicas, reason,
                 str_from(d->message));
        json_end_object(&r->writer);
        return;
    }
    buf_format(out, "\n- %lld → %lld  %.*s  %.*s\n+ %d → %d  %.*s  %s\n", (long long)t->from,
               (long long)t->to, STR_ARG(t->reason), STR_ARG(t->message), g->seen.replicas,
               d->replicas, STR_ARG(reason), d->message);
}

static void report_unreadable(struct replay *r, const struct json *line, const struct err *why,
                              struct buf *out)
{
    put_head(r, line, out);
    if (r->json) {
        json_member_str(&r->writer, STR("error"), str_from(why->text));
        json_end_object(&r->writer);
    } else {
        buf_format(out, ": cannot be replayed: %s\n", why->text);
    }
}

/* ---- lines ---- */

static int replay_decision(struct replay *r, const struct json *line, struct buf *out,
                           struct err *e)
{
    struct told told;
    struct given given = {.records = NULL};
    struct err why = ERR_INIT;
    struct decision d;
    r->decisions++;
    if (read_told(line, &told, &why) != 0 || read_given(line, &r->arena, &given, &why) != 0) {
        free(given.records);
        if (why.code == ERR_MEMORY) {
            *e = why;
            return err_prefix(e, "line %zu", r->lines);
        }
        r->different++;
        report_unreadable(r, line, &why, out);
        return 0;
    }
    const struct observation obs = {given.seen.replicas, given.seen.ready, given.seen.readings};
    decide(&given.spec, &obs, &given.memory, given.seen.t_ms, &d);
    free(given.records);
    if (!same(&told, &given, &d)) {
        r->different++;
        report_difference(r, line, &told, &given, &d, out);
    }
    return 0;
}

void replay_begin(struct replay *r, bool json, struct buf *out)
{
    *r = (struct replay){.json = json};
    arena_init(&r->arena, LINE_ARENA_BYTES);
    json_writer_init(&r->writer, out);
    if (json) {
        json_begin_object(&r->writer);
        json_key(&r->writer, STR("differences"));
        json_begin_array(&r->writer);
    }
}

int replay_line(struct replay *r, struct str line, struct buf *out, struct err *e)
{
    const struct json *node;
    struct err ignored = ERR_INIT;
    r->lines++;
    arena_reset(&r->arena);
    line = str_slice(line, str_find_char(line, '{'), line.len);
    if (line.len == 0 || json_parse(line, &JSON_LIMITS_API, &r->arena, &node, &ignored) != 0 ||
        !str_eq(member(node, "msg"), STR("decision"))) {
        return 0;
    }
    if (json_is_true(json_get(node, STR("truncated")))) {
        r->truncated++;
        return 0;
    }
    return replay_decision(r, node, out, e) != 0 ? -1 : buf_check(out, e);
}

void replay_end(struct replay *r, struct buf *out)
{
    arena_free(&r->arena);
    if (r->json) {
        json_end_array(&r->writer);
        json_member_int(&r->writer, STR("decisions"), (int64_t)r->decisions);
        json_member_int(&r->writer, STR("different"), (int64_t)r->different);
        json_member_int(&r->writer, STR("truncated"), (int64_t)r->truncated);
        json_end_object(&r->writer);
        buf_append_char(out, '\n');
        return;
    }
    const char *plural = r->decisions == 1 ? "" : "s";
    if (r->different == 0) {
        buf_format(out, "%zu decision%s, all the same", r->decisions, plural);
    } else {
        buf_format(out, "%zu decision%s, %zu not the same", r->decisions, plural, r->different);
    }
    if (r->truncated > 0) {
        buf_format(out, "; %zu line%s cut off by the log's limit %s not replayed", r->truncated,
                   r->truncated == 1 ? "" : "s", r->truncated == 1 ? "was" : "were");
    }
    buf_append_char(out, '\n');
}
