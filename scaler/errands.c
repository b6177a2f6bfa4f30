#include "scaler/errands.h"

#include <stdlib.h>
#include <string.h>

enum { AT_ONCE = 4 };

void errands_init(struct errands *list, struct kube *kube, struct loop *loop)
{
    *list = (struct errands){.kube = kube};
    lane_init(&list->lane, loop, AT_ONCE);
}

static void errand_free(struct errand *errand)
{
    free(errand->text);
    free(errand);
}

static void come_out(struct errand *errand, const struct err *e)
{
    *errand->link = errand->next;
    if (errand->next != NULL) {
        errand->next->link = errand->link;
    }
    errand->list->count--;
    errand->done(errand, e);
    errand_free(errand);
}

static void answered(void *context, int status, struct str body, const struct err *e)
{
    (void)status;
    (void)body;
    struct errand *errand = context;
    lane_leave(&errand->job);
    come_out(errand, e);
}

static int start(struct lane_job *job, struct err *e)
{
    struct errand *errand = (struct errand *)job;
    if (errand->may != NULL && errand->may(errand, e) != 0) {
        return -1;
    }
    return kube_send(errand->list->kube, &errand->request, answered, errand, &errand->call, e);
}

static void failed(struct lane_job *job, const struct err *e)
{
    come_out((struct errand *)job, e);
}

static int copy_request(struct errand *errand, const struct kube_request *request, struct err *e)
{
    size_t path_bytes = strlen(request->path) + 1;
    errand->text = malloc(path_bytes + request->body.len + 1);
    if (errand->text == NULL) {
        return err_set(e, ERR_MEMORY, "out of memory for a request");
    }
    memcpy(errand->text, request->path, path_bytes);
    if (request->body.len > 0) {
        memcpy(errand->text + path_bytes, request->body.ptr, request->body.len);
    }
    errand->request = *request;
    errand->request.path = errand->text;
    errand->request.body = (struct str){errand->text + path_bytes, request->body.len};
    return 0;
}

int errands_send(struct errands *list, struct errand *errand, const struct kube_request *request,
                 struct err *e)
{
    errand->list = list;
    errand->job.start = start;
    errand->job.failed = failed;
    if (copy_request(errand, request, e) != 0 || lane_enter(&list->lane, &errand->job, e) != 0) {
        errand_free(errand);
        return -1;
    }
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
        lane_leave(&errand->job);
        kube_cancel(errand->call);
        errand_free(errand);
    }
    lane_close(&list->lane);
}
