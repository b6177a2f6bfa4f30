/* awsini_read on any text, as both kinds of file: values are trimmed parts of one line of it. */
#include <stdlib.h>
#include <string.h>

#include "base/awsini.h"
#include "fuzz.h"

static void require(bool holds)
{
    if (!holds) {
        abort();
    }
}

static void check(struct str text, struct str value)
{
    if (value.ptr == NULL) {
        return;
    }
    require(value.len > 0 && value.ptr >= text.ptr);
    require(value.ptr + value.len <= text.ptr + text.len);
    require(str_find_char(value, '\n') == value.len && str_trim(value).len == value.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct str text = {(const char *)data, size};
    static const enum awsini_file kinds[] = {AWSINI_CONFIG, AWSINI_CREDENTIALS};
    for (size_t i = 0; i < 2; i++) {
        struct aws_profile p = {.found = false};
        struct err e = ERR_INIT;
        if (awsini_read(text, kinds[i], STR("a"), &p, &e) == 0) {
            require(p.found || p.access_key.ptr == NULL);
        } else {
            require(!p.found && strncmp(e.text, "line ", 5) == 0 && strlen(e.text) < 80);
        }
        check(text, p.access_key);
        check(text, p.secret_key);
        check(text, p.role_arn);
        check(text, p.login_session);
    }
    return 0;
}
