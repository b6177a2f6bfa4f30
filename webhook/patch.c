#include "webhook/patch.h"

void patch_begin(struct patch *p, struct buf *out)
{
    *p = (struct patch){.operations = 0};
    json_writer_init(&p->writer, out);
    json_begin_array(&p->writer);
}

/* One reference token (RFC 6901 §3) inside a JSON string that is being written. */
static void append_token(struct buf *out, struct str key)
{
    for (size_t i = 0; i < key.len; i++) {
        char c = key.ptr[i];
        if (c == '~') {
            buf_append(out, STR("~0"));
        } else if (c == '/') {
            buf_append(out, STR("~1"));
        } else {
            buf_append_char(out, c);
        }
    }
}

/* Open one operation: what is left to write is its value, if it has one. */
static void begin_operation(struct patch *p, struct str op, struct str parent, struct str key)
{
    struct json_writer *w = &p->writer;
    struct buf path;
    buf_init(&path, parent.len + 1 + 2 * key.len);
    buf_append(&path, parent);
    buf_append_char(&path, '/');
    append_token(&path, key);
    if (path.failed) {
        w->out->failed = true;
    }
    json_begin_object(w);
    json_member_str(w, STR("op"), op);
    json_member_str(w, STR("path"), buf_view(&path));
    buf_free(&path);
    p->operations++;
}

static void with_str(struct patch *p, struct str op, struct str parent, struct str key,
                     struct str value)
{
    begin_operation(p, op, parent, key);
    json_member_str(&p->writer, STR("value"), value);
    json_end_object(&p->writer);
}

static void with_raw(struct patch *p, struct str op, struct str parent, struct str key,
                     struct str json)
{
    begin_operation(p, op, parent, key);
    json_key(&p->writer, STR("value"));
    json_put_raw(&p->writer, json);
    json_end_object(&p->writer);
}

void patch_add_str(struct patch *p, struct str parent, struct str key, struct str value)
{
    with_str(p, STR("add"), parent, key, value);
}

void patch_add_raw(struct patch *p, struct str parent, struct str key, struct str json)
{
    with_raw(p, STR("add"), parent, key, json);
}

void patch_replace_str(struct patch *p, struct str parent, struct str key, struct str value)
{
    with_str(p, STR("replace"), parent, key, value);
}

void patch_replace_raw(struct patch *p, struct str parent, struct str key, struct str json)
{
    with_raw(p, STR("replace"), parent, key, json);
}

static void with_tree(struct patch *p, struct str op, struct str parent, struct str key,
                      const struct json *value)
{
    begin_operation(p, op, parent, key);
    json_key(&p->writer, STR("value"));
    json_put_tree(&p->writer, value);
    json_end_object(&p->writer);
}

void patch_add_tree(struct patch *p, struct str parent, struct str key, const struct json *value)
{
    with_tree(p, STR("add"), parent, key, value);
}

void patch_replace_tree(struct patch *p, struct str parent, struct str key,
                        const struct json *value)
{
    with_tree(p, STR("replace"), parent, key, value);
}

void patch_remove(struct patch *p, struct str parent, struct str key)
{
    begin_operation(p, STR("remove"), parent, key);
    json_end_object(&p->writer);
}

struct str patch_end(struct patch *p)
{
    json_end_array(&p->writer);
    return p->operations == 0 ? (struct str){NULL, 0} : buf_view(p->writer.out);
}

struct patch_map patch_map_of(const struct json *object, struct str name, struct str pointer)
{
    const struct json *node = json_get(json_get(object, STR("metadata")), name);
    bool there = node != NULL && node->type == JSON_OBJECT;
    return (struct patch_map){.name = name, .pointer = pointer, .node = there ? node : NULL};
}

void patch_map_set(struct patch *p, struct patch_map *m, struct str key, struct str value)
{
    const struct json *current = json_get(m->node, key);
    if (current != NULL) {
        if (current->type != JSON_STRING || !str_eq(current->text, value)) {
            patch_replace_str(p, m->pointer, key, value);
        }
        return;
    }
    if (m->node == NULL && !m->added) {
        patch_add_raw(p, STR("/metadata"), m->name, STR("{}"));
        m->added = true;
    }
    patch_add_str(p, m->pointer, key, value);
}

void patch_map_remove(struct patch *p, const struct patch_map *m, struct str key)
{
    if (json_get(m->node, key) != NULL) {
        patch_remove(p, m->pointer, key);
    }
}
