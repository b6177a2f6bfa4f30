#include "collector/labels.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "collector/protobuf.h"

enum { SHARED_MAX = 255, RUN_BYTES_MAX = 255 };

static const struct str EXPORTED = STR_INIT("exported_");
static const struct str NAME = STR_INIT("__name__");

/* Length-delimited fields: the tag and the length's varint before the bytes. */
enum { TIMESERIES_LABEL = 0x0a, LABEL_NAME = 0x0a, LABEL_VALUE = 0x12 };

static size_t label_inside(const struct series_label *l)
{
    return 1 + varint_bytes(l->name.len) + l->name.len + 1 + varint_bytes(l->value.len) +
           l->value.len;
}

static size_t label_bytes(const struct series_label *l)
{
    size_t inside = label_inside(l);
    return 1 + varint_bytes(inside) + inside;
}

static unsigned char *put_text(unsigned char *to, unsigned char tag, struct str text)
{
    *to++ = tag;
    to = varint_put(to, text.len);
    memcpy(to, text.ptr, text.len);
    return to + text.len;
}

static unsigned char *put_label(unsigned char *to, const struct series_label *l)
{
    *to++ = TIMESERIES_LABEL;
    to = varint_put(to, label_inside(l));
    to = put_text(to, LABEL_NAME, l->name);
    return put_text(to, LABEL_VALUE, l->value);
}

/* Insert by name; they are few and mostly in order already. */
static void insert(struct series_label *items, size_t *count, struct series_label label)
{
    size_t i = (*count)++;
    while (i > 0 && str_compare(items[i - 1].name, label.name) > 0) {
        items[i] = items[i - 1];
        i--;
    }
    items[i] = label;
}

static bool is_reserved(struct str name)
{
    return str_starts(name, STR("__"));
}

static bool is_label_name(struct str name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = char_lower(name.ptr[i]);
        if (!char_is_lower(c) && c != '_' && (i == 0 || !char_is_digit(c))) {
            return false;
        }
    }
    return name.len > 0;
}

static int check_shared(const struct series_label *labels, size_t count, struct err *e)
{
    size_t bytes = 0;
    if (count > SHARED_MAX) {
        return err_set(e, ERR_INVALID, "%zu labels: expected at most %d", count, SHARED_MAX);
    }
    for (size_t i = 0; i < count; i++) {
        struct str name = labels[i].name;
        if (!is_label_name(name) || is_reserved(name)) {
            return err_set(e, ERR_INVALID,
                           "label \"%.*s\": expected a name of letters, digits and \"_\" that "
                           "begins with no digit and not with \"__\"",
                           STR_ARG(name));
        }
        if (!str_is_utf8(labels[i].value)) {
            return err_set(e, ERR_INVALID, "label \"%.*s\": its value is not UTF-8", STR_ARG(name));
        }
        for (size_t j = 0; j < i; j++) {
            if (str_eq(name, labels[j].name)) {
                return err_set(e, ERR_INVALID, "label \"%.*s\" stands there twice", STR_ARG(name));
            }
        }
        bytes += name.len + labels[i].value.len;
    }
    if (bytes > LABEL_BYTES_MAX) {
        return err_set(e, ERR_LIMIT, "labels of %zu bytes: expected at most %d", bytes,
                       LABEL_BYTES_MAX);
    }
    return 0;
}

int labels_share(const struct series_label *labels, size_t count, struct shared_labels *out,
                 struct err *e)
{
    if (check_shared(labels, count, e) != 0) {
        return -1;
    }
    struct shared_labels shared = {0};
    size_t encoded = 0, items = (count + 1) * sizeof(*shared.items);
    size_t ends = (count + 1) * sizeof(*shared.ends);
    for (size_t i = 0; i < count; i++) {
        shared.text_bytes += labels[i].value.len > 0 ? labels[i].name.len + labels[i].value.len : 0;
        encoded += label_bytes(&labels[i]);
    }
    char *memory = malloc(items + ends + shared.text_bytes + encoded);
    if (memory == NULL) {
        return err_set(e, ERR_MEMORY, "out of memory");
    }
    shared.items = (void *)memory;
    shared.ends = (void *)(memory + items);
    char *text = memory + items + ends;
    shared.encoded = (unsigned char *)text + shared.text_bytes;
    for (size_t i = 0; i < count; i++) {
        if (labels[i].value.len > 0) {
            struct str name = str_copy_to(&text, labels[i].name);
            struct str value = str_copy_to(&text, labels[i].value);
            insert(shared.items, &shared.count, (struct series_label){name, value});
        }
    }
    unsigned char *to = shared.encoded;
    shared.ends[0] = 0;
    for (size_t i = 0; i < shared.count; i++) {
        to = put_label(to, &shared.items[i]);
        shared.ends[i + 1] = (size_t)(to - shared.encoded);
    }
    *out = shared;
    return 0;
}

/* ---- one series ---- */

static bool has_name(const struct series_label *items, size_t count, struct str name)
{
    for (size_t i = 0; i < count; i++) {
        if (str_eq(items[i].name, name)) {
            return true;
        }
    }
    return false;
}

/* The shortest exported_…exported_name that is free, at *to, which moves behind it. */
static int export_name(const struct own_labels *own, const struct shared_labels *shared,
                       struct str name, char **to, const char *end, struct str *out)
{
    if (name.len > (size_t)(end - *to)) {
        return -1;
    }
    char *cursor = *to;
    struct str exported = str_copy_to(&cursor, name);
    do {
        if (EXPORTED.len > (size_t)(end - cursor)) {
            return -1;
        }
        memmove(*to + EXPORTED.len, *to, exported.len);
        memcpy(*to, EXPORTED.ptr, EXPORTED.len);
        cursor += EXPORTED.len;
        exported.len += EXPORTED.len;
    } while (has_name(own->items, own->count, exported) ||
             has_name(shared->items, shared->count, exported));
    *to = cursor;
    *out = exported;
    return 0;
}

/* Shorter names first, as Prometheus does it: which one gets a name that both could have. */
static void insert_by_length(const struct exposed_label **items, size_t *count,
                             const struct exposed_label *label)
{
    size_t i = (*count)++;
    while (i > 0 && items[i - 1]->name.len > label->name.len) {
        items[i] = items[i - 1];
        i--;
    }
    items[i] = label;
}

int labels_resolve(const struct exposed_series *in, const struct shared_labels *shared, char *names,
                   size_t room, struct own_labels *out)
{
    const struct exposed_label *clashes[EXPOSITION_LABELS_MAX];
    size_t clash_count = 0;
    labels_of_name(in->name, out);
    for (size_t i = 0; i < in->label_count; i++) {
        const struct exposed_label *l = &in->labels[i];
        if (l->value.len == 0 || is_reserved(l->name)) {
            continue;
        }
        if (has_name(shared->items, shared->count, l->name)) {
            insert_by_length(clashes, &clash_count, l);
        } else {
            insert(out->items, &out->count, (struct series_label){l->name, l->value});
            out->text_bytes += l->name.len + l->value.len;
        }
    }
    char *to = names;
    for (size_t i = 0; i < clash_count; i++) {
        struct series_label label = {.value = clashes[i]->value};
        if (export_name(out, shared, clashes[i]->name, &to, names + room, &label.name) != 0) {
            return -1;
        }
        insert(out->items, &out->count, label);
        out->text_bytes += label.name.len + label.value.len;
    }
    return 0;
}

void labels_of_name(struct str name, struct own_labels *out)
{
    out->items[0] = (struct series_label){NAME, name};
    out->count = 1;
    out->text_bytes = NAME.len + name.len;
}

/* ---- encoded ---- */

/* A label is its texts and at most 1 + 3 + 2 × (1 + 3) bytes more; it may begin a run. */
size_t labels_record_room(size_t text_bytes, size_t count)
{
    size_t bytes = text_bytes + count * 12;
    return sizeof(struct label_record) + bytes + 2 * (count + bytes / RUN_BYTES_MAX + 1);
}

size_t labels_record_bytes(const struct label_record *r)
{
    return sizeof(*r) + (size_t)r->runs * 2 + r->bytes;
}

struct str labels_record_text(const struct label_record *r)
{
    return (struct str){(const char *)r->data + (size_t)r->runs * 2, r->bytes};
}

/* How many of the shared labels stand before `name`. */
static size_t shared_before(const struct shared_labels *shared, struct str name)
{
    size_t before = 0;
    while (before < shared->count && str_compare(shared->items[before].name, name) < 0) {
        before++;
    }
    return before;
}

static void add_run(struct label_record *r, size_t before, size_t bytes)
{
    while (bytes > 0) {
        size_t part = bytes < RUN_BYTES_MAX ? bytes : RUN_BYTES_MAX;
        unsigned char *run = r->data + (size_t)r->runs * 2;
        run[0] = (unsigned char)before;
        run[1] = (unsigned char)part;
        r->runs++;
        bytes -= part;
    }
}

void labels_encode(const struct own_labels *own, const struct shared_labels *shared,
                   struct label_record *out)
{
    size_t before = 0, run = 0, bytes = 0;
    out->runs = 0;
    for (size_t i = 0; i < own->count; i++) {
        size_t here = shared_before(shared, own->items[i].name);
        if (here != before) {
            add_run(out, before, run);
            before = here;
            run = 0;
        }
        size_t more = label_bytes(&own->items[i]);
        run += more;
        bytes += more;
    }
    add_run(out, before, run);
    out->bytes = (uint16_t)bytes;
    unsigned char *to = out->data + (size_t)out->runs * 2;
    for (size_t i = 0; i < own->count; i++) {
        to = put_label(to, &own->items[i]);
    }
}

unsigned char *labels_write(const struct label_record *r, const struct shared_labels *shared,
                            unsigned char *to)
{
    const unsigned char *own = r->data + (size_t)r->runs * 2;
    size_t done = 0; /* of the shared ones' bytes */
    for (size_t i = 0; i < r->runs; i++) {
        size_t until = shared->ends[r->data[2 * i]], bytes = r->data[2 * i + 1];
        memcpy(to, shared->encoded + done, until - done);
        to += until - done;
        done = until;
        memcpy(to, own, bytes);
        to += bytes;
        own += bytes;
    }
    size_t rest = shared->ends[shared->count] - done;
    memcpy(to, shared->encoded + done, rest);
    return to + rest;
}
