#include "cli/lint.h"

#include "base/spec.h"
#include "cli/manifest.h"
#include "webhook/validate.h"

/* What is said about one Deployment, or about a file that is none. */
struct finding {
    struct str file, namespace_, name;
    bool is_file;                  /* unreadable: neither name nor scaled mean anything */
    bool scaled;                   /* it asks for scaling */
    bool collects;                 /* it asks for a collector */
    struct str complaints;         /* a line each; empty: valid */
    const struct verdict *verdict; /* for its warnings and audits; NULL: none */
};

/* The next line of *rest, trimmed; the absent view at the end. */
static struct str next_line(struct str *rest)
{
    struct str line = {NULL, 0};
    while (rest->ptr != NULL && line.len == 0) {
        line = str_trim(str_cut(*rest, '\n', rest));
    }
    return line.len > 0 ? line : (struct str){NULL, 0};
}

static void put_audits(struct json_writer *j, const struct verdict *v)
{
    json_key(j, STR("audits"));
    json_begin_array(j);
    for (size_t i = 0; v != NULL && i < v->audit_count; i++) {
        json_put_str(j, v->audits[i].text);
    }
    json_end_array(j);
}

static void put_json(struct lint *l, const struct finding *f)
{
    struct json_writer *j = &l->writer;
    json_begin_object(j);
    json_member_str(j, STR("file"), f->file);
    if (!f->is_file) {
        json_member_str(j, STR("namespace"), f->namespace_);
        json_member_str(j, STR("name"), f->name);
        json_member_bool(j, STR("scaled"), f->scaled);
    }
    json_member_bool(j, STR("valid"), f->complaints.len == 0);
    json_key(j, STR("complaints"));
    json_begin_array(j);
    struct str rest = f->complaints;
    for (struct str line = next_line(&rest); line.ptr != NULL; line = next_line(&rest)) {
        json_put_str(j, line);
    }
    json_end_array(j);
    json_key(j, STR("warnings"));
    json_begin_array(j);
    for (size_t i = 0; f->verdict != NULL && i < f->verdict->warning_count; i++) {
        json_put_str(j, f->verdict->warnings[i]);
    }
    json_end_array(j);
    if (l->policy != NULL) {
        put_audits(j, f->verdict);
    }
    json_end_object(j);
}

static void put_line(const struct finding *f, struct buf *out, const char *kind, struct str text)
{
    buf_format(out, "%.*s: ", STR_ARG(f->file));
    if (!f->is_file) {
        buf_format(out, "%.*s%s%.*s: ", STR_ARG(f->namespace_), f->namespace_.len > 0 ? "/" : "",
                   STR_ARG(f->name.len > 0 ? f->name : STR("(no name)")));
    }
    buf_format(out, "%s%.*s\n", kind, STR_ARG(text));
}

static void put_text(struct buf *out, const struct finding *f)
{
    struct str rest = f->complaints;
    for (struct str line = next_line(&rest); line.ptr != NULL; line = next_line(&rest)) {
        put_line(f, out, "", line);
    }
    for (size_t i = 0; f->verdict != NULL && i < f->verdict->warning_count; i++) {
        put_line(f, out, "warning: ", f->verdict->warnings[i]);
    }
    for (size_t i = 0; f->verdict != NULL && i < f->verdict->audit_count; i++) {
        put_line(f, out, "audit: ", f->verdict->audits[i].text);
    }
    if (f->complaints.len == 0) {
        put_line(f, out, "",
                 f->scaled     ? STR("ok")
                 : f->collects ? STR("ok, collects and is not scaled")
                               : STR("ok, not scaled: no annotation asks so"));
    }
}

static void report(struct lint *l, const struct finding *f)
{
    l->wrong += f->complaints.len > 0 ? 1 : 0;
    l->deployments += f->is_file ? 0 : 1;
    l->scaled += f->scaled ? 1 : 0;
    if (l->json) {
        put_json(l, f);
    } else {
        put_text(l->out, f);
    }
}

static int check(struct lint *l, struct str file, const struct json *object, struct arena *a,
                 struct err *e)
{
    struct finding f = {.file = file};
    struct review review = {
        .uid = STR("lint"), .operation = REVIEW_CREATE, .dry_run = true, .has_object = true};
    struct validation validation;
    struct err why = ERR_INIT;
    f.name = json_str(json_path(object, "metadata/name"));
    f.namespace_ = json_str(json_path(object, "metadata/namespace"));
    f.namespace_ = f.namespace_.len > 0 ? f.namespace_ : l->namespace_;
    if (deployment_decode(object, a, &review.object, &why) != 0) {
        f.complaints = str_from(why.text);
        if (str_starts(f.complaints, STR("metadata.annotations: ")) &&
            arena_format(a, &f.complaints, e, "%s: annotations are strings, put it in quotes",
                         why.text) != 0) {
            return -1;
        }
        report(l, &f);
        return 0;
    }
    review.name = review.object.name;
    review.namespace_ = f.namespace_;
    f.scaled = spec_wants_scaling(&review.object.annotations);
    f.collects = spec_wants_collector(&review.object.annotations);
    const struct validate_rules rules = {.policy = l->policy};
    if (validate_begin(&review, &rules, a, &validation, e) != 0) {
        return -1;
    }
    f.verdict = &validation.verdict;
    if (!validation.verdict.allowed) { /* the first line is a head for the API server's users */
        (void)str_cut(validation.verdict.message, '\n', &f.complaints);
    }
    report(l, &f);
    return 0;
}

void lint_begin(struct lint *l, bool json, struct str namespace_, const struct policy *policy,
                struct buf *out)
{
    *l = (struct lint){.json = json, .namespace_ = namespace_, .policy = policy, .out = out};
    json_writer_init(&l->writer, out);
    if (json) {
        json_begin_array(&l->writer);
    }
}

void lint_unreadable(struct lint *l, struct str name, struct str why)
{
    const struct finding f = {.file = name, .is_file = true, .complaints = why};
    report(l, &f);
}

int lint_file(struct lint *l, struct str name, struct str text, struct err *e)
{
    struct arena trees;
    struct manifest manifest;
    struct err why = ERR_INIT;
    int status = 0;
    arena_init(&trees, MANIFEST_ARENA_BYTES);
    if (manifest_read(text, &trees, &manifest, &why) != 0) {
        lint_unreadable(l, name, str_from(why.text));
        manifest.count = 0;
    } else if (manifest.count == 0 && !l->json) {
        buf_format(l->out, "%.*s: no Deployment in it\n", STR_ARG(name));
    }
    for (size_t i = 0; status == 0 && i < manifest.count; i++) {
        struct arena arena;
        arena_init(&arena, REVIEW_ARENA_MAX_BYTES);
        status = check(l, name, manifest.items[i], &arena, e);
        arena_free(&arena);
    }
    arena_free(&trees);
    return status == 0 ? buf_check(l->out, e) : -1;
}

void lint_end(struct lint *l)
{
    if (l->json) {
        json_end_array(&l->writer);
        buf_append_char(l->out, '\n');
        return;
    }
    buf_format(l->out, "%zu Deployment%s, %zu scaled, %zu wrong\n", l->deployments,
               l->deployments == 1 ? "" : "s", l->scaled, l->wrong);
}
