#include "base/awsanswer.h"

#include "base/awsxml.h"
#include "base/json.h"
#include "base/num.h"

static const struct json_limits LIMITS = {
    .max_depth = 16, .max_values = 512, .duplicates = JSON_DUPLICATES_REFUSE};

/* ---- credentials ---- */

/* It becomes part of a header. */
static bool is_plain(struct str s, size_t max_bytes)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] <= ' ' || s.ptr[i] > '~') {
            return false;
        }
    }
    return s.len > 0 && s.len <= max_bytes;
}

static int check(struct str value, const char *name, size_t max_bytes, struct err *e)
{
    if (value.len == 0) {
        return err_set(e, ERR_INVALID, "the answer has no %s", name);
    }
    if (!is_plain(value, max_bytes)) {
        return err_set(e, ERR_INVALID, "the answer's %s is longer than %zu bytes or no plain text",
                       name, max_bytes);
    }
    return 0;
}

static int finish(struct aws_answer *found, const char *token_name, struct str expiration,
                  struct aws_answer *out, struct err *e)
{
    if (check(found->access_key, "AccessKeyId", AWSANSWER_KEY_BYTES, e) != 0 ||
        check(found->secret_key, "SecretAccessKey", AWSANSWER_KEY_BYTES, e) != 0 ||
        (found->session_token.len > 0 &&
         check(found->session_token, token_name, AWSANSWER_TOKEN_BYTES, e) != 0)) {
        return -1;
    }
    found->expires_ms = INT64_MAX;
    if (expiration.len > 0 && num_time_ms(expiration, &found->expires_ms, e) != 0) {
        return err_set(e, ERR_INVALID, "the answer's Expiration is no time");
    }
    *out = *found;
    return 0;
}

int awsanswer_sts(struct str body, struct str operation, struct arena *a, struct aws_answer *out,
                  struct err *e)
{
    const struct awsxml *root = NULL;
    struct str response, result;
    if (arena_format(a, &response, e, "%.*sResponse", STR_ARG(operation)) != 0 ||
        arena_format(a, &result, e, "%.*sResult/Credentials", STR_ARG(operation)) != 0 ||
        awsxml_parse(body, a, &root, e) != 0) {
        return -1;
    }
    const struct awsxml *at = awsxml_find(root, result.ptr);
    if (!str_eq(root->name, response) || at == NULL) {
        return err_set(e, ERR_INVALID, "the answer is no %.*s with %.*s", STR_ARG(response),
                       STR_ARG(result));
    }
    struct aws_answer found = {.access_key = awsxml_text(at, "AccessKeyId"),
                               .secret_key = awsxml_text(at, "SecretAccessKey"),
                               .session_token = awsxml_text(at, "SessionToken")};
    const struct str expiration = awsxml_text(at, "Expiration");
    if (found.session_token.len == 0 || expiration.len == 0) {
        return err_set(e, ERR_INVALID, "the answer has no %s",
                       expiration.len == 0 ? "Expiration" : "SessionToken");
    }
    return finish(&found, "SessionToken", expiration, out, e);
}

int awsanswer_json(struct str body, struct arena *a, struct aws_answer *out, struct err *e)
{
    const struct json *root = NULL;
    if (json_parse(body, &LIMITS, a, &root, e) != 0) {
        return err_prefix(e, "the answer is not the JSON expected");
    }
    const struct str code = json_str(json_get(root, STR("Code")));
    if (code.len > 0 && !str_eq(code, STR("Success"))) {
        const struct str message = json_str(json_get(root, STR("Message")));
        return err_set(e, ERR_DENIED, "%.*s%s%.*s", STR_ARG(str_slice(code, 0, 64)),
                       message.len > 0 ? ": " : "", STR_ARG(str_slice(message, 0, 256)));
    }
    struct aws_answer found = {.access_key = json_str(json_get(root, STR("AccessKeyId"))),
                               .secret_key = json_str(json_get(root, STR("SecretAccessKey"))),
                               .session_token = json_str(json_get(root, STR("Token")))};
    return finish(&found, "Token", json_str(json_get(root, STR("Expiration"))), out, e);
}

/* ---- faults ---- */

static struct aws_fault fault_of_xml(struct str body, struct arena *a)
{
    const struct awsxml *root = NULL;
    struct err e = ERR_INIT;
    if (awsxml_parse(body, a, &root, &e) != 0) {
        return (struct aws_fault){.code = {NULL, 0}};
    }
    const struct awsxml *error =
        str_eq(root->name, STR("ErrorResponse")) ? awsxml_find(root, "Error") : NULL;
    if (str_eq(root->name, STR("Error"))) {
        error = root;
    }
    return (struct aws_fault){.code = awsxml_text(error, "Code"),
                              .message = awsxml_text(error, "Message")};
}

static struct str either(const struct json *root, struct str one, struct str other)
{
    const struct str found = json_str(json_get(root, one));
    return found.ptr != NULL ? found : json_str(json_get(root, other));
}

static struct aws_fault fault_of_json(struct str body, struct arena *a)
{
    const struct json *root = NULL;
    struct err e = ERR_INIT;
    if (json_parse(body, &LIMITS, a, &root, &e) != 0) {
        return (struct aws_fault){.code = {NULL, 0}};
    }
    struct str code = either(root, STR("code"), STR("__type"));
    const size_t hash = str_find_char(code, '#'); /* "com.amazonaws.sts#ExpiredTokenException" */
    code = hash < code.len ? str_slice(code, hash + 1, code.len) : code;
    return (struct aws_fault){.code =
                                  code.ptr != NULL ? code : json_str(json_get(root, STR("Code"))),
                              .message = either(root, STR("message"), STR("Message"))};
}

struct aws_fault awsanswer_fault(struct str body, struct arena *a)
{
    const struct str text = str_trim(body);
    return str_starts(text, STR("{")) ? fault_of_json(text, a) : fault_of_xml(text, a);
}

/* ---- tokens ---- */

/* Six bits of base64url; 64: none. */
static unsigned bits_of(char c)
{
    if (c >= 'A' && c <= 'Z') {
        return (unsigned)(c - 'A');
    }
    if (char_is_lower(c)) {
        return (unsigned)(c - 'a') + 26;
    }
    if (char_is_digit(c)) {
        return (unsigned)(c - '0') + 52;
    }
    return c == '-' ? 62 : (c == '_' ? 63 : 64);
}

/* Absent when it is no base64url, or memory ran out. */
static struct str decode(struct str text, struct arena *a)
{
    char *out = arena_alloc(a, text.len);
    size_t len = 0;
    unsigned held = 0, bits = 0;
    for (size_t i = 0; out != NULL && i < text.len; i++) {
        const unsigned six = bits_of(text.ptr[i]);
        if (six == 64) {
            return (struct str){NULL, 0};
        }
        held = (held << 6 | six) & 0xfff;
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            out[len++] = (char)(held >> bits & 0xff);
        }
    }
    return (struct str){out, out != NULL ? len : 0};
}

struct aws_claims awsanswer_claims(struct str token, struct arena *a)
{
    struct aws_claims none = {.expires_ms = 0};
    struct str left = {NULL, 0};
    const struct json *root = NULL;
    struct err e = ERR_INIT;
    int64_t expires_s = 0;
    (void)str_cut(str_trim(token), '.', &left);
    if (json_parse(decode(str_cut(left, '.', &left), a), &LIMITS, a, &root, &e) != 0) {
        return none;
    }
    const struct json *audience = json_get(root, STR("aud"));
    if (audience != NULL && audience->type == JSON_ARRAY) {
        audience = audience->child;
    }
    const bool dated = json_int(json_get(root, STR("exp")), &expires_s) && expires_s > 0 &&
                       expires_s < INT64_MAX / 1000;
    return (struct aws_claims){.issuer = json_str(json_get(root, STR("iss"))),
                               .subject = json_str(json_get(root, STR("sub"))),
                               .audience = json_str(audience),
                               .expires_ms = dated ? expires_s * 1000 : 0};
}
