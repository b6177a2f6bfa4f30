#include "collector/glob.h"

/* Length of the set that begins at glob[at] == '[', its brackets included; 0: it does not end. A
 * ']' that comes first is one of the set. */
static size_t set_length(struct str glob, size_t at)
{
    size_t i = at + 1;
    if (i < glob.len && (glob.ptr[i] == '!' || glob.ptr[i] == '^')) {
        i++;
    }
    for (size_t first = i; i < glob.len; i++) {
        if (glob.ptr[i] == ']' && i > first) {
            return i - at + 1;
        }
    }
    return 0;
}

/* The range or single byte at set[*i]; *i moves behind it. */
static void next_range(struct str set, size_t *i, unsigned char *low, unsigned char *high)
{
    *low = *high = (unsigned char)set.ptr[*i];
    (*i)++;
    if (*i + 1 < set.len && set.ptr[*i] == '-') {
        *high = (unsigned char)set.ptr[*i + 1];
        *i += 2;
    }
}

/* What is between the brackets; *negated: and not one of it. */
static struct str set_inside(struct str glob, size_t at, size_t length, bool *negated)
{
    struct str inside = {glob.ptr + at + 1, length - 2};
    *negated = inside.len > 0 && (inside.ptr[0] == '!' || inside.ptr[0] == '^');
    return *negated ? str_slice(inside, 1, inside.len) : inside;
}

static bool set_has(struct str glob, size_t at, size_t length, char c)
{
    bool negated, found = false;
    struct str inside = set_inside(glob, at, length, &negated);
    for (size_t i = 0; i < inside.len;) {
        unsigned char low, high;
        next_range(inside, &i, &low, &high);
        found = found || ((unsigned char)c >= low && (unsigned char)c <= high);
    }
    return found != negated;
}

static int check_set(struct str glob, size_t at, size_t *length, struct err *e)
{
    bool negated;
    *length = set_length(glob, at);
    if (*length == 0) {
        return err_set(e, ERR_INVALID, "\"%.*s\": the \"[\" at byte %zu has no \"]\"",
                       STR_ARG(glob), at);
    }
    struct str inside = set_inside(glob, at, *length, &negated);
    for (size_t i = 0; i < inside.len;) {
        unsigned char low, high;
        next_range(inside, &i, &low, &high);
        if (low > high) {
            return err_set(e, ERR_INVALID, "\"%.*s\": a range runs backwards: \"%c-%c\"",
                           STR_ARG(glob), low, high);
        }
    }
    return 0;
}

int glob_check(struct str glob, struct err *e)
{
    if (glob.len == 0) {
        return err_set(e, ERR_INVALID, "empty: expected a glob such as \"http_*\"");
    }
    for (size_t i = 0; i < glob.len; i++) {
        size_t length = 1;
        if (glob.ptr[i] == '[' && check_set(glob, i, &length, e) != 0) {
            return -1;
        }
        if (glob.ptr[i] == '\\' && ++i == glob.len) {
            return err_set(e, ERR_INVALID, "\"%.*s\" ends in \"\\\"", STR_ARG(glob));
        }
        i += length - 1;
    }
    return 0;
}

/* Bytes of the glob that stand for one byte of text, at glob[at], which is not '*'. */
static size_t unit_length(struct str glob, size_t at)
{
    switch (glob.ptr[at]) {
    case '[': return set_length(glob, at);
    case '\\': return 2;
    default: return 1; /* a byte as it is, or '?' */
    }
}

static bool unit_has(struct str glob, size_t at, size_t length, char c)
{
    switch (glob.ptr[at]) {
    case '?': return true;
    case '[': return set_has(glob, at, length, c);
    case '\\': return glob.ptr[at + 1] == c;
    default: return glob.ptr[at] == c; /* itself */
    }
}

/* Only the last '*' is ever tried again: an earlier one could do no more than it. */
bool glob_matches(struct str glob, struct str text)
{
    size_t g = 0, t = 0, star = glob.len, from = 0;
    while (t < text.len) {
        if (g < glob.len && glob.ptr[g] == '*') {
            star = g++;
            from = t;
            continue;
        }
        size_t length = g < glob.len ? unit_length(glob, g) : 0;
        if (length > 0 && unit_has(glob, g, length, text.ptr[t])) {
            g += length;
            t++;
        } else if (star < glob.len) {
            g = star + 1;
            t = ++from;
        } else {
            return false;
        }
    }
    while (g < glob.len && glob.ptr[g] == '*') {
        g++;
    }
    return g == glob.len;
}
