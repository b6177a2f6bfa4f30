/* libyaml's events to a tree. One frame per open collection, at most max_depth of them; no
 * recursion.
 *
 * What libyaml would expand or interpret (anchors, aliases, tags, directives) is refused at its
 * event, so the tree is never larger than the text.
 */
#include "base/yaml.h"

#include <string.h>

#include <yaml.h> /* includes <stdio.h> for interfaces that are not used here */

#include "base/json_internal.h"

/* An open sequence or mapping. */
struct frame {
    struct json *node;
    struct json *last; /* its last child so far */
    struct str key;    /* read, and waiting for its value; absent when a key comes next */
};

struct builder {
    const struct json_limits *limits;
    struct arena *arena;
    struct err *err;
    struct frame *frames;
    size_t depth; /* frames in use */
    size_t values;
    size_t documents;
    struct json *root;
};

static int fail(const struct builder *b, const yaml_mark_t *mark, const char *what)
{
    return err_set(b->err, ERR_INVALID, "YAML line %zu, column %zu: %s", mark->line + 1,
                   mark->column + 1, what);
}

/* Line and column of a byte, for errors that libyaml gives an offset for. */
static yaml_mark_t mark_of(struct str text, size_t offset)
{
    yaml_mark_t mark = {0};

    for (size_t i = 0; i < offset && i < text.len; i++) {
        mark.column++;
        if (text.ptr[i] == '\n') {
            mark.line++;
            mark.column = 0;
        }
    }
    return mark;
}

static int fail_parser(const struct builder *b, struct str text, const yaml_parser_t *parser)
{
    const char *problem = parser->problem != NULL ? parser->problem : "cannot be parsed";
    yaml_mark_t mark = parser->problem_mark;

    if (parser->error == YAML_MEMORY_ERROR) {
        return err_set(b->err, ERR_MEMORY, "YAML: out of memory");
    }
    if (parser->error == YAML_READER_ERROR) {
        mark = mark_of(text, parser->problem_offset);
    }
    if (parser->context == NULL) {
        return fail(b, &mark, problem);
    }
    return err_set(b->err, ERR_INVALID, "YAML line %zu, column %zu: %s %s", mark.line + 1,
                   mark.column + 1, problem, parser->context);
}

/* The frame of the mapping that a key is due in, or NULL. */
static struct frame *frame_wanting_key(const struct builder *b)
{
    struct frame *top = b->depth > 0 ? &b->frames[b->depth - 1] : NULL;

    return top != NULL && top->node->type == JSON_OBJECT && top->key.ptr == NULL ? top : NULL;
}

/* A node where the next value belongs, or NULL with the error set. */
static struct json *add_node(struct builder *b, const yaml_mark_t *mark)
{
    struct frame *top = b->depth > 0 ? &b->frames[b->depth - 1] : NULL;
    struct json *node;

    if (++b->values > b->limits->max_values) {
        (void)err_set(b->err, ERR_LIMIT, "YAML: more than %zu values", b->limits->max_values);
        return NULL;
    }
    node = arena_alloc(b->arena, sizeof *node);
    if (node == NULL) {
        (void)arena_err(b->arena, b->err);
        return NULL;
    }
    node->line = (uint32_t)mark->line + 1;
    node->column = (uint32_t)mark->column + 1;
    if (top == NULL) {
        b->root = node;
    } else {
        node->key = top->key;
        top->key = (struct str){0};
        json_append(top->node, &top->last, node);
    }
    return node;
}

/* A plain scalar by YAML 1.2's JSON schema, with ~ for null. */
static void resolve_plain(struct json *node)
{
    struct str text = node->text;

    node->type = JSON_STRING;
    if (text.len == 0 || str_eq(text, STR("~")) || str_eq(text, STR("null"))) {
        node->type = JSON_NULL;
    } else if (str_eq(text, STR("true")) || str_eq(text, STR("false"))) {
        node->type = JSON_BOOL;
        node->boolean = text.ptr[0] == 't';
    } else if (json_is_number(text)) {
        node->type = JSON_NUMBER;
    }
    if (node->type == JSON_NULL || node->type == JSON_BOOL) {
        node->text = (struct str){0};
    }
}

static int refuse_properties(const struct builder *b, const yaml_event_t *event,
                             const yaml_char_t *anchor, const yaml_char_t *tag)
{
    if (anchor != NULL) {
        return fail(b, &event->start_mark, "anchors are not supported: write the value out");
    }
    if (tag != NULL) {
        return fail(b, &event->start_mark, "tags are not supported");
    }
    return 0;
}

static int add_scalar(struct builder *b, const yaml_event_t *event)
{
    struct str value = {(const char *)event->data.scalar.value, event->data.scalar.length};
    bool plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    struct frame *wanting = frame_wanting_key(b);
    struct json *node;
    struct str copy;

    if (refuse_properties(b, event, event->data.scalar.anchor, event->data.scalar.tag) != 0) {
        return -1;
    }
    if (wanting != NULL && plain && value.len == 0) {
        return fail(b, &event->start_mark, "a key is missing");
    }
    if (arena_str(b->arena, value, &copy, b->err) != 0) {
        return -1;
    }
    if (wanting != NULL) {
        wanting->key = copy;
        return 0;
    }
    node = add_node(b, &event->start_mark);
    if (node == NULL) {
        return -1;
    }
    node->type = JSON_STRING;
    node->text = copy;
    if (plain) {
        resolve_plain(node);
    }
    return 0;
}

static int open_collection(struct builder *b, const yaml_event_t *event, enum json_type type)
{
    struct json *node;

    if (frame_wanting_key(b) != NULL) {
        return fail(b, &event->start_mark, "a key must be a scalar");
    }
    if (b->depth >= b->limits->max_depth) {
        return err_set(b->err, ERR_LIMIT, "YAML line %zu, column %zu: nested deeper than %zu",
                       event->start_mark.line + 1, event->start_mark.column + 1,
                       b->limits->max_depth);
    }
    node = add_node(b, &event->start_mark);
    if (node == NULL) {
        return -1;
    }
    node->type = type;
    b->frames[b->depth++] = (struct frame){.node = node};
    return 0;
}

static int close_collection(struct builder *b)
{
    const struct json *node = b->frames[--b->depth].node;
    const struct json *duplicate = NULL;

    if (node->type == JSON_OBJECT && json_find_duplicate(node, b->arena, &duplicate, b->err) != 0) {
        return -1;
    }
    if (duplicate == NULL) {
        return 0;
    }
    return err_set(b->err, ERR_INVALID, "YAML line %u, column %u: the key \"%.*s\" appears twice",
                   duplicate->line, duplicate->column, STR_ARG(duplicate->key));
}

static int start_document(struct builder *b, const yaml_event_t *event)
{
    if (b->documents++ > 0) {
        return fail(b, &event->start_mark, "a second document: expected one");
    }
    if (event->data.document_start.version_directive != NULL ||
        event->data.document_start.tag_directives.start !=
            event->data.document_start.tag_directives.end) {
        return fail(b, &event->start_mark, "directives are not supported");
    }
    return 0;
}

static int handle(struct builder *b, const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT: return start_document(b, event);
    case YAML_ALIAS_EVENT:
        return fail(b, &event->start_mark, "aliases are not supported: write the value out");
    case YAML_SCALAR_EVENT: return add_scalar(b, event);
    case YAML_SEQUENCE_START_EVENT:
        return refuse_properties(b, event, event->data.sequence_start.anchor,
                                 event->data.sequence_start.tag) != 0
                   ? -1
                   : open_collection(b, event, JSON_ARRAY);
    case YAML_MAPPING_START_EVENT:
        return refuse_properties(b, event, event->data.mapping_start.anchor,
                                 event->data.mapping_start.tag) != 0
                   ? -1
                   : open_collection(b, event, JSON_OBJECT);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT: return close_collection(b);
    case YAML_STREAM_END_EVENT:
        return b->root != NULL || add_node(b, &event->start_mark) != NULL ? 0 : -1;
    case YAML_NO_EVENT:
    case YAML_STREAM_START_EVENT:
    case YAML_DOCUMENT_END_EVENT: return 0;
    }
    return 0;
}

/* libyaml reads UTF-16 too, and would tell of a wrong byte only when it gets there. */
static int check_utf8(const struct builder *b, struct str text)
{
    yaml_mark_t mark;
    size_t at = 0;

    if (str_is_utf8(text)) {
        return 0;
    }
    for (size_t n = 1; n != 0; at += n) {
        n = str_utf8_length(text, at);
    }
    mark = mark_of(text, at);
    return fail(b, &mark, "expected valid UTF-8");
}

static int run(struct builder *b, struct str text, yaml_parser_t *parser)
{
    bool more = true;

    while (more) {
        __attribute__((cleanup(yaml_event_delete))) yaml_event_t event = {0};

        if (yaml_parser_parse(parser, &event) == 0) {
            return fail_parser(b, text, parser);
        }
        if (handle(b, &event) != 0) {
            return -1;
        }
        more = event.type != YAML_STREAM_END_EVENT;
    }
    return 0;
}

int yaml_parse(struct str text, const struct json_limits *limits, struct arena *a,
               const struct json **out, struct err *e)
{
    struct builder b = {.limits = limits, .arena = a, .err = e};
    __attribute__((cleanup(yaml_parser_delete))) yaml_parser_t parser = {0};

    if (check_utf8(&b, text) != 0) {
        return -1;
    }
    b.frames = arena_array(a, limits->max_depth, sizeof *b.frames);
    if (b.frames == NULL) {
        return arena_err(a, e);
    }
    if (yaml_parser_initialize(&parser) == 0) {
        return err_set(e, ERR_MEMORY, "YAML: out of memory");
    }
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser, (const unsigned char *)(text.len > 0 ? text.ptr : ""),
                                 text.len);
    if (run(&b, text, &parser) != 0) {
        return -1;
    }
    *out = b.root;
    return 0;
}
