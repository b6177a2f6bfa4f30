#include "base/awsini.h"

#include <stddef.h>
#include <string.h>

static const struct {
    struct str key;
    size_t offset; /* of the field, in struct aws_profile */
} KEYS[] = {
    {STR_INIT("aws_access_key_id"), offsetof(struct aws_profile, access_key)},
    {STR_INIT("aws_secret_access_key"), offsetof(struct aws_profile, secret_key)},
    {STR_INIT("aws_session_token"), offsetof(struct aws_profile, session_token)},
    {STR_INIT("role_arn"), offsetof(struct aws_profile, role_arn)},
    {STR_INIT("source_profile"), offsetof(struct aws_profile, source_profile)},
    {STR_INIT("credential_source"), offsetof(struct aws_profile, credential_source)},
    {STR_INIT("web_identity_token_file"), offsetof(struct aws_profile, web_identity_token_file)},
    {STR_INIT("external_id"), offsetof(struct aws_profile, external_id)},
    {STR_INIT("role_session_name"), offsetof(struct aws_profile, role_session_name)},
    {STR_INIT("duration_seconds"), offsetof(struct aws_profile, duration_seconds)},
    {STR_INIT("region"), offsetof(struct aws_profile, region)},
    {STR_INIT("credential_process"), offsetof(struct aws_profile, credential_process)},
    {STR_INIT("mfa_serial"), offsetof(struct aws_profile, mfa_serial)},
    {STR_INIT("sso_session"), offsetof(struct aws_profile, sso_session)},
    {STR_INIT("sso_start_url"), offsetof(struct aws_profile, sso_start_url)},
    {STR_INIT("login_session"), offsetof(struct aws_profile, login_session)},
};

struct reader {
    enum awsini_file kind;
    struct str name;
    struct aws_profile profile;
    unsigned line;      /* 1-based */
    bool in_section;    /* of whatever name */
    bool ours;          /* that section is the profile */
    bool has_key;       /* a key was read in it, at */
    size_t indentation; /* so many blanks */
};

static int wrong(const struct reader *r, struct err *e, const char *what)
{
    return err_set(e, ERR_INVALID, "line %u: %s", r->line, what);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static size_t indentation_of(struct str line)
{
    size_t n = 0;
    while (n < line.len && is_blank(line.ptr[n])) {
        n++;
    }
    return n;
}

/* Without a comment, which begins with a blank and '#' or ';'. */
static struct str value_of(struct str s)
{
    for (size_t i = 1; i < s.len; i++) {
        if ((s.ptr[i] == '#' || s.ptr[i] == ';') && is_blank(s.ptr[i - 1])) {
            return str_trim(str_slice(s, 0, i));
        }
    }
    return str_trim(s);
}

static struct str unquoted(struct str s)
{
    const char quote = s.len >= 2 ? s.ptr[0] : '\0';
    const bool quoted = (quote == '"' || quote == '\'') && s.ptr[s.len - 1] == quote;
    return quoted ? str_slice(s, 1, s.len - 1) : s;
}

/* Whether a section's title is that of the profile. */
static bool is_ours(const struct reader *r, struct str title)
{
    struct str name = {NULL, 0};
    const bool plain = r->kind == AWSINI_CREDENTIALS || str_eq(title, STR("default"));
    if (plain) {
        return str_eq(unquoted(title), r->name);
    }
    const struct str word = str_cut(title, ' ', &name);
    return str_eq(word, STR("profile")) && str_eq(unquoted(str_trim(name)), r->name);
}

static int read_title(struct reader *r, struct str line, struct err *e)
{
    const size_t end = str_find_char(line, ']');
    if (end == line.len) {
        return wrong(r, e, "expected ']' at the end of a section's title");
    }
    r->ours = is_ours(r, str_trim(str_slice(line, 1, end)));
    r->in_section = true;
    r->has_key = false;
    r->profile.found = r->profile.found || r->ours;
    return 0;
}

static void keep(struct reader *r, struct str key, struct str value)
{
    for (size_t i = 0; i < sizeof KEYS / sizeof KEYS[0]; i++) {
        if (str_eq_nocase(KEYS[i].key, key) && value.len > 0) {
            memcpy((char *)&r->profile + KEYS[i].offset, &value, sizeof value);
        }
    }
}

static int read_key(struct reader *r, struct str line, size_t indentation, struct err *e)
{
    struct str value = {NULL, 0};
    const struct str key = str_trim(str_cut(line, '=', &value));
    if (!r->in_section) {
        return wrong(r, e, "expected a section, as in [default]");
    }
    if (r->has_key && indentation > r->indentation) {
        return 0; /* nested below the key before */
    }
    if (value.ptr == NULL || key.len == 0) {
        return wrong(r, e, "expected key = value");
    }
    r->has_key = true;
    r->indentation = indentation;
    if (r->ours) {
        keep(r, key, value_of(value));
    }
    return 0;
}

static int read_line(struct reader *r, struct str line, struct err *e)
{
    const struct str text = str_trim(line);
    if (text.len == 0 || text.ptr[0] == '#' || text.ptr[0] == ';') {
        return 0;
    }
    return text.ptr[0] == '[' ? read_title(r, text, e) : read_key(r, text, indentation_of(line), e);
}

int awsini_read(struct str text, enum awsini_file kind, struct str name, struct aws_profile *out,
                struct err *e)
{
    static const struct str mark = STR_INIT("\xef\xbb\xbf");
    struct reader r = {.kind = kind, .name = name, .profile = *out};
    struct str left = str_starts(text, mark) ? str_slice(text, mark.len, text.len) : text;
    while (left.len > 0) {
        r.line++;
        if (read_line(&r, str_cut(left, '\n', &left), e) != 0) {
            return -1;
        }
    }
    *out = r.profile;
    return 0;
}
