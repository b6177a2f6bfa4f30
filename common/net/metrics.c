/* A child is found by its label text as it will be printed, {a="x",b="y"}: one string a child
 * serves as the key and as the output. Children hang in a chained hash table for look-up and in
 * their family's list for printing.
 */
#include "net/metrics.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "base/version.h"
#include "net/metrics_process.h"

enum { LABELS_MAX_BYTES = 8192, FIRST_SLOTS = 64 };

static const double latency_buckets[] = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1,
                                         0.25,  0.5,    1,     2.5,  5,     10};

struct histogram {
    double sum;
    uint64_t count;
    uint64_t below[METRIC_BUCKETS_MAX]; /* not cumulative */
};

struct child {
    struct child *chain;           /* same slot */
    struct child *next, *previous; /* same family */
    uint64_t hash;
    size_t family;
    double value;
    struct histogram *histogram; /* FAMILY_HISTOGRAM only */
    size_t labels_len;
    char labels[]; /* a="x",b="y" */
};

struct family_list {
    struct child *first, *last;
    void (*each)(void *context, size_t index, struct metrics_printer *p); /* NULL: they are kept */
    void *context;
};

/* One family that is being printed from its source. */
struct metrics_printer {
    const struct metric_family *family;
    struct buf *out;
    bool begun;
};

struct metrics {
    const struct metric_family *families;
    struct family_list *lists;
    size_t family_count;
    const char *program;
    struct child **slots; /* a power of two */
    size_t slot_count, child_count;
    uint64_t dropped;
    struct buf key; /* scratch */
    double start_s; /* of the process */
};

/* ---- label text ---- */

static void put_escaped(struct buf *out, struct str value, bool quote)
{
    for (;;) {
        const size_t plain = str_plain_length(value);
        buf_append(out, str_slice(value, 0, plain));
        value = str_slice(value, plain, value.len);
        if (value.len == 0) {
            return;
        }
        const char c = value.ptr[0];
        const size_t n = str_utf8_length(value, 0);
        if (c == '\\') {
            buf_append(out, STR("\\\\"));
        } else if (c == '\n') {
            buf_append(out, STR("\\n"));
        } else if (c == '"' && quote) {
            buf_append(out, STR("\\\""));
        } else if (n == 0) {
            buf_append(out, STR("\xEF\xBF\xBD"));
        } else {
            buf_append(out, str_slice(value, 0, n));
        }
        value = str_slice(value, n == 0 ? 1 : n, value.len);
    }
}

static void put_labels(struct buf *out, const struct metric_family *f, const struct str *values)
{
    for (size_t i = 0; values != NULL && i < METRIC_LABELS_MAX && f->labels[i] != NULL; i++) {
        buf_append(out, i > 0 ? STR(",") : STR(""));
        buf_append(out, str_from(f->labels[i]));
        buf_append(out, STR("=\""));
        put_escaped(out, values[i], true);
        buf_append_char(out, '"');
    }
}

/* ---- the table ---- */

static uint64_t key_hash(struct str labels, size_t family)
{
    return str_hash(labels) ^ (family * 0x9E3779B97F4A7C15u);
}

static struct child **find(const struct metrics *m, struct str labels, size_t family, uint64_t hash)
{
    struct child **at = &m->slots[hash & (m->slot_count - 1)];
    for (; *at != NULL; at = &(*at)->chain) {
        const struct child *c = *at;
        if (c->hash == hash && c->family == family &&
            str_eq((struct str){c->labels, c->labels_len}, labels)) {
            break;
        }
    }
    return at;
}

static bool grow(struct metrics *m)
{
    const size_t count = m->slot_count * 2;
    struct child **slots = calloc(count, sizeof(struct child *));
    if (slots == NULL) {
        return false;
    }
    for (size_t i = 0; i < m->slot_count; i++) {
        for (struct child *c = m->slots[i]; c != NULL;) {
            struct child *next = c->chain;
            c->chain = slots[c->hash & (count - 1)];
            slots[c->hash & (count - 1)] = c;
            c = next;
        }
    }
    free(m->slots);
    m->slots = slots;
    m->slot_count = count;
    return true;
}

static struct child *new_child(const struct metrics *m, struct str labels, size_t family)
{
    struct child *c = calloc(1, sizeof(*c) + labels.len);
    if (c == NULL) {
        return NULL;
    }
    if (m->families[family].kind == FAMILY_HISTOGRAM) {
        c->histogram = calloc(1, sizeof(*c->histogram));
        if (c->histogram == NULL) {
            free(c);
            return NULL;
        }
    }
    c->family = family;
    c->labels_len = labels.len;
    if (labels.len > 0) {
        memcpy(c->labels, labels.ptr, labels.len);
    }
    return c;
}

static struct child *insert(struct metrics *m, struct str labels, size_t family, uint64_t hash)
{
    struct family_list *list = &m->lists[family];
    struct child *c = NULL;
    if (m->child_count < METRIC_CHILDREN_MAX && (m->child_count < m->slot_count || grow(m))) {
        c = new_child(m, labels, family);
    }
    if (c == NULL) {
        m->dropped++;
        return NULL;
    }
    c->hash = hash;
    c->chain = m->slots[hash & (m->slot_count - 1)];
    m->slots[hash & (m->slot_count - 1)] = c;
    c->previous = list->last;
    if (list->last != NULL) {
        list->last->next = c;
    } else {
        list->first = c;
    }
    list->last = c;
    m->child_count++;
    return c;
}

static struct child *child_of(struct metrics *m, size_t index, const struct str *values)
{
    buf_reset(&m->key);
    put_labels(&m->key, &m->families[index], values);
    if (m->key.failed) {
        m->dropped++;
        return NULL;
    }
    const struct str labels = buf_view(&m->key);
    const uint64_t hash = key_hash(labels, index);
    struct child *c = *find(m, labels, index, hash);
    return c != NULL ? c : insert(m, labels, index, hash);
}

/* ---- the registry ---- */

static size_t bucket_count(const struct metric_family *f)
{
    return f->buckets != NULL ? f->bucket_count
                              : sizeof(latency_buckets) / sizeof(latency_buckets[0]);
}

static const double *bucket_bounds(const struct metric_family *f)
{
    return f->buckets != NULL ? f->buckets : latency_buckets;
}

static int check_family(const struct metric_family *f, struct err *e)
{
    if (f->kind != FAMILY_HISTOGRAM || f->buckets == NULL) {
        return 0;
    }
    if (f->bucket_count > METRIC_BUCKETS_MAX) {
        return err_set(e, ERR_INVALID, "%s: more than %d buckets", f->name, METRIC_BUCKETS_MAX);
    }
    for (size_t i = 1; i < f->bucket_count; i++) {
        if (!(f->buckets[i - 1] < f->buckets[i])) {
            return err_set(e, ERR_INVALID, "%s: buckets are not ascending", f->name);
        }
    }
    return 0;
}

int metrics_new(const struct metric_family *families, size_t count, const char *program,
                struct metrics **out, struct err *e)
{
    for (size_t i = 0; i < count; i++) {
        if (check_family(&families[i], e) != 0) {
            return -1;
        }
    }
    struct metrics *m = calloc(1, sizeof(*m));
    if (m == NULL) {
        return err_set(e, ERR_MEMORY, "metrics: out of memory");
    }
    buf_init(&m->key, LABELS_MAX_BYTES);
    m->families = families;
    m->family_count = count;
    m->program = program;
    m->start_s = metrics_process_start_s();
    m->slot_count = FIRST_SLOTS;
    m->slots = calloc(m->slot_count, sizeof(struct child *));
    m->lists = calloc(count + 1, sizeof(*m->lists));
    if (m->slots == NULL || m->lists == NULL) {
        metrics_free(m);
        return err_set(e, ERR_MEMORY, "metrics: out of memory");
    }
    for (size_t i = 0; i < count; i++) {
        if (families[i].labels[0] == NULL) {
            (void)child_of(m, i, NULL);
        }
    }
    *out = m;
    return 0;
}

static void free_child(struct child *c)
{
    free(c->histogram);
    free(c);
}

void metrics_free(struct metrics *m)
{
    if (m == NULL) {
        return;
    }
    for (size_t i = 0; m->lists != NULL && i < m->family_count; i++) {
        for (struct child *c = m->lists[i].first; c != NULL;) {
            struct child *next = c->next;
            free_child(c);
            c = next;
        }
    }
    buf_free(&m->key);
    free(m->slots);
    free(m->lists);
    free(m);
}

void metrics_add(struct metrics *m, size_t index, const struct str *values, double amount)
{
    struct child *c = child_of(m, index, values);
    if (c != NULL && (amount >= 0 || m->families[index].kind == FAMILY_GAUGE)) {
        c->value += amount;
    }
}

void metrics_set(struct metrics *m, size_t index, const struct str *values, double value)
{
    struct child *c = child_of(m, index, values);
    if (c != NULL) {
        c->value = value;
    }
}

void metrics_observe(struct metrics *m, size_t index, const struct str *values, double value)
{
    const struct metric_family *f = &m->families[index];
    struct child *c = child_of(m, index, values);
    if (c == NULL || c->histogram == NULL) {
        return;
    }
    struct histogram *h = c->histogram;
    h->sum += value;
    h->count++;
    for (size_t i = 0; i < bucket_count(f); i++) {
        if (value <= bucket_bounds(f)[i]) {
            h->below[i]++;
            return;
        }
    }
}

void metrics_remove(struct metrics *m, size_t index, const struct str *values)
{
    buf_reset(&m->key);
    put_labels(&m->key, &m->families[index], values);
    const struct str labels = buf_view(&m->key);
    struct child **at = find(m, labels, index, key_hash(labels, index));
    struct child *c = *at;
    if (m->key.failed || c == NULL) {
        return;
    }
    struct family_list *list = &m->lists[index];
    *at = c->chain;
    if (c->previous != NULL) {
        c->previous->next = c->next;
    } else {
        list->first = c->next;
    }
    if (c->next != NULL) {
        c->next->previous = c->previous;
    } else {
        list->last = c->previous;
    }
    m->child_count--;
    free_child(c);
}

/* ---- printing ---- */

static void put_number(struct buf *out, double value)
{
    char text[NUM_TEXT_BYTES];
    buf_append(out, num_print_double(value, text));
}

static void put_head(struct buf *out, const char *name, const char *type, const char *help)
{
    buf_format(out, "# HELP %s ", name);
    put_escaped(out, str_from(help), false);
    buf_format(out, "\n# TYPE %s %s\n", name, type);
}

/* name_suffix{labels} value */
static void put_sample(struct buf *out, const char *name, const char *suffix, struct str labels,
                       double value)
{
    buf_format(out, "%s%s", name, suffix);
    if (labels.len > 0) {
        buf_append_char(out, '{');
        buf_append(out, labels);
        buf_append_char(out, '}');
    }
    buf_append_char(out, ' ');
    put_number(out, value);
    buf_append_char(out, '\n');
}

static void put_bucket(struct buf *out, const char *name, struct str labels, const double *bound,
                       uint64_t cumulative)
{
    buf_format(out, "%s_bucket{%.*s%sle=\"", name, STR_ARG(labels), labels.len > 0 ? "," : "");
    if (bound != NULL) {
        put_number(out, *bound);
    } else {
        buf_append(out, STR("+Inf"));
    }
    buf_append(out, STR("\"} "));
    put_number(out, (double)cumulative);
    buf_append_char(out, '\n');
}

static void put_histogram(struct buf *out, const struct metric_family *f, const struct child *c)
{
    const struct str labels = {c->labels, c->labels_len};
    uint64_t cumulative = 0;
    for (size_t i = 0; i < bucket_count(f); i++) {
        cumulative += c->histogram->below[i];
        put_bucket(out, f->name, labels, &bucket_bounds(f)[i], cumulative);
    }
    put_bucket(out, f->name, labels, NULL, c->histogram->count);
    put_sample(out, f->name, "_sum", labels, c->histogram->sum);
    put_sample(out, f->name, "_count", labels, (double)c->histogram->count);
}

void metrics_source(struct metrics *m, size_t index,
                    void (*each)(void *context, size_t index, struct metrics_printer *p),
                    void *context)
{
    m->lists[index].each = each;
    m->lists[index].context = context;
}

void metrics_emit(struct metrics_printer *p, const struct str *values, double value)
{
    if (!p->begun) {
        p->begun = true;
        put_head(p->out, p->family->name, "gauge", p->family->help);
    }
    buf_append(p->out, str_from(p->family->name));
    buf_append_char(p->out, '{');
    put_labels(p->out, p->family, values);
    buf_append(p->out, STR("} "));
    put_number(p->out, value);
    buf_append_char(p->out, '\n');
}

void metrics_print(const struct metrics *m, struct buf *out)
{
    static const char *const types[] = {
        [FAMILY_COUNTER] = "counter", [FAMILY_GAUGE] = "gauge", [FAMILY_HISTOGRAM] = "histogram"};

    for (size_t i = 0; i < m->family_count; i++) {
        const struct metric_family *f = &m->families[i];
        if (m->lists[i].each != NULL) {
            struct metrics_printer p = {f, out, false};
            m->lists[i].each(m->lists[i].context, i, &p);
            continue;
        }
        if (m->lists[i].first != NULL) {
            put_head(out, f->name, types[f->kind], f->help);
        }
        for (const struct child *c = m->lists[i].first; c != NULL; c = c->next) {
            if (c->histogram != NULL) {
                put_histogram(out, f, c);
            } else {
                put_sample(out, f->name, "", (struct str){c->labels, c->labels_len}, c->value);
            }
        }
    }
    put_head(out, "ampscale_metrics_dropped_total", "counter",
             "Samples that were dropped because the registry was full or a label was too long.");
    put_sample(out, "ampscale_metrics_dropped_total", "", (struct str){NULL, 0},
               (double)m->dropped);
    put_head(out, "ampscale_build_info", "gauge", "Version and commit of the program; always 1.");
    buf_format(out, "ampscale_build_info{version=\"%s\",commit=\"%s\",program=\"%s\"} 1\n",
               AMPSCALE_VERSION, AMPSCALE_COMMIT, m->program);
    metrics_print_process(m->start_s, out);
}
