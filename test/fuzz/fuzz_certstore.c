/* The Secret and the webhook configurations from any bytes: what is printed of them reads back. */
#include <stdlib.h>

#include "fuzz.h"
#include "webhook/certstore.h"

static void require(bool holds)
{
    if (!holds) {
        abort();
    }
}

static void check_same(struct str a, struct str b)
{
    require((a.ptr == NULL) == (b.ptr == NULL) && str_eq(a, b));
}

static void check_secret(struct str body, struct arena *a)
{
    struct cert_secret read, again;
    struct err e = ERR_INIT;
    struct buf out;
    if (certstore_read_secret(body, a, &read, &e) != 0) {
        require(e.code != ERR_NONE);
        return;
    }
    buf_init(&out, 4 << 20);
    certstore_print_secret(&read, &read.texts, &out);
    require(!out.failed);
    if (certstore_read_secret(buf_view(&out), a, &again, &e) == 0) {
        check_same(read.texts.cas, again.texts.cas);
        check_same(read.texts.key, again.texts.key);
        check_same(read.texts.leaf, again.texts.leaf);
        check_same(read.texts.leaf_key, again.texts.leaf_key);
    } else {
        require(e.code == ERR_MEMORY || e.code == ERR_LIMIT);
    }
    buf_free(&out);
}

static void check_config(struct str body, struct arena *a)
{
    struct cert_config read;
    struct err e = ERR_INIT;
    struct buf out;
    const struct json *patch;
    if (certstore_read_config(body, STR("s"), STR("n"), a, &read, &e) != 0) {
        require(e.code != ERR_NONE);
        return;
    }
    require(read.hook_count > 0 && read.hook_count <= CERT_HOOKS_MAX);
    buf_init(&out, 4 << 20);
    certstore_print_patch(&read, read.hooks[0].bundle, &out);
    require(!out.failed);
    if (json_parse(buf_view(&out), &JSON_LIMITS_API, a, &patch, &e) == 0) {
        require(patch->count == 2 * read.hook_count);
    } else {
        require(e.code == ERR_MEMORY || e.code == ERR_LIMIT);
    }
    buf_free(&out);
}

static void check_blocks(struct str text)
{
    struct str rest = text, block;
    while (certstore_next_block(&rest, &block)) {
        require(str_starts(block, STR("-----BEGIN CERTIFICATE-----")));
        require(str_ends(block, STR("-----END CERTIFICATE-----")));
        require(rest.len < text.len);
        text = rest;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct str body = {(const char *)data, size};
    struct arena arena;
    arena_init(&arena, 16 << 20);
    check_secret(body, &arena);
    arena_reset(&arena);
    check_config(body, &arena);
    check_blocks(body);
    arena_wipe(&arena);
    return 0;
}
