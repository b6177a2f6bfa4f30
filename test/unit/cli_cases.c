#include "cli_cases.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/fmt.h"
#include "golden.h"

enum { PATH_BYTES = 512, OUTPUT_BYTES = 4 << 20 };

static int is_case(const struct dirent *entry)
{
    return str_ends(str_from(entry->d_name), STR(".yaml"));
}

static void update(const char *path, struct str text)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(text.ptr, 1, text.len, file), text.len);
    assert_int_equal(fclose(file), 0);
}

/* True when both are the same. */
static bool compare(const char *path, struct str have, struct str want)
{
    size_t line = 1;
    while (have.len > 0 || want.len > 0) {
        struct str a = str_cut(have, '\n', &have), b = str_cut(want, '\n', &want);
        if (!str_eq(a, b)) {
            print_error("%s:%zu\nhave: %.*s\nwant: %.*s\n", path, line, STR_ARG(a), STR_ARG(b));
            return false;
        }
        line++;
    }
    return true;
}

static bool run_case(const char *area, struct str name,
                     void (*run)(const char *name, struct str yaml, struct buf *out))
{
    char yaml_path[PATH_BYTES], want_path[PATH_BYTES], bare[PATH_BYTES];
    (void)fmt(yaml_path, sizeof(yaml_path), GOLDEN_DIR "/cli/%s/%.*s.yaml", area, STR_ARG(name));
    (void)fmt(want_path, sizeof(want_path), GOLDEN_DIR "/cli/%s/%.*s.want", area, STR_ARG(name));
    (void)fmt(bare, sizeof(bare), "%.*s", STR_ARG(name));
    struct str yaml = golden_read(yaml_path);
    struct buf out;
    struct err e = ERR_INIT;
    bool same = true;
    buf_init(&out, OUTPUT_BYTES);
    run(bare, yaml, &out);
    assert_int_equal(buf_check(&out, &e), 0);
    if (getenv("UPDATE_GOLDEN") != NULL) {
        update(want_path, buf_view(&out));
    } else {
        struct str want = golden_read(want_path);
        same = compare(want_path, buf_view(&out), want);
        golden_free(want);
    }
    golden_free(yaml);
    buf_free(&out);
    return same;
}

void cli_cases(const char *area, void (*run)(const char *name, struct str yaml, struct buf *out))
{
    char folder[PATH_BYTES];
    struct dirent **entries = NULL;
    bool same = true;
    (void)fmt(folder, sizeof(folder), GOLDEN_DIR "/cli/%s", area);
    int count = scandir(folder, &entries, is_case, alphasort);
    assert_true(count > 0);
    for (int i = 0; i < count; i++) {
        struct str name = str_from(entries[i]->d_name);
        same = run_case(area, str_slice(name, 0, name.len - 5), run) && same;
        free(entries[i]);
    }
    free(entries);
    assert_true(same);
}
