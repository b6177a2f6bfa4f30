#include "webhook/record.h"

#include "base/spec.h"

enum { RECORD_MAX_BYTES = 64 << 10 };

int record_decode(struct str text, struct arena *a, struct record *out, struct err *e)
{
    struct record none = {0};
    const struct json *root;
    struct err ignored = ERR_INIT;
    int64_t version;
    if (json_parse(text, &JSON_LIMITS_USER, a, &root, &ignored) != 0) {
        if (ignored.code == ERR_MEMORY) {
            *e = ignored;
            return -1;
        }
        *out = none;
        return 0;
    }
    bool ours = json_int(json_get(root, STR("version")), &version) && version == RECORD_VERSION;
    *out = (struct record){.annotations = ours ? json_get(root, STR("annotations")) : NULL};
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

static void append_hex(struct buf *out, uint64_t value)
{
    for (int shift = 60; shift >= 0; shift -= 4) {
        buf_append_char(out, "0123456789abcdef"[value >> shift & 15U]);
    }
}

int record_encode(uint64_t inputs, const struct kv_list *labels, const struct kv_list *annotations,
                  struct arena *a, struct str *out, struct err *e)
{
    struct buf text;
    struct buf hash;
    struct json_writer w;
    buf_init(&text, RECORD_MAX_BYTES);
    buf_init(&hash, 16);
    append_hex(&hash, inputs);
    json_writer_init(&w, &text);
    json_begin_object(&w);
    json_member_int(&w, STR("version"), RECORD_VERSION);
    json_member_str(&w, STR("inputs"), buf_view(&hash));
    put_map(&w, STR("labels"), labels);
    put_map(&w, STR("annotations"), annotations);
    json_end_object(&w);
    int status = buf_check(&text, e);
    if (status == 0) {
        status = arena_str(a, buf_view(&text), out, e);
    }
    buf_free(&hash);
    buf_free(&text);
    return status;
}
