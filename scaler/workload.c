#include "scaler/workload.h"

#include <stdlib.h>
#include <string.h>

enum { BUCKETS_MIN = 64 };

void table_init(struct workload_table *t)
{
    *t = (struct workload_table){0};
}

static void workload_free(struct workload *w)
{
    free(w->texts);
    free(w->readings);
    free(w->announced);
    free(w->calls);
    free(w->records);
    free(w->message);
    free(w->spec_texts);
    free(w);
}

void table_free(struct workload_table *t)
{
    struct table_cursor cursor = {0};
    for (struct workload *w = table_each(t, &cursor); w != NULL; w = table_each(t, &cursor)) {
        workload_free(w);
    }
    free(t->buckets);
    free(t->heap);
    table_init(t);
}

static struct workload **bucket_of(const struct workload_table *t, unsigned long long hash)
{
    return &t->buckets[hash & (t->bucket_count - 1)];
}

struct workload *table_find(const struct workload_table *t, struct str uid)
{
    if (t->bucket_count == 0) {
        return NULL;
    }
    unsigned long long hash = str_hash(uid);
    for (struct workload *w = *bucket_of(t, hash); w != NULL; w = w->next) {
        if (w->hash == hash && str_eq(w->uid, uid)) {
            return w;
        }
    }
    return NULL;
}

/* Room for one more in both structures, so that later steps cannot fail. */
static int make_room(struct workload_table *t, struct err *e)
{
    if (t->count + 1 >= t->heap_capacity) {
        size_t capacity = t->heap_capacity == 0 ? BUCKETS_MIN : t->heap_capacity * 2;
        struct due *heap = realloc(t->heap, capacity * sizeof(struct due));
        if (heap == NULL) {
            return err_set(e, ERR_MEMORY, "out of memory for %zu workloads", capacity);
        }
        t->heap = heap;
        t->heap_capacity = capacity;
    }
    if (t->count < t->bucket_count) {
        return 0;
    }
    struct workload_table wider = *t;
    wider.bucket_count = t->bucket_count == 0 ? BUCKETS_MIN : t->bucket_count * 2;
    wider.buckets = calloc(wider.bucket_count, sizeof(struct workload *));
    if (wider.buckets == NULL) {
        return err_set(e, ERR_MEMORY, "out of memory for %zu workloads", wider.bucket_count);
    }
    struct table_cursor cursor = {0};
    for (struct workload *w = table_each(t, &cursor); w != NULL; w = table_each(t, &cursor)) {
        struct workload **bucket = bucket_of(&wider, w->hash);
        w->next = *bucket;
        *bucket = w;
    }
    free(t->buckets);
    *t = wider;
    return 0;
}

int table_add(struct workload_table *t, const struct deployment *d, struct workload **out,
              struct err *e)
{
    if (make_room(t, e) != 0) {
        return -1;
    }
    struct workload *w = calloc(1, sizeof(*w));
    if (w == NULL || workload_copy_texts(w, d, e) != 0) {
        free(w);
        return err_set(e, ERR_MEMORY, "out of memory for one workload");
    }
    w->logged_reason = REASON_COUNT;
    w->hash = str_hash(w->uid);
    struct workload **bucket = bucket_of(t, w->hash);
    w->next = *bucket;
    *bucket = w;
    t->count++;
    *out = w;
    return 0;
}

void table_remove(struct workload_table *t, struct workload *w)
{
    table_unschedule(t, w);
    struct workload **link = bucket_of(t, w->hash);
    while (*link != w) {
        link = &(*link)->next;
    }
    *link = w->next;
    t->count--;
    workload_free(w);
}

static bool is_ours(const struct kv *item)
{
    return str_starts(item->key, STR(SPEC_PREFIX));
}

static const struct kv *next_ours(const struct kv_list *list, size_t *index)
{
    while (*index < list->count) {
        const struct kv *item = &list->items[(*index)++];
        if (is_ours(item)) {
            return item;
        }
    }
    return NULL;
}

bool workload_same_annotations(const struct workload *w, const struct deployment *d)
{
    size_t index = 0;
    for (size_t i = 0; i < w->annotations.count; i++) {
        const struct kv *theirs = next_ours(&d->annotations, &index);
        const struct kv *mine = &w->annotations.items[i];
        if (theirs == NULL || !str_eq(mine->key, theirs->key) ||
            !str_eq(mine->value, theirs->value)) {
            return false;
        }
    }
    return next_ours(&d->annotations, &index) == NULL;
}

int workload_copy_texts(struct workload *w, const struct deployment *d, struct err *e)
{
    size_t items = 0;
    size_t bytes = d->namespace_.len + d->name.len + d->uid.len;
    size_t index = 0;
    for (const struct kv *i = next_ours(&d->annotations, &index); i != NULL;
         i = next_ours(&d->annotations, &index)) {
        items++;
        bytes += i->key.len + i->value.len;
    }
    bytes += items * sizeof(struct kv);
    struct kv *copies = malloc(bytes + 1);
    if (copies == NULL) {
        return err_set(e, ERR_MEMORY, "out of memory for %zu bytes of annotations", bytes);
    }
    char *cursor = (char *)(copies + items);
    w->namespace_ = str_copy_to(&cursor, d->namespace_);
    w->name = str_copy_to(&cursor, d->name);
    w->uid = str_copy_to(&cursor, d->uid);
    index = 0;
    for (size_t i = 0; i < items; i++) {
        const struct kv *item = next_ours(&d->annotations, &index);
        copies[i].key = str_copy_to(&cursor, item->key);
        copies[i].value = str_copy_to(&cursor, item->value);
    }
    free(w->texts);
    w->texts = copies;
    w->texts_bytes = bytes;
    w->annotations = (struct kv_list){copies, items};
    return 0;
}

static unsigned long long hash_triggers(const struct scale_spec *spec)
{
    unsigned long long hash = spec->trigger_count;
    for (size_t i = 0; i < spec->trigger_count; i++) {
        const struct trigger *t = &spec->triggers[i];
        char threshold[sizeof(t->threshold)];
        memcpy(threshold, &t->threshold, sizeof(threshold));
        hash = hash * 31 + str_hash(t->query);
        hash = hash * 31 + str_hash((struct str){threshold, sizeof(threshold)});
        hash = hash * 31 + (unsigned long long)t->type;
    }
    return hash;
}

/* Each text of a spec that scaling needs; NULL at the end. */
static struct str *spec_text(struct scale_spec *spec, size_t index)
{
    struct str *const places[] = {&spec->endpoint, &spec->workspace, &spec->region,
                                  &spec->role_arn};
    size_t count = sizeof(places) / sizeof(places[0]);
    if (index < count) {
        return places[index];
    }
    size_t trigger = (index - count) / 2;
    if (trigger >= spec->trigger_count) {
        return NULL;
    }
    return (index - count) % 2 == 0 ? &spec->triggers[trigger].name
                                    : &spec->triggers[trigger].query;
}

static bool is_own(const struct workload *w, struct str text)
{
    const char *first = w->texts;
    return text.ptr == NULL || (text.ptr >= first && text.ptr < first + w->texts_bytes);
}

/* *spec with its texts in w->texts or in *out, one block that is new. */
static int keep_texts(const struct workload *w, struct scale_spec *spec, char **out, struct err *e)
{
    size_t bytes = 0, index = 0;
    for (const struct str *s = spec_text(spec, index); s != NULL; s = spec_text(spec, ++index)) {
        bytes += is_own(w, *s) ? 0 : s->len;
    }
    char *block = malloc(bytes + 1), *cursor = block;
    if (block == NULL) {
        return err_set(e, ERR_MEMORY, "out of memory for %zu bytes of a spec", bytes);
    }
    index = 0;
    for (struct str *s = spec_text(spec, index); s != NULL; s = spec_text(spec, ++index)) {
        *s = is_own(w, *s) ? *s : str_copy_to(&cursor, *s);
    }
    *out = block;
    return 0;
}

/* What is of the collector's alone is not kept, nor are its texts. */
static void drop_collector(struct scale_spec *spec)
{
    struct str none = {NULL, 0};
    spec->collector_role_arn = spec->collector_cpu = spec->collector_memory = none;
    spec->scrape_port = spec->scrape_path = spec->refresh = none;
    spec->metrics = NULL;
    spec->metric_count = 0;
}

int workload_set_spec(struct workload *w, const struct scale_spec *spec, struct err *e)
{
    w->spec = (struct scale_spec){0};
    size_t count = spec->trigger_count == 0 ? 1 : spec->trigger_count;
    struct scale_spec kept = *spec;
    char *texts = NULL;
    struct reading *readings = calloc(count, sizeof(struct reading));
    enum reading_kind *announced = calloc(count, sizeof(enum reading_kind));
    void **calls = calloc(count, sizeof(void *));
    struct decide_record *records =
        calloc(decide_memory_records(spec), sizeof(struct decide_record));
    if (readings == NULL || announced == NULL || calls == NULL || records == NULL ||
        keep_texts(w, &kept, &texts, e) != 0) {
        free(readings);
        free(announced);
        free(calls);
        free(records);
        return err_set(e, ERR_MEMORY, "out of memory for %zu triggers", count);
    }
    drop_collector(&kept);
    free(w->readings);
    free(w->announced);
    free(w->calls);
    free(w->records);
    free(w->spec_texts);
    w->spec_texts = texts;
    w->records = records;
    w->readings = readings;
    w->announced = announced;
    w->calls = calls;
    w->spec = kept;
    w->triggers_hash = hash_triggers(&kept);
    decide_memory_init(&w->memory, &kept, records);
    return 0;
}

void workload_take_decision(struct workload *w, const struct decision *d)
{
    size_t bytes = strlen(d->message) + 1;
    w->decision = (struct decided){true, d->replicas, d->reason, d->active, d->fallback};
    if (bytes > w->message_bytes) { /* most are as long as the one before */
        free(w->message);
        w->message = malloc(bytes);
        w->message_bytes = w->message == NULL ? 0 : bytes;
    }
    if (w->message != NULL) {
        memcpy(w->message, d->message, bytes);
    }
}

const char *workload_message(const struct workload *w)
{
    return w->decision.made && w->message != NULL ? w->message : "";
}

static void heap_put(struct workload_table *t, size_t slot, struct due due)
{
    t->heap[slot] = due;
    due.workload->heap_slot = slot;
}

static void sift_up(struct workload_table *t, size_t slot)
{
    struct due due = t->heap[slot];
    while (slot > 1 && t->heap[slot / 2].ms > due.ms) {
        heap_put(t, slot, t->heap[slot / 2]);
        slot /= 2;
    }
    heap_put(t, slot, due);
}

static void sift_down(struct workload_table *t, size_t slot)
{
    struct due due = t->heap[slot];
    for (size_t child = slot * 2; child <= t->heap_count; child = slot * 2) {
        if (child < t->heap_count && t->heap[child + 1].ms < t->heap[child].ms) {
            child++;
        }
        if (t->heap[child].ms >= due.ms) {
            break;
        }
        heap_put(t, slot, t->heap[child]);
        slot = child;
    }
    heap_put(t, slot, due);
}

void table_schedule(struct workload_table *t, struct workload *w, int64_t due_ms)
{
    table_unschedule(t, w);
    w->due_ms = due_ms;
    heap_put(t, ++t->heap_count, (struct due){due_ms, w});
    sift_up(t, t->heap_count);
}

void table_unschedule(struct workload_table *t, struct workload *w)
{
    size_t slot = w->heap_slot;
    if (slot == 0) {
        return;
    }
    w->heap_slot = 0;
    struct due last = t->heap[t->heap_count--];
    if (last.workload == w) {
        return;
    }
    heap_put(t, slot, last);
    sift_up(t, slot);
    sift_down(t, last.workload->heap_slot);
}

void table_shift(struct workload_table *t, int64_t by_ms)
{
    struct table_cursor cursor = {0};
    for (struct workload *w = table_each(t, &cursor); w != NULL; w = table_each(t, &cursor)) {
        w->due_ms += by_ms;
        w->ticked_ms += by_ms;
    }
    for (size_t slot = 1; slot <= t->heap_count; slot++) { /* all of them: their order stays */
        t->heap[slot].ms += by_ms;
    }
}

static bool is_number(struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9') {
            return false;
        }
    }
    return text.len > 0 && text.ptr[0] != '0';
}

static bool is_older(struct str version, struct str than)
{
    if (!is_number(version) || !is_number(than)) {
        return false;
    }
    if (version.len != than.len) {
        return version.len < than.len;
    }
    return memcmp(version.ptr, than.ptr, version.len) < 0;
}

bool workload_take_replicas(struct workload *w, int32_t replicas, struct str version)
{
    if (is_older(version, str_from(w->resource_version))) {
        return false;
    }
    size_t len = version.len < RESOURCE_VERSION_BYTES ? version.len : 0;
    if (len > 0) {
        memcpy(w->resource_version, version.ptr, len);
    }
    w->resource_version[len] = '\0';
    w->replicas = replicas;
    return true;
}

struct workload *table_first_due(const struct workload_table *t)
{
    return t->heap_count == 0 ? NULL : t->heap[1].workload;
}

struct workload *table_each(const struct workload_table *t, struct table_cursor *cursor)
{
    while (cursor->next == NULL && cursor->bucket < t->bucket_count) {
        cursor->next = t->buckets[cursor->bucket++];
    }
    struct workload *w = cursor->next;
    if (w != NULL) {
        cursor->next = w->next;
    }
    return w;
}
