/* The README's table of annotations is the contract's, byte for byte.
 *
 * UPDATE_README=1 test_readme, run at the top of the tree, writes it anew. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/spec.h"

static const char BEGIN[] = "<!-- annotations:";
static const char END[] = "<!-- end of annotations -->";

static char *read_readme(void)
{
    FILE *file = fopen("README.md", "rb");
    assert_non_null(file);
    char *text = calloc(1, 1 << 20);
    assert_non_null(text);
    size_t len = fread(text, 1, (1 << 20) - 1, file);
    assert_true(len > 0);
    (void)fclose(file);
    return text;
}

static void write_readme(const char *text, const char *start, const char *end, struct str table)
{
    FILE *file = fopen("README.md", "wb");
    assert_non_null(file);
    (void)fwrite(text, 1, (size_t)(start - text), file);
    (void)fwrite(table.ptr, 1, table.len, file);
    (void)fwrite(end, 1, strlen(end), file);
    assert_int_equal(fclose(file), 0);
}

static void test_table(void **state)
{
    (void)state;
    char *text = read_readme();
    const char *begin = strstr(text, BEGIN);
    assert_non_null(begin);
    const char *start = strchr(begin, '\n') + 1;
    const char *end = strstr(start, END);
    assert_non_null(end);
    struct buf table;
    buf_init(&table, 1 << 16);
    spec_print_table(&table);
    if (getenv("UPDATE_README") != NULL) {
        write_readme(text, start, end, buf_view(&table));
    } else if (!str_eq((struct str){start, (size_t)(end - start)}, buf_view(&table))) {
        buf_append_char(&table, '\0');
        fail_msg("README.md's table of annotations is not the contract's, which is\n%s", table.ptr);
    }
    buf_free(&table);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_table)};
    return cmocka_run_group_tests_name("readme", tests, NULL, NULL);
}
