/* Looking things up in a tree, and comparing trees. */
#include <stdlib.h>
#include <string.h>

#include "base/json_internal.h"
#include "base/num.h"

static size_t skip_digits(struct str s, size_t at)
{
    while (at < s.len && s.ptr[at] >= '0' && s.ptr[at] <= '9') {
        at++;
    }
    return at;
}

/* Behind the exponent at s[at] when there is a whole one, at its start when it is broken. */
static size_t skip_exponent(struct str s, size_t at)
{
    size_t digits = at + 1;

    if (at >= s.len || (s.ptr[at] != 'e' && s.ptr[at] != 'E')) {
        return at;
    }
    if (digits < s.len && (s.ptr[digits] == '+' || s.ptr[digits] == '-')) {
        digits++;
    }
    return skip_digits(s, digits) > digits ? skip_digits(s, digits) : at;
}

bool json_is_number(struct str s)
{
    size_t at = s.len > 0 && s.ptr[0] == '-' ? 1 : 0;
    size_t end = skip_digits(s, at);

    if (end == at || (s.ptr[at] == '0' && end > at + 1)) {
        return false;
    }
    at = end;
    if (at < s.len && s.ptr[at] == '.') {
        end = skip_digits(s, at + 1);
        if (end == at + 1) {
            return false;
        }
        at = end;
    }
    return skip_exponent(s, at) == s.len;
}

void json_append(struct json *parent, struct json **last, struct json *child)
{
    if (*last == NULL) {
        parent->child = child;
    } else {
        (*last)->next = child;
    }
    *last = child;
    parent->count++;
}

const struct json *json_get(const struct json *node, struct str name)
{
    const struct json *found = NULL;

    if (node == NULL || node->type != JSON_OBJECT) {
        return NULL;
    }
    for (const struct json *member = node->child; member != NULL; member = member->next) {
        if (str_eq(member->key, name)) {
            found = member;
        }
    }
    return found;
}

const struct json *json_path(const struct json *node, const char *path)
{
    struct str rest = str_from(path);

    while (node != NULL && rest.ptr != NULL) {
        struct str name = str_cut(rest, '/', &rest);

        node = json_get(node, name);
    }
    return node;
}

struct str json_str(const struct json *node)
{
    return node != NULL && node->type == JSON_STRING ? node->text : (struct str){0};
}

bool json_int(const struct json *node, int64_t *out)
{
    struct err ignored;

    return node != NULL && node->type == JSON_NUMBER &&
           num_int(node->text, INT64_MIN, INT64_MAX, out, &ignored) == 0;
}

bool json_double(const struct json *node, double *out)
{
    struct err ignored;

    return node != NULL && node->type == JSON_NUMBER && num_double(node->text, out, &ignored) == 0;
}

bool json_is_true(const struct json *node)
{
    return node != NULL && node->type == JSON_BOOL && node->boolean;
}

const char *json_type_name(enum json_type type)
{
    switch (type) {
    case JSON_NULL: return "null";
    case JSON_BOOL: return "bool";
    case JSON_NUMBER: return "number";
    case JSON_STRING: return "string";
    case JSON_ARRAY: return "array";
    case JSON_OBJECT: return "object";
    }
    return "unknown";
}

/* A member and its place, for sorting by name: members of one name stay in their order. */
struct member {
    const struct json *node;
    size_t index;
};

static int compare_members(const void *left, const void *right)
{
    const struct member *a = left;
    const struct member *b = right;
    int order = str_compare(a->node->key, b->node->key);

    if (order != 0) {
        return order;
    }
    return a->index < b->index ? -1 : a->index > b->index;
}

static void sort_members(const struct json *first, struct member *out, size_t count)
{
    for (size_t i = 0; i < count && first != NULL; i++, first = first->next) {
        out[i] = (struct member){first, i};
    }
    qsort(out, count, sizeof *out, compare_members);
}

int json_find_duplicate(const struct json *object, struct arena *a, const struct json **out,
                        struct err *e)
{
    struct member *members;

    *out = NULL;
    if (object->count < 2) {
        return 0;
    }
    members = arena_array(a, object->count, sizeof *members);
    if (members == NULL) {
        return arena_err(a, e);
    }
    sort_members(object->child, members, object->count);
    for (size_t i = 1; i < object->count; i++) {
        if (str_eq(members[i - 1].node->key, members[i].node->key)) {
            *out = members[i].node;
            return 0;
        }
    }
    return 0;
}

static bool member_equal(const struct json *a, const struct json *b)
{
    return str_eq(a->key, b->key) && json_equal(a, b);
}

/* `count` members from a and from b on, in any order. */
static bool reordered_equal(const struct json *a, const struct json *b, size_t count)
{
    struct member *members = calloc(2 * count, sizeof *members);
    bool equal = members != NULL;

    if (equal) {
        sort_members(a, members, count);
        sort_members(b, members + count, count);
    }
    for (size_t i = 0; equal && i < count; i++) {
        equal = member_equal(members[i].node, members[count + i].node);
    }
    free(members);
    return equal;
}

static bool children_equal(const struct json *a, const struct json *b)
{
    const struct json *x = a->child;
    const struct json *y = b->child;
    size_t left = a->count;

    if (a->count != b->count) {
        return false;
    }
    for (; x != NULL && y != NULL; x = x->next, y = y->next, left--) {
        if (a->type == JSON_OBJECT && !str_eq(x->key, y->key)) {
            return reordered_equal(x, y, left);
        }
        if (!json_equal(x, y)) {
            return false;
        }
    }
    return true;
}

bool json_equal(const struct json *a, const struct json *b)
{
    if (a == NULL || b == NULL || a->type != b->type) {
        return a == b;
    }
    switch (a->type) {
    case JSON_NULL: return true;
    case JSON_BOOL: return a->boolean == b->boolean;
    case JSON_NUMBER:
    case JSON_STRING: return str_eq(a->text, b->text);
    case JSON_ARRAY:
    case JSON_OBJECT: return children_equal(a, b);
    }
    return false;
}
