#include "base/yamlobj.h"

#include <stdarg.h>

#include "base/nearest.h"

enum { FIELDS_MAX = 16 };

static void print_place(const struct yamlobj_place *place, struct buf *out)
{
    if (place == NULL) {
        return;
    }
    print_place(place->parent, out);
    if (place->name.ptr == NULL) {
        buf_format(out, "[%zu]", place->index);
    } else {
        buf_format(out, "%s%.*s", out->len > 0 ? "." : "", STR_ARG(place->name));
    }
}

int yamlobj_complain(struct yamlobj_reader *r, const struct json *node,
                     const struct yamlobj_place *place, const char *format, ...)
{
    struct buf text;
    buf_init(&text, 1024);
    print_place(place, &text);
    if (text.len > 0) {
        buf_append(&text, STR(": "));
    }
    va_list args;
    va_start(args, format);
    buf_vformat(&text, format, args);
    va_end(args);
    (void)err_set(r->why, ERR_INVALID, "%.*s (line %u, column %u)", STR_ARG(buf_view(&text)),
                  node->line, node->column);
    buf_free(&text);
    return -1;
}

static int complain_of_unknown(struct yamlobj_reader *r, const struct json *member,
                               const struct yamlobj_field *fields, size_t count,
                               const struct yamlobj_place *place)
{
    struct str names[FIELDS_MAX];
    size_t known = 0;
    for (; known < count && known < FIELDS_MAX; known++) {
        names[known] = fields[known].name;
    }
    struct str near = nearest(member->key, names, known);
    if (near.ptr != NULL) {
        return yamlobj_complain(r, member, place, "unknown field; did you mean %.*s?",
                                STR_ARG(near));
    }
    return yamlobj_complain(r, member, place, "unknown field");
}

int yamlobj_read(struct yamlobj_reader *r, const struct json *node,
                 const struct yamlobj_field *fields, size_t count,
                 const struct yamlobj_place *place, void *out)
{
    if (node->type != JSON_OBJECT) {
        return yamlobj_complain(r, node, place, "expected an object, found %s",
                                json_type_name(node->type));
    }
    for (const struct json *member = node->child; member != NULL; member = member->next) {
        const struct yamlobj_field *field = NULL;
        for (size_t i = 0; i < count && field == NULL; i++) {
            field = str_eq(member->key, fields[i].name) ? &fields[i] : NULL;
        }
        struct yamlobj_place here = {place, member->key, 0};
        if (field == NULL) {
            return complain_of_unknown(r, member, fields, count, &here);
        }
        if (member->type != JSON_NULL &&
            field->read(r, member, field, &here, (char *)out + field->offset) != 0) {
            return -1;
        }
    }
    for (size_t i = 0; i < count; i++) {
        const struct json *member = json_get(node, fields[i].name);
        if (fields[i].required && (member == NULL || member->type == JSON_NULL)) {
            return yamlobj_complain(r, node, place, "%s is missing", fields[i].name.ptr);
        }
    }
    return 0;
}

int yamlobj_int32(struct yamlobj_reader *r, const struct json *node,
                  const struct yamlobj_field *field, const struct yamlobj_place *place, void *out)
{
    int64_t number;
    if (!json_int(node, &number) || number < field->min || number > field->max) {
        return yamlobj_complain(r, node, place, "expected a whole number from %lld to %lld",
                                (long long)field->min, (long long)field->max);
    }
    *(int32_t *)out = (int32_t)number;
    return 0;
}

int yamlobj_word(struct yamlobj_reader *r, const struct json *node,
                 const struct yamlobj_field *field, const struct yamlobj_place *place, void *out)
{
    struct str text = json_str(node);
    struct buf expected;
    for (size_t i = 0; i < field->word_count; i++) {
        if (str_eq(text, field->words[i])) {
            *(unsigned *)out = (unsigned)i;
            return 0;
        }
    }
    buf_init(&expected, 256);
    for (size_t i = 0; i < field->word_count; i++) {
        buf_format(&expected, "%s%s", i > 0 ? ", " : "", field->words[i].ptr);
    }
    int status =
        yamlobj_complain(r, node, place, "expected one of %.*s", STR_ARG(buf_view(&expected)));
    buf_free(&expected);
    return status;
}

int yamlobj_version(struct yamlobj_reader *r, const struct json *node,
                    const struct yamlobj_field *field, const struct yamlobj_place *place, void *out)
{
    int64_t version = 0;
    (void)field;
    (void)out;
    if (!json_int(node, &version) || version != 1) {
        return yamlobj_complain(r, node, place, "expected 1, the version this program knows");
    }
    return 0;
}
