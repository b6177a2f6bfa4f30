/* The contract's names and places: URLs, workspaces, regions, roles, ports, paths, quantities and
 * globs. A parser gives the text as it was written, or as Kubernetes would write it.
 */
#include <string.h>

#include "base/num.h"
#include "base/spec_rows.h"
#include "base/yaml.h"

int spec_parse_url(const struct spec_value *v)
{
    struct str rest;
    if (str_starts(v->text, STR("http://"))) {
        rest = str_slice(v->text, sizeof("http://") - 1, v->text.len);
    } else if (str_starts(v->text, STR("https://"))) {
        rest = str_slice(v->text, sizeof("https://") - 1, v->text.len);
    } else {
        return -1;
    }
    if (rest.len == 0 || rest.ptr[0] == '/' || rest.ptr[0] == ':' || v->text.len > 2048) {
        return -1;
    }
    for (size_t i = 0; i < rest.len; i++) {
        unsigned char c = (unsigned char)rest.ptr[i];
        if (c <= ' ' || c >= 0x7f || memchr("?#@\\\"<>", c, 7) != NULL) {
            return -1;
        }
    }
    *(struct str *)v->field = v->text;
    return 0;
}

int spec_parse_workspace(const struct spec_value *v)
{
    if (!str_starts(v->text, STR("ws-")) || v->text.len <= 3 || v->text.len > 64) {
        return -1;
    }
    for (size_t i = 3; i < v->text.len; i++) {
        if (!char_is_lower(v->text.ptr[i]) && !char_is_digit(v->text.ptr[i]) &&
            v->text.ptr[i] != '-') {
            return -1;
        }
    }
    *(struct str *)v->field = v->text;
    return 0;
}

/* Letters, then '-' and words, then '-' and digits: "us-gov-west-1". */
int spec_parse_region(const struct spec_value *v)
{
    struct str rest = v->text;
    size_t words = 0;
    bool number = false;
    while (rest.ptr != NULL) {
        struct str word = str_cut(rest, '-', &rest);
        if (word.len == 0 || word.len > 16 || number) {
            return -1;
        }
        number = char_is_digit(word.ptr[0]);
        for (size_t i = 0; i < word.len; i++) {
            if (number ? !char_is_digit(word.ptr[i]) : !char_is_lower(word.ptr[i])) {
                return -1;
            }
        }
        words++;
    }
    if (!number || words < 3) {
        return -1;
    }
    *(struct str *)v->field = v->text;
    return 0;
}

static bool is_name_char(char c)
{
    return char_is_lower(char_lower(c)) || char_is_digit(c) || c == '_';
}

static bool all_digits(struct str text, size_t count)
{
    for (size_t i = 0; i < text.len; i++) {
        if (!char_is_digit(text.ptr[i])) {
            return false;
        }
    }
    return text.len == count;
}

/* arn:PARTITION:iam::ACCOUNT:role/PATH/NAME. Source: AWS IAM reference, "IAM identifiers". */
int spec_parse_role(const struct spec_value *v)
{
    struct str rest;
    struct str arn = str_cut(v->text, ':', &rest);
    struct str partition = str_cut(rest, ':', &rest);
    struct str service = str_cut(rest, ':', &rest);
    struct str region = str_cut(rest, ':', &rest);
    struct str account = str_cut(rest, ':', &rest);
    if (!str_eq(arn, STR("arn")) || !str_starts(partition, STR("aws")) || partition.len > 16 ||
        !str_eq(service, STR("iam")) || region.len != 0 || !all_digits(account, 12) ||
        !str_starts(rest, STR("role/")) || str_ends(rest, STR("/")) || v->text.len > 2048) {
        return -1;
    }
    for (size_t i = 3; i < partition.len; i++) {
        if (!char_is_lower(partition.ptr[i]) && partition.ptr[i] != '-') {
            return -1;
        }
    }
    for (size_t i = sizeof("role/") - 1; i < rest.len; i++) {
        if (!is_name_char(rest.ptr[i]) && memchr("+=,.@-/", rest.ptr[i], 7) == NULL) {
            return -1;
        }
    }
    *(struct str *)v->field = v->text;
    return 0;
}

/* A name as Kubernetes allows it for a port: IANA_SVC_NAME. Source: apimachinery
 * pkg/util/validation IsValidPortName. */
static bool is_port_name(struct str text)
{
    bool letter = false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        bool dash = c == '-' && i > 0 && i + 1 < text.len && text.ptr[i - 1] != '-';
        if (!char_is_lower(c) && !char_is_digit(c) && !dash) {
            return false;
        }
        letter = letter || char_is_lower(c);
    }
    return letter && text.len <= 15;
}

int spec_parse_port(const struct spec_value *v)
{
    struct err ignored;
    int64_t number;
    bool digits = all_digits(v->text, v->text.len) && v->text.len > 0 && v->text.ptr[0] != '0';
    if (!is_port_name(v->text) && !(digits && num_int(v->text, 1, 65535, &number, &ignored) == 0)) {
        return -1;
    }
    *(struct str *)v->field = v->text;
    return 0;
}

/* No '$': it stands in a container's arguments, where Kubernetes looks for $(VARIABLES), and in its
 * hooks, where it does not. */
int spec_parse_path(const struct spec_value *v)
{
    if (!str_starts(v->text, STR("/")) || v->text.len > 1024) {
        return -1;
    }
    for (size_t i = 0; i < v->text.len; i++) {
        unsigned char c = (unsigned char)v->text.ptr[i];
        if (c <= ' ' || c >= 0x7f || memchr("#$\\\"<>", c, 6) != NULL) {
            return -1;
        }
    }
    *(struct str *)v->field = v->text;
    return 0;
}

int spec_parse_cpu(const struct spec_value *v)
{
    struct err ignored;
    int64_t milli;
    if (num_quantity_milli(v->text, &milli, &ignored) != 0 || milli < 1 || milli > 64000) {
        return -1;
    }
    return milli % 1000 == 0 ? arena_format(v->a, v->field, v->why, "%d", (int)(milli / 1000))
                             : arena_format(v->a, v->field, v->why, "%dm", (int)milli);
}

int spec_parse_memory(const struct spec_value *v)
{
    static const char *const BINARY[] = {"", "Ki", "Mi", "Gi"};
    static const char *const DECIMAL[] = {"", "k", "M", "G"};
    struct err ignored;
    int64_t milli;
    if (num_quantity_milli(v->text, &milli, &ignored) != 0 || milli % 1000 != 0) {
        return -1;
    }
    int64_t bytes = milli / 1000;
    if (bytes < INT64_C(8) << 20 || bytes > INT64_C(16) << 30) {
        return -1;
    }
    const bool binary = bytes % 1024 == 0;
    size_t unit = 0;
    while (unit < 3 && bytes % (binary ? 1024 : 1000) == 0) {
        bytes /= binary ? 1024 : 1000;
        unit++;
    }
    return arena_format(v->a, v->field, v->why, "%lld%s", (long long)bytes,
                        (binary ? BINARY : DECIMAL)[unit]);
}

/* '*', '?', and sets in brackets over the letters of a metric's name. */
static bool is_glob(struct str text)
{
    bool in_set = false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        bool legal = is_name_char(c) || c == ':' ||
                     (in_set ? memchr("]!^-", c, 4) != NULL : memchr("*?[", c, 3) != NULL);
        if (!legal) {
            return false;
        }
        in_set = c == '[' || (in_set && c != ']');
    }
    return text.len > 0 && text.len <= 256 && !in_set;
}

/* Texts of the list into `out`; how many, or -1: not what is expected, or too many. */
static int split_globs(struct str text, struct str out[SPEC_METRICS_MAX])
{
    int count = 0;
    for (struct str rest = text; rest.ptr != NULL;) {
        struct str glob = str_trim(str_cut(rest, ',', &rest));
        if (!is_glob(glob) || count == SPEC_METRICS_MAX) {
            return -1;
        }
        out[count++] = glob;
    }
    return count;
}

static int list_globs(const struct json *list, struct str out[SPEC_METRICS_MAX])
{
    int count = 0;
    for (const struct json *i = list->child; i != NULL; i = i->next) {
        if (!is_glob(json_str(i)) || count == SPEC_METRICS_MAX) {
            return -1;
        }
        out[count++] = i->text;
    }
    return count;
}

/* "a, b" or a YAML list. A glob may begin with a bracket as a YAML list does: what YAML does not
 * understand is a glob. */
int spec_parse_metrics(const struct spec_value *v)
{
    struct scale_spec *spec = v->field;
    struct str globs[SPEC_METRICS_MAX];
    struct err not_yaml = ERR_INIT;
    const struct json *list = NULL;
    if (str_eq(v->text, STR("from-query"))) {
        spec->metrics_from_query = true;
        return 0;
    }
    if (yaml_parse(v->text, &JSON_LIMITS_USER, v->a, &list, &not_yaml) != 0) {
        if (not_yaml.code == ERR_MEMORY) {
            return err_set(v->why, ERR_MEMORY, "%s", not_yaml.text);
        }
        list = NULL;
    }
    int count = list != NULL && list->type == JSON_ARRAY ? list_globs(list, globs)
                                                         : split_globs(v->text, globs);
    if (count <= 0) {
        return -1;
    }
    struct str *kept = arena_array(v->a, (size_t)count, sizeof(*kept));
    if (kept == NULL) {
        return arena_err(v->a, v->why);
    }
    memcpy(kept, globs, (size_t)count * sizeof(*kept));
    spec->metrics = kept;
    spec->metric_count = (size_t)count;
    return 0;
}

int spec_parse_text(const struct spec_value *v)
{
    *(struct str *)v->field = v->text;
    return 0;
}
