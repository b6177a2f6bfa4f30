#include "scaler/autoscalers.h"

#include <stdlib.h>

struct autoscaler {
    struct autoscaler *next;
    struct str namespace_, name, deployment; /* in text[] */
    bool seen;
    char text[];
};

static struct autoscaler **find(struct autoscalers *list, struct str namespace_, struct str name)
{
    struct autoscaler **link = &list->first;
    while (*link != NULL &&
           !(str_eq((*link)->name, name) && str_eq((*link)->namespace_, namespace_))) {
        link = &(*link)->next;
    }
    return link;
}

static void unlink_one(struct autoscaler **link)
{
    struct autoscaler *gone = *link;
    *link = gone->next;
    free(gone);
}

int autoscalers_set(struct autoscalers *list, struct str namespace_, struct str hpa,
                    struct str deployment, bool *changed, struct err *e)
{
    struct autoscaler **link = find(list, namespace_, hpa);
    *changed = false;
    if (*link != NULL && deployment.ptr != NULL && str_eq((*link)->deployment, deployment)) {
        (*link)->seen = true;
        return 0;
    }
    struct autoscaler *new = NULL;
    if (deployment.ptr != NULL) {
        new = malloc(sizeof(*new) + namespace_.len + hpa.len + deployment.len);
        if (new == NULL) {
            return err_set(e, ERR_MEMORY, "out of memory for a HorizontalPodAutoscaler");
        }
        char *cursor = new->text;
        new->namespace_ = str_copy_to(&cursor, namespace_);
        new->name = str_copy_to(&cursor, hpa);
        new->deployment = str_copy_to(&cursor, deployment);
        new->seen = true;
    }
    *changed = *link != NULL || new != NULL;
    if (*link != NULL) {
        unlink_one(link);
    }
    if (new != NULL) {
        new->next = list->first;
        list->first = new;
    }
    return 0;
}

struct str autoscalers_target(const struct autoscalers *list, struct str namespace_, struct str hpa)
{
    for (const struct autoscaler *a = list->first; a != NULL; a = a->next) {
        if (str_eq(a->name, hpa) && str_eq(a->namespace_, namespace_)) {
            return a->deployment;
        }
    }
    return (struct str){NULL, 0};
}

struct str autoscalers_of(const struct autoscalers *list, struct str namespace_,
                          struct str deployment)
{
    for (const struct autoscaler *a = list->first; a != NULL; a = a->next) {
        if (str_eq(a->deployment, deployment) && str_eq(a->namespace_, namespace_)) {
            return a->name;
        }
    }
    return (struct str){NULL, 0};
}

static bool listed(const struct autoscaler *a, struct str namespace_)
{
    return namespace_.ptr == NULL || str_eq(a->namespace_, namespace_);
}

void autoscalers_list_begin(struct autoscalers *list, struct str namespace_)
{
    for (struct autoscaler *a = list->first; a != NULL; a = a->next) {
        a->seen = a->seen && !listed(a, namespace_);
    }
}

void autoscalers_list_end(struct autoscalers *list, struct str namespace_)
{
    struct autoscaler **link = &list->first;
    while (*link != NULL) {
        if (!(*link)->seen && listed(*link, namespace_)) {
            unlink_one(link);
        } else {
            link = &(*link)->next;
        }
    }
}

void autoscalers_free(struct autoscalers *list)
{
    while (list->first != NULL) {
        unlink_one(&list->first);
    }
}
