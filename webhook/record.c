#include "webhook/record.h"

#include "base/spec.h"

enum { RECORD_MAX_BYTES = 64 << 10, HASH_DIGITS = 16 };

/* 0: it is none. */
static uint64_t hash_of(struct str hex)
{
    uint64_t value = 0;
    for (size_t i = 0; i < hex.len; i++) {
        char c = hex.ptr[i];
        bool letter = c >= 'a' && c <= 'f';
        if (!letter && !char_is_digit(c)) {
            return 0;
        }
        value = value << 4 | (uint64_t)(letter ? c - 'a' + 10 : c - '0');
    }
    return hex.len == HASH_DIGITS ? value : 0;
}

int record_decode(struct str text, struct arena *a, struct record *out, struct err *e)
{
    struct record none = {0};
    const struct json *root;
    struct err ignored;
    int64_t version;
    if (json_parse(text, &JSON_LIMITS_USER, a, &root, &ignored) != 0) {
        if (ignored.code == ERR_MEMORY) {
            *e = ignored;
            return -1;
        }
        *out = none;
        return 0;
    }
    if (!json_int(json_get(root, STR("version")), &version) || version < 1 || version > 2) {
        *out = none;
        return 0;
    }
    const struct json *parts = version == 2 ? json_get(root, STR("template")) : NULL;
    *out = (struct record){
        .annotations = json_get(root, STR("annotations")),
        .claims_template = parts != NULL && parts->type == JSON_OBJECT,
        .template_inputs = hash_of(json_str(json_get(parts, STR("inputs")))),
    };
    return 0;
}

/* Every default of the contract that we may write, whether it matters to this object or not. */
static bool has_default(struct str key)
{
    /* It scales, may idle and has a fallback, so that all of them matter to it. */
    static const struct scale_spec ALL_MATTER = {.trigger_count = 1,
                                                 .present = UINT64_C(1) << KEY_IDLE_REPLICAS |
                                                            UINT64_C(1) << KEY_FALLBACK_REPLICAS};
    struct str name;
    struct str value;
    for (size_t i = 0; spec_default(&ALL_MATTER, i, &name, &value); i++) {
        if (str_eq(key, name)) {
            return true;
        }
    }
    return false;
}

bool record_proves(const struct record *r, struct str key, struct str value)
{
    const struct json *claim = json_get(r->annotations, key);
    return claim != NULL && claim->type == JSON_STRING && str_eq(claim->text, value) &&
           has_default(key);
}

static void put_map(struct json_writer *w, struct str name, const struct kv_list *map)
{
    json_key(w, name);
    json_begin_object(w);
    for (size_t i = 0; i < map->count; i++) {
        json_member_str(w, map->items[i].key, map->items[i].value);
    }
    json_end_object(w);
}

static void put_hash(struct json_writer *w, uint64_t value)
{
    char digits[HASH_DIGITS];
    for (size_t i = 0; i < HASH_DIGITS; i++) {
        digits[i] = "0123456789abcdef"[value >> (60 - 4 * i) & 15U];
    }
    json_member_str(w, STR("inputs"), (struct str){digits, sizeof(digits)});
}

static void put_template(struct json_writer *w, const struct record_content *c)
{
    json_key(w, STR("template"));
    json_begin_object(w);
    put_hash(w, c->template_inputs);
    json_key(w, STR("initContainers"));
    json_begin_array(w);
    json_put_str(w, STR(COLLECTOR_CONTAINER));
    json_end_array(w);
    json_key(w, STR("volumes"));
    json_begin_array(w);
    for (size_t i = 0; i < VOLUME_COUNT; i++) {
        if (c->sidecar->volumes[i] != NULL) {
            json_put_str(w, COLLECTOR_VOLUMES[i]);
        }
    }
    json_end_array(w);
    json_end_object(w);
}

int record_encode(const struct record_content *c, struct arena *a, struct str *out, struct err *e)
{
    struct buf text;
    struct json_writer w;
    buf_init(&text, RECORD_MAX_BYTES);
    json_writer_init(&w, &text);
    json_begin_object(&w);
    json_member_int(&w, STR("version"), c->sidecar == NULL ? 1 : 2);
    put_hash(&w, c->inputs);
    put_map(&w, STR("labels"), &c->labels);
    put_map(&w, STR("annotations"), &c->annotations);
    if (c->sidecar != NULL) {
        put_template(&w, c);
    }
    json_end_object(&w);
    int status = buf_check(&text, e);
    if (status == 0) {
        status = arena_str(a, buf_view(&text), out, e);
    }
    buf_free(&text);
    return status;
}
