#include "scaler/errands.h"

#include <stdlib.h>

static void unlink_one(struct errand *errand)
{
    *errand->link = errand->next;
    if (errand->next != NULL) {
        errand->next->link = errand->link;
    }
    errand->list->count--;
}

static void came_out(void *context, int status, struct str body, const struct err *e)
{
    (void)status;
    (void)body;
    struct errand *errand = context;
    unlink_one(errand);
    errand->done(errand, e);
    free(errand);
}

int errands_send(struct errands *list, struct errand *errand, const struct kube_request *request,
                 struct err *e)
{
    if (kube_send(list->kube, request, came_out, errand, &errand->call, e) != 0) {
        free(errand);
        return -1;
    }
    errand->list = list;
    errand->next = list->first;
    errand->link = &list->first;
    if (errand->next != NULL) {
        errand->next->link = &errand->next;
    }
    list->first = errand;
    list->count++;
    return 0;
}

void errands_cancel(struct errands *list)
{
    while (list->first != NULL) {
        struct errand *errand = list->first;
        list->first = errand->next;
        if (errand->next != NULL) {
            errand->next->link = &list->first;
        }
        list->count--;
        kube_cancel(errand->call);
        free(errand);
    }
}
