/* status: list the Deployments and, with --watch, follow them. Both by the same watch, of which a
 * plain status takes the list alone. */
#include <stdlib.h>
#include <string.h>

#include "base/fmt.h"
#include "cli/cluster.h"
#include "cli/command.h"
#include "cli/names.h"
#include "cli/status.h"
#include "cli/stdio.h"

enum { OBJECT_ARENA_BYTES = 64 << 20, OUTPUT_BYTES = 64 << 20, PATH_BYTES = 1024, AT_ONCE = 16 };

static const struct program PROGRAM = {
    .name = "kubectl ampscale status",
    .about = "Lists the Deployments that are scaled: value and target of each trigger as the "
             "scaler told them last or, with --endpoint or --workspace, as they are now; bounds, "
             "pods there are, count that is wanted, and why. The scaler tells when a condition "
             "changes, so what it told may be old."};

struct row {
    unsigned long long id; /* hash of the UID */
    struct str cells[STATUS_COLUMNS];
    struct arena arena; /* under the cells */
    char *object;       /* the Deployment's JSON, where its values are to be asked for; owned */
    size_t object_bytes;
    struct row *next;
};

struct status {
    struct common_flags common;
    struct cluster cluster;
    struct str namespace_, name; /* name absent: all */
    bool all_namespaces, watch, json;
    struct arena arena; /* of one object */
    struct row *rows, **last;
    struct table table;
    struct buf out;
    struct json_writer list;
    size_t found; /* Deployments, scaled or not, that were asked for */
    bool synced, stop, failed;
    struct err e;
};

static void fail(struct status *s, const struct err *e)
{
    s->e = *e;
    s->failed = true;
    s->stop = true;
}

static const struct str *visible(const struct status *s, const struct str *cells)
{
    return s->all_namespaces ? cells : cells + STATUS_NAME;
}

static struct row *find_row(const struct status *s, struct str uid)
{
    unsigned long long id = str_hash(uid);
    struct row *row = s->rows;
    while (row != NULL && row->id != id) {
        row = row->next;
    }
    return row;
}

/* The row of that UID, made if there is none; NULL: out of memory. */
static struct row *take_row(struct status *s, struct str uid)
{
    struct row *row = find_row(s, uid);
    if (row == NULL) {
        row = calloc(1, sizeof(*row));
        if (row != NULL) {
            row->id = str_hash(uid);
            arena_init(&row->arena, 1 << 20);
            *s->last = row;
            s->last = &row->next;
        }
    }
    return row;
}

/* Differs in more than its age. */
static bool differs(const struct row *row, const struct str *cells)
{
    for (size_t i = 0; i < STATUS_AGE; i++) {
        if (!str_eq(row->cells[i], cells[i])) {
            return true;
        }
    }
    return false;
}

static int keep_cells(struct row *row, const struct str *cells, struct err *e)
{
    arena_reset(&row->arena);
    for (size_t i = 0; i < STATUS_COLUMNS; i++) {
        if (arena_str(&row->arena, cells[i], &row->cells[i], e) != 0) {
            return -1;
        }
    }
    return 0;
}

/* Keep the object until its values are asked for. */
static int keep_object(struct row *row, struct str object, struct err *e)
{
    char *copy = malloc(object.len + 1);
    if (copy == NULL) {
        return err_set(e, ERR_MEMORY, "out of memory for a Deployment");
    }
    memcpy(copy, object.ptr, object.len);
    free(row->object);
    row->object = copy;
    row->object_bytes = object.len;
    return 0;
}

static void print_row(struct status *s, const struct row *row)
{
    table_print(&s->table, 0, visible(s, row->cells), &s->out);
}

static void print_table(struct status *s)
{
    if (s->json || s->rows == NULL) {
        return;
    }
    table_measure(&s->table, visible(s, STATUS_TITLES));
    table_print(&s->table, 0, visible(s, STATUS_TITLES), &s->out);
    for (const struct row *row = s->rows; row != NULL; row = row->next) {
        print_row(s, row);
    }
}

static void print_json(struct status *s, const struct view *v)
{
    struct json_writer j;
    if (s->watch) {
        json_writer_init(&j, &s->out);
    }
    struct json_writer *to = s->watch ? &j : &s->list;
    json_begin_object(to);
    view_put_json(v, to);
    json_end_object(to);
    if (s->watch) {
        buf_append_char(&s->out, '\n');
    }
}

static int show(struct status *s, const struct view *v, struct str object, struct err *e)
{
    struct str cells[STATUS_COLUMNS];
    struct row *row = take_row(s, v->uid);
    if (row == NULL) {
        return err_set(e, ERR_MEMORY, "out of memory for a row");
    }
    if (status_cells(v, loop_unix_ms(), &s->arena, cells, e) != 0) {
        return -1;
    }
    if (!differs(row, cells)) {
        return 0;
    }
    if (keep_cells(row, cells, e) != 0) {
        return -1;
    }
    if (s->cluster.prom != NULL) {
        return keep_object(row, object, e); /* to be asked about when the list is complete */
    }
    if (s->json) {
        print_json(s, v);
    } else if (s->synced) {
        print_row(s, row);
    } else {
        table_measure(&s->table, visible(s, row->cells));
    }
    return s->synced || s->json ? buf_check(&s->out, e) : 0;
}

/* ---- the watch ---- */

static int take(struct status *s, const struct json *object, struct err *e)
{
    struct deployment d;
    struct view view;
    arena_reset(&s->arena);
    if (deployment_decode(object, &s->arena, &d, e) != 0) {
        return -1;
    }
    if (s->name.ptr != NULL && !str_eq(s->name, d.name)) {
        return 0;
    }
    s->found++;
    if (view_make(&d, &s->arena, &view, e) != 0) {
        return -1;
    }
    return view.scaled ? show(s, &view, object->raw, e) : 0;
}

static void flush(struct status *s)
{
    struct err e = ERR_INIT;
    if (output_flush(&s->out, &e) != 0) {
        fail(s, &e);
    }
}

static void on_upsert(void *context, const struct json *object)
{
    struct status *s = context;
    struct err e = ERR_INIT;
    if (s->stop) {
        return;
    }
    if (take(s, object, &e) != 0) {
        fail(s, &e);
    } else if (s->synced) {
        flush(s);
    }
}

static void on_removed(void *context, const struct json *object)
{
    struct status *s = context;
    struct row *row = find_row(s, json_str(json_path(object, "metadata/uid")));
    if (row == NULL || s->json || s->stop) {
        return;
    }
    row->cells[STATUS_REASON] = STR("Deleted");
    print_row(s, row);
    flush(s);
}

static void on_list_begin(void *context)
{
    (void)context;
}

static void on_synced(void *context)
{
    struct status *s = context;
    if (s->synced || s->stop) {
        return;
    }
    s->synced = true;
    s->stop = !s->watch;
    if (s->cluster.prom == NULL) {
        print_table(s);
    }
    if (s->watch) {
        flush(s);
    }
}

/* Before there is a list, waiting for the server's better mood would show nothing. */
static void on_lost(void *context, const struct err *e)
{
    struct status *s = context;
    if (!s->synced) {
        fail(s, e);
    } else {
        struct err lost = *e;
        (void)err_prefix(&lost, "the watch is lost, trying again");
        (void)complain(&lost);
    }
}

static void on_recovered(void *context)
{
    (void)context;
}

static void on_stop(void *context, int signal)
{
    struct status *s = context;
    (void)signal;
    s->stop = true;
}

static int follow(struct status *s, struct err *e)
{
    static const struct kube_watch_handler HANDLER = {.list_begin = on_list_begin,
                                                      .upsert = on_upsert,
                                                      .removed = on_removed,
                                                      .synced = on_synced,
                                                      .lost = on_lost,
                                                      .recovered = on_recovered};
    char path[PATH_BYTES];
    struct kube_watch *watch;
    if (s->all_namespaces) {
        (void)fmt(path, sizeof(path), "/apis/apps/v1/deployments");
    } else {
        (void)fmt(path, sizeof(path), "/apis/apps/v1/namespaces/%.*s/deployments",
                  STR_ARG(s->cluster.namespace_));
    }
    if (kube_watch_start(s->cluster.kube, path, NULL, &HANDLER, s, &watch, e) != 0) {
        return -1;
    }
    int status = 0;
    while (status == 0 && !s->stop) {
        status = loop_run_once(s->cluster.loop, -1, e);
    }
    kube_watch_stop(watch);
    if (s->failed) {
        *e = s->e;
        status = -1;
    }
    return status;
}

/* ---- values of now ---- */

/* One row that is being asked about. */
struct live {
    struct row *row;
    struct arena arena;
    struct view view;
    struct cluster_asking asking;
};

/* Several of them, the one that is shown next first. */
struct live_ring {
    struct live items[AT_ONCE];
    size_t first, count;
};

static int live_begin(struct status *s, struct row *row, struct live *out, struct err *e)
{
    const struct json *object;
    struct deployment d;
    out->row = row;
    arena_init(&out->arena, OBJECT_ARENA_BYTES);
    if (json_parse((struct str){row->object, row->object_bytes}, &JSON_LIMITS_API, &out->arena,
                   &object, e) != 0 ||
        deployment_decode(object, &out->arena, &d, e) != 0 ||
        view_make(&d, &out->arena, &out->view, e) != 0) {
        arena_free(&out->arena);
        return -1;
    }
    cluster_ask(&s->cluster, &out->view.spec, &out->asking);
    return 0;
}

static void live_end(struct live *l)
{
    cluster_give_up(&l->asking);
    arena_free(&l->arena);
    free(l->row->object);
    l->row->object = NULL;
}

static int live_show(struct status *s, struct live *l, struct err *e)
{
    struct str cells[STATUS_COLUMNS];
    if (cluster_wait(&s->cluster, &l->asking, e) != 0) {
        return -1;
    }
    view_read_now(&l->view, l->asking.readings);
    if (s->json) {
        print_json(s, &l->view);
    }
    if (status_cells(&l->view, loop_unix_ms(), &l->arena, cells, e) != 0 ||
        keep_cells(l->row, cells, e) != 0) {
        return -1;
    }
    table_measure(&s->table, visible(s, l->row->cells));
    return 0;
}

static int ask_rows(struct status *s, struct live_ring *ring, struct err *e)
{
    struct row *next = s->rows;
    int status = 0;
    while (status == 0 && (next != NULL || ring->count > 0)) {
        if (next != NULL && ring->count < AT_ONCE) {
            struct live *l = &ring->items[(ring->first + ring->count) % AT_ONCE];
            status = live_begin(s, next, l, e);
            ring->count += status == 0;
            next = next->next;
        } else {
            struct live *l = &ring->items[ring->first];
            status = live_show(s, l, e);
            live_end(l);
            ring->first = (ring->first + 1) % AT_ONCE;
            ring->count--;
        }
    }
    return status;
}

static int ask_all(struct status *s, struct err *e)
{
    struct live_ring *ring = calloc(1, sizeof(*ring));
    if (ring == NULL) {
        return err_set(e, ERR_MEMORY, "out of memory for the queries");
    }
    int status = ask_rows(s, ring, e);
    for (size_t i = 0; i < ring->count; i++) {
        live_end(&ring->items[(ring->first + i) % AT_ONCE]);
    }
    free(ring);
    if (status == 0) {
        print_table(s);
    }
    return status;
}

/* ---- the rest ---- */

/* What there is to say when nothing was shown. */
static int conclude(struct status *s, struct err *e)
{
    struct str where = s->all_namespaces ? STR("any namespace") : s->cluster.namespace_;
    if (s->json && !s->watch) {
        json_end_array(&s->list);
        buf_append_char(&s->out, '\n');
    }
    if (output_flush(&s->out, e) != 0) {
        return -1;
    }
    if (s->name.ptr != NULL && s->found == 0) {
        return err_set(e, ERR_NOT_FOUND, "there is no Deployment %.*s in %.*s", STR_ARG(s->name),
                       STR_ARG(where));
    }
    if (s->rows == NULL && !s->json) {
        struct err note = ERR_INIT;
        (void)err_set(&note, ERR_NONE, "no Deployment in %.*s asks to be scaled", STR_ARG(where));
        (void)complain(&note);
    }
    return 0;
}

static int run(struct status *s)
{
    struct err e = ERR_INIT;
    if (cluster_open(&s->common, s->namespace_, &s->cluster, &e) != 0) {
        return complain(&e);
    }
    arena_init(&s->arena, OBJECT_ARENA_BYTES);
    buf_init(&s->out, OUTPUT_BYTES);
    json_writer_init(&s->list, &s->out);
    if (s->json && !s->watch) {
        json_begin_array(&s->list);
    }
    s->last = &s->rows;
    table_init_columns(&s->table, s->all_namespaces ? STATUS_COLUMNS : STATUS_COLUMNS - 1);
    /* Following ends in good order; listing and asking are for the signal itself to end. */
    int status = s->watch ? loop_on_stop(s->cluster.loop, on_stop, s, &e) : 0;
    if (status == 0) {
        status = follow(s, &e);
    }
    if (status == 0 && s->cluster.prom != NULL) {
        status = ask_all(s, &e);
    }
    if (status == 0) {
        status = conclude(s, &e);
    }
    while (s->rows != NULL) {
        struct row *row = s->rows;
        s->rows = row->next;
        arena_free(&row->arena);
        free(row->object);
        free(row);
    }
    buf_free(&s->out);
    arena_free(&s->arena);
    cluster_close(&s->cluster);
    return status == 0 ? 0 : complain(&e);
}

int command_status(int argc, char *const argv[])
{
    struct status s = {.json = false};
    struct flag_list names = {.count = 0};
    int output = OUTPUT_TEXT;
    const struct flag flags[] = {
        {.name = "namespace",
         .kind = FLAG_STR,
         .out = &s.namespace_,
         .argument = "NS",
         .default_text = "the context's",
         .help = "Namespace whose Deployments are listed.",
         .letter = 'n'},
        {.name = "all-namespaces",
         .kind = FLAG_BOOL,
         .out = &s.all_namespaces,
         .help = "List those of every namespace.",
         .letter = 'A'},
        {.name = "watch",
         .kind = FLAG_BOOL,
         .out = &s.watch,
         .help = "Go on, with a line for each change, until interrupted.",
         .letter = 'w'},
        {.name = "output",
         .kind = FLAG_CHOICE,
         .out = &output,
         .argument = "FORMAT",
         .default_text = "text",
         .help = "text, or json: a list of one object a Deployment (with --watch, one a line).",
         .choices = OUTPUT_TEXT_OR_JSON,
         .letter = 'o'},
        {.name = "DEPLOYMENT", .kind = FLAG_ARGUMENTS, .out = &names, .max = 1},
    };
    int status = common_start(&PROGRAM, flags, sizeof(flags) / sizeof(flags[0]),
                              COMMON_QUERY | COMMON_AWS | COMMON_KUBE, &s.common, argc, argv);
    if (status >= 0) {
        return status;
    }
    struct err e = ERR_INIT;
    s.json = output == OUTPUT_JSON;
    if (s.all_namespaces && s.namespace_.len > 0) {
        (void)err_set(&e, ERR_INVALID, "--namespace and --all-namespaces exclude each other");
        return common_usage_error(&PROGRAM, &e);
    }
    if (s.watch && common_has_query_target(&s.common)) {
        (void)err_set(&e, ERR_INVALID,
                      "--watch follows what the scaler tells: leave --endpoint or --workspace out");
        return common_usage_error(&PROGRAM, &e);
    }
    if ((names.count > 0 && names_deployment(names.items[0], &s.name, &e) != 0) ||
        (s.namespace_.len > 0 && names_namespace(s.namespace_, &e) != 0)) {
        return common_usage_error(&PROGRAM, &e);
    }
    return run(&s);
}
