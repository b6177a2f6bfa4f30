/* An applier of JSON Patch (RFC 6902), for tests: written from the RFC, sharing nothing with the
 * builder that it checks but the JSON tree. A repeated member counts once, the last one, as in Go.
 */
#ifndef AMPSCALE_TEST_JSONPATCH_H
#define AMPSCALE_TEST_JSONPATCH_H

#include <string.h>

#include "base/json.h"

/* A tree of our own that may be changed; raw text dropped so that it is encoded anew. */
static inline struct json *jsonpatch_copy(const struct json *node, struct arena *a)
{
    struct json *copy = arena_alloc(a, sizeof(*copy));
    if (copy == NULL) {
        return NULL;
    }
    *copy = *node;
    copy->raw = (struct str){NULL, 0};
    copy->next = NULL;
    copy->child = NULL;
    copy->count = 0;
    struct json **tail = &copy->child;
    for (const struct json *child = node->child; child != NULL; child = child->next) {
        if (node->type == JSON_OBJECT && json_get(node, child->key) != child) {
            continue;
        }
        *tail = jsonpatch_copy(child, a);
        if (*tail == NULL) {
            return NULL;
        }
        tail = &(*tail)->next;
        copy->count++;
    }
    return copy;
}

/* One reference token, unescaped in place of `token`'s own copy: ~1 first, then ~0 (RFC 6901 §4).
 */
static inline int jsonpatch_token(struct str token, struct arena *a, struct str *out)
{
    char *text = arena_alloc(a, token.len + 1);
    size_t len = 0;
    if (text == NULL) {
        return -1;
    }
    for (size_t i = 0; i < token.len; i++) {
        char c = token.ptr[i];
        if (c == '~') {
            i++;
            if (i == token.len || (token.ptr[i] != '0' && token.ptr[i] != '1')) {
                return -1;
            }
            c = token.ptr[i] == '0' ? '~' : '/';
        }
        text[len++] = c;
    }
    *out = (struct str){text, len};
    return 0;
}

/* Index of an array element as the RFC writes it: no sign, no leading zero. */
static inline int jsonpatch_index(struct str token, size_t *out)
{
    size_t value = 0;
    if (token.len == 0 || token.len > 6 || (token.len > 1 && token.ptr[0] == '0')) {
        return -1;
    }
    for (size_t i = 0; i < token.len; i++) {
        if (token.ptr[i] < '0' || token.ptr[i] > '9') {
            return -1;
        }
        value = value * 10 + (size_t)(token.ptr[i] - '0');
    }
    *out = value;
    return 0;
}

/* The link that holds the child `token` of `parent`; it holds NULL where there is no such child.
 * NULL when the token cannot name a child. */
static inline struct json **jsonpatch_slot(struct json *parent, struct str token)
{
    struct json **link = &parent->child;
    size_t index = 0;
    if (parent->type == JSON_OBJECT) {
        while (*link != NULL && !str_eq((*link)->key, token)) {
            link = &(*link)->next;
        }
        return link;
    }
    if (parent->type != JSON_ARRAY) {
        return NULL;
    }
    if (str_eq(token, STR("-"))) {
        index = parent->count;
    } else if (jsonpatch_index(token, &index) != 0 || index > parent->count) {
        return NULL;
    }
    while (index > 0) {
        link = &(*link)->next;
        index--;
    }
    return link;
}

/* Put `value` into the slot: over a member of the same name, or before an array's element. */
static inline int jsonpatch_put(struct json *parent, struct json **slot, struct str token,
                                bool over, const struct json *value, struct arena *a)
{
    struct json *node = value == NULL ? NULL : jsonpatch_copy(value, a);
    struct json *old = *slot;
    if (node == NULL || (over && old == NULL)) {
        return -1;
    }
    bool replaces = old != NULL && (over || parent->type == JSON_OBJECT);
    node->key = token;
    node->next = replaces ? old->next : old;
    *slot = node;
    parent->count += replaces ? 0 : 1;
    return 0;
}

static inline int jsonpatch_operation(struct json *root, const struct json *operation,
                                      struct arena *a)
{
    struct str op = json_str(json_get(operation, STR("op")));
    struct str path = json_str(json_get(operation, STR("path")));
    const struct json *value = json_get(operation, STR("value"));
    struct json *parent = root;
    struct str rest = str_slice(path, 1, path.len);
    if (path.len == 0 || path.ptr[0] != '/') {
        return -1;
    }
    for (;;) {
        struct str token;
        if (jsonpatch_token(str_cut(rest, '/', &rest), a, &token) != 0) {
            return -1;
        }
        struct json **slot = jsonpatch_slot(parent, token);
        if (slot == NULL) {
            return -1;
        }
        if (rest.ptr != NULL) {
            parent = *slot;
            if (parent == NULL) {
                return -1;
            }
            continue;
        }
        if (str_eq(op, STR("add"))) {
            return jsonpatch_put(parent, slot, token, false, value, a);
        }
        if (str_eq(op, STR("replace"))) {
            return jsonpatch_put(parent, slot, token, true, value, a);
        }
        if (!str_eq(op, STR("remove")) || *slot == NULL) {
            return -1;
        }
        *slot = (*slot)->next;
        parent->count--;
        return 0;
    }
}

/* The document after the whole patch. -1 when the patch is no patch, or an operation cannot be
 * done. */
static inline int jsonpatch_apply(const struct json *document, struct str patch, struct arena *a,
                                  const struct json **out)
{
    struct err ignored = ERR_INIT;
    const struct json *operations;
    struct json *root = jsonpatch_copy(document, a);
    if (root == NULL || json_parse(patch, &JSON_LIMITS_API, a, &operations, &ignored) != 0 ||
        operations->type != JSON_ARRAY) {
        return -1;
    }
    for (const struct json *op = operations->child; op != NULL; op = op->next) {
        if (jsonpatch_operation(root, op, a) != 0) {
            return -1;
        }
    }
    *out = root;
    return 0;
}

#endif
