/* The readers of AWS's answers, of faults and of tokens, on any body: keys that come out can stand
 * in a header.
 */
#include <stdlib.h>

#include "base/awsanswer.h"
#include "fuzz.h"

static void require(bool holds)
{
    if (!holds) {
        abort();
    }
}

static void check_plain(struct str s, size_t most)
{
    require(s.len <= most);
    for (size_t i = 0; i < s.len; i++) {
        require(s.ptr[i] > ' ' && s.ptr[i] <= '~');
    }
}

static void check(int result, const struct aws_answer *answer, const struct err *e)
{
    if (result != 0) {
        require(e->text[0] != '\0');
        return;
    }
    require(answer->access_key.len > 0 && answer->secret_key.len > 0);
    check_plain(answer->access_key, AWSANSWER_KEY_BYTES);
    check_plain(answer->secret_key, AWSANSWER_KEY_BYTES);
    check_plain(answer->session_token, AWSANSWER_TOKEN_BYTES);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct str body = {(const char *)data, size};
    struct aws_answer answer;
    struct err e = ERR_INIT;
    struct arena arena;
    arena_init(&arena, 16 << 20);
    check(awsanswer_sts(body, STR("AssumeRole"), &arena, &answer, &e), &answer, &e);
    check(awsanswer_sts(body, STR("AssumeRoleWithWebIdentity"), &arena, &answer, &e), &answer, &e);
    check(awsanswer_json(body, &arena, &answer, &e), &answer, &e);
    const struct aws_fault fault = awsanswer_fault(body, &arena);
    const struct aws_claims claims = awsanswer_claims(body, &arena);
    require(str_is_utf8(fault.code) && str_is_utf8(fault.message));
    require(str_is_utf8(claims.subject) && claims.expires_ms >= 0);
    arena_wipe(&arena);
    return 0;
}
