#include "golden.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Mismatches of the file being run: all are printed before the test fails. */
static size_t mismatches;

enum { FILE_MAX_BYTES = 16 << 20 };

struct str golden_read(const char *path)
{
    FILE *file;
    char *content = malloc(FILE_MAX_BYTES);
    size_t len;

    file = fopen(path, "rb");
    if (file == NULL || content == NULL) {
        fail_msg("%s: cannot be read", path);
    }
    len = fread(content, 1, FILE_MAX_BYTES - 1, file);
    (void)fclose(file);
    content[len] = '\0';
    return (struct str){content, len};
}

void golden_free(struct str content)
{
    free((void *)(uintptr_t)content.ptr);
}

static int hex_digit(char c)
{
    const char *digits = "0123456789abcdef";
    const char *at = c == '\0' ? NULL : strchr(digits, c);

    return at == NULL ? -1 : (int)(at - digits);
}

/* "%NN" to bytes, in place. */
static struct str decode(char *field, size_t len)
{
    size_t out = 0;

    for (size_t i = 0; i < len; i++, out++) {
        field[out] = field[i];
        if (field[i] == '%' && i + 2 < len && hex_digit(field[i + 1]) >= 0 &&
            hex_digit(field[i + 2]) >= 0) {
            field[out] = (char)(hex_digit(field[i + 1]) * 16 + hex_digit(field[i + 2]));
            i += 2;
        }
    }
    return (struct str){field, out};
}

/* The next line of *rest without its newline; false at the end. */
static bool next_line(struct str *rest, struct str *line)
{
    if (rest->len == 0) {
        return false;
    }
    *line = str_cut(*rest, '\n', rest);
    return true;
}

static void split_fields(struct str line, struct golden_case *c)
{
    struct str rest = line;

    for (c->count = 0; c->count < GOLDEN_FIELDS_MAX && rest.ptr != NULL; c->count++) {
        struct str field = str_cut(rest, '\t', &rest);

        c->fields[c->count] = decode((char *)(uintptr_t)field.ptr, field.len);
    }
}

void golden_table(const char *path, void (*run)(const struct golden_case *c))
{
    struct str content = golden_read(path);
    struct str rest = content;
    struct str line;
    size_t cases = 0;

    mismatches = 0;
    for (unsigned n = 1; next_line(&rest, &line); n++) {
        struct golden_case c = {.path = path, .line = n};

        if (line.len > 0 && line.ptr[0] != '#') {
            split_fields(line, &c);
            run(&c);
            cases++;
        }
    }
    golden_free(content);
    assert_true(cases > 0);
    assert_int_equal(mismatches, 0);
}

void golden_sections(const char *path, void (*run)(const struct golden_case *c))
{
    struct str content = golden_read(path);
    struct str rest = content;
    struct str line;
    struct golden_case c = {.path = path, .count = 3};
    size_t cases = 0;

    mismatches = 0;
    for (unsigned n = 1; next_line(&rest, &line); n++) {
        if (str_starts(line, STR("=== "))) {
            c.line = n;
            c.fields[0] = str_slice(line, 4, line.len);
            c.fields[1] = (struct str){rest.ptr, 0};
        } else if (str_starts(line, STR("=> "))) {
            c.fields[1].len = (size_t)(line.ptr - c.fields[1].ptr);
            c.fields[2] = str_slice(line, 3, line.len);
            run(&c);
            cases++;
        }
    }
    golden_free(content);
    assert_true(cases > 0);
    assert_int_equal(mismatches, 0);
}

struct str golden_field(const struct golden_case *c, size_t i)
{
    return i < c->count ? c->fields[i] : (struct str){0};
}

void golden_expect(const struct golden_case *c, struct str have, struct str want)
{
    if (!str_eq(have, want)) {
        mismatches++;
        print_error("%s:%u: have «%.*s», want «%.*s»\n", c->path, c->line, STR_ARG(have),
                    STR_ARG(want));
    }
}

void golden_expect_int(const struct golden_case *c, const char *what, long long have,
                       long long want)
{
    if (have != want) {
        mismatches++;
        print_error("%s:%u: %s: have %lld, want %lld\n", c->path, c->line, what, have, want);
    }
}

void golden_expect_part(const struct golden_case *c, struct str have, struct str part)
{
    if (part.len == 0 || memmem(have.ptr, have.len, part.ptr, part.len) == NULL) {
        mismatches++;
        print_error("%s:%u: «%.*s» does not hold «%.*s»\n", c->path, c->line, STR_ARG(have),
                    STR_ARG(part));
    }
}
