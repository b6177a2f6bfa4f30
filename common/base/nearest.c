#include "base/nearest.h"

#include <stdbool.h>

enum { WORD_MAX = 64 };

static bool same(char a, char b)
{
    return char_lower(a) == char_lower(b);
}

static size_t min3(size_t a, size_t b, size_t c)
{
    size_t ab = a < b ? a : b;
    return ab < c ? ab : c;
}

/* Optimal string alignment distance (Damerau-Levenshtein where no part is edited twice), three
 * rows at a time; both words at most WORD_MAX bytes. */
static size_t distance(struct str a, struct str b)
{
    size_t rows[3][WORD_MAX + 1];
    size_t *before = rows[0]; /* row i - 2 */
    size_t *last = rows[1];   /* row i - 1 */
    size_t *now = rows[2];
    for (size_t j = 0; j <= b.len; j++) {
        last[j] = j;
    }
    for (size_t i = 1; i <= a.len; i++) {
        now[0] = i;
        for (size_t j = 1; j <= b.len; j++) {
            size_t replace = last[j - 1] + !same(a.ptr[i - 1], b.ptr[j - 1]);
            now[j] = min3(last[j] + 1, now[j - 1] + 1, replace);
            if (i > 1 && j > 1 && same(a.ptr[i - 1], b.ptr[j - 2]) &&
                same(a.ptr[i - 2], b.ptr[j - 1]) && before[j - 2] + 1 < now[j]) {
                now[j] = before[j - 2] + 1;
            }
        }
        size_t *spare = before;
        before = last;
        last = now;
        now = spare;
    }
    return last[b.len];
}

struct str nearest(struct str word, const struct str *candidates, size_t count)
{
    struct str best = {NULL, 0};
    if (word.len == 0 || word.len > WORD_MAX) {
        return best;
    }
    size_t best_distance = word.len < 3 ? 2 : word.len / 3 + 1; /* one more than is allowed */
    for (size_t i = 0; i < count; i++) {
        if (candidates[i].len > WORD_MAX) {
            continue;
        }
        size_t d = distance(word, candidates[i]);
        if (d < best_distance) {
            best_distance = d;
            best = candidates[i];
        }
    }
    return best;
}
