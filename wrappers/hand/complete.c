/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Waiting for requests and testing them (lower half).
 *
 * All of it polls by the library's test functions, also where it waits: a request that is
 * waited for inside Open MPI 4.1 is misreported by MPI_Request_get_status, which the
 * drain needs.  A thread parks inside these polls, when nothing has happened yet: a
 * completion is noted in the request before the next park point.  So the call made again
 * after a restart finds in the requests what had completed.
 */
#include <stdlib.h>

#include "lower/progress.h"
#include "wrappers/hand/p2p.h"

#define N_ON_STACK 64

/* The active request behind a handle; NULL if there is nothing to wait for. */
static inline struct crmpi_request *active(MPI_Request request)
{
    struct crmpi_request *r = crmpi_request_of(request);

    return r->handle.flags & CRMPI_HANDLE_PREDEFINED || !r->active ? NULL : r;
}

/* What is wrong with the arguments. */
static inline int check(int n, const MPI_Request *requests, int has_outputs)
{
    if (n < 0 || !has_outputs)
        return MPI_ERR_ARG;
    if (!requests && n > 0)
        return MPI_ERR_REQUEST;
    for (int i = 0; i < n; i++)
        if (!crmpi_request_is_valid(requests[i]))
            return MPI_ERR_REQUEST;
    return MPI_SUCCESS;
}

/* The object whose error handler is told of a request's error. */
static void *object_of(const struct crmpi_request *r)
{
    return r->operation == CRMPI_ACCESS ? r->object : r->comm;
}

static int tell(void *object, int error, const char *function)
{
    const struct crmpi_handle *handle = object;

    if (handle && handle->kind == CRMPI_WIN)
        return crmpi_win_error(object, error, function);
    if (handle && handle->kind == CRMPI_FILE)
        return crmpi_file_error(object, error, function);
    return crmpi_comm_error(object, error, function);
}

/*
 * The end of a generalized request is given to the program by functions of its own: by the
 * call that completes it, and no other that finds it complete, as MPI_Testall whose flag is
 * false, or MPI_Waitany that gives another.
 */

static inline int is_ready(const struct crmpi_request *r)
{
    return r->complete || (r->operation == CRMPI_GENERALIZED &&
                           __atomic_load_n(&r->generalized->completed, __ATOMIC_ACQUIRE));
}

/* Look once whether crmpi_request_poll() will find it complete; makes progress. */
static inline int poll_ready(struct crmpi_request *r)
{
    if (__builtin_expect(r->operation != CRMPI_GENERALIZED, 1))
        return crmpi_request_poll(r);
    if (!is_ready(r))
        crmpi_progress();
    return is_ready(r);
}

/* Of one that is ready; MPI_Grequest_complete() of another thread may not have returned. */
static inline void complete(struct crmpi_request *r)
{
    while (__builtin_expect(!r->complete, 0) && !crmpi_request_poll(r))
        sched_yield();
}

/* The end of a call that completes one request. */
static int finish(struct crmpi_request *r, MPI_Request *request, MPI_Status *status,
                  const char *function)
{
    void *object;
    int error;

    complete(r);
    error = r->status.MPI_ERROR;
    crmpi_status_give(status, &r->status);
    if (__builtin_expect(error == MPI_SUCCESS, 1)) {
        crmpi_request_retire(r, request);
        return MPI_SUCCESS;
    }
    object = crmpi_hold(object_of(r));
    crmpi_request_retire(r, request);
    error = tell(object, error, function);
    crmpi_drop(object);
    return error;
}

/* The same for calls that complete several: each is taken, then they are judged. */
struct outcome {
    int failed;
    void *object; /* held: of the first that failed */
};

static void outcome_add(struct outcome *outcome, struct crmpi_request *r,
                        MPI_Request *request, MPI_Status *status)
{
    complete(r);
    if (status)
        *status = r->status;
    if (r->status.MPI_ERROR != MPI_SUCCESS && !outcome->failed) {
        outcome->failed = 1;
        outcome->object = crmpi_hold(object_of(r));
    }
    crmpi_request_retire(r, request);
}

static int outcome_end(struct outcome *outcome, const char *function)
{
    int error;

    if (__builtin_expect(!outcome->failed, 1))
        return MPI_SUCCESS;
    error = tell(outcome->object, MPI_ERR_IN_STATUS, function);
    crmpi_drop(outcome->object);
    return error;
}

static int finish_all(int n, MPI_Request *requests, MPI_Status *statuses,
                      const char *function)
{
    struct outcome outcome = {0};

    for (int i = 0; i < n; i++) {
        struct crmpi_request *r = active(requests[i]);
        MPI_Status *status = statuses == MPI_STATUSES_IGNORE ? NULL : &statuses[i];

        if (r)
            outcome_add(&outcome, r, &requests[i], status);
        else if (status)
            *status = crmpi_status_empty;
    }
    return outcome_end(&outcome, function);
}

int crmpi_lower_MPI_Wait(MPI_Request *request, MPI_Status *status)
{
    struct crmpi_request *r;
    int error = check(1, request, 1);

    crmpi_call_resumed();
    if (error != MPI_SUCCESS)
        return crmpi_comm_error(NULL, error, "MPI_Wait");
    r = active(*request);
    if (!r) {
        crmpi_status_give(status, &crmpi_status_empty);
        return MPI_SUCCESS;
    }
    crmpi_request_wait(r);
    return finish(r, request, status, "MPI_Wait");
}

int crmpi_lower_MPI_Test(MPI_Request *request, int *flag, MPI_Status *status)
{
    struct crmpi_request *r;
    int error = !request ? MPI_ERR_REQUEST : check(1, request, flag != NULL);

    crmpi_call_resumed();
    if (error != MPI_SUCCESS)
        return crmpi_comm_error(NULL, error, "MPI_Test");
    r = active(*request);
    if (!r) {
        *flag = 1;
        crmpi_status_give(status, &crmpi_status_empty);
        return MPI_SUCCESS;
    }
    *flag = crmpi_request_poll(r);
    return *flag ? finish(r, request, status, "MPI_Test") : MPI_SUCCESS;
}

int crmpi_lower_MPI_Waitall(int count, MPI_Request array_of_requests[],
                            MPI_Status array_of_statuses[count])
{
    int error = check(count, array_of_requests, 1);

    crmpi_call_resumed();
    if (error != MPI_SUCCESS)
        return crmpi_comm_error(NULL, error, "MPI_Waitall");
    for (int i = 0; i < count; i++) {
        struct crmpi_request *r = active(array_of_requests[i]);
        while (r && !poll_ready(r))
            crmpi_park_point();
    }
    return finish_all(count, array_of_requests, array_of_statuses, "MPI_Waitall");
}

int crmpi_lower_MPI_Testall(int count, MPI_Request array_of_requests[], int *flag,
                            MPI_Status array_of_statuses[count])
{
    int error = check(count, array_of_requests, flag != NULL);

    crmpi_call_resumed();
    if (error != MPI_SUCCESS)
        return crmpi_comm_error(NULL, error, "MPI_Testall");
    *flag = 0;
    for (int i = 0; i < count; i++) {
        struct crmpi_request *r = active(array_of_requests[i]);
        if (r && !poll_ready(r))
            return MPI_SUCCESS;
    }
    *flag = 1;
    return finish_all(count, array_of_requests, array_of_statuses, "MPI_Testall");
}

/*
 * Any and some: the lower requests are polled together.
 */
struct poll_set {
    int n, n_active, n_complete;
    int n_generalized; /* not complete: the program completes them */
    int32_t generation; /* of the newest checkpoint when it was filled */
    MPI_Request *requests; /* the application's */
    MPI_Request *reals, reals_on_stack[N_ON_STACK];
    MPI_Status *statuses, statuses_on_stack[N_ON_STACK];
    int *indices, indices_on_stack[N_ON_STACK];
    void *block;
};

static void set_fill(struct poll_set *set)
{
    set->n_active = set->n_complete = set->n_generalized = 0;
    set->generation = __atomic_load_n(&crmpi_control->park_generation, __ATOMIC_ACQUIRE);
    for (int i = 0; i < set->n; i++) {
        struct crmpi_request *r = active(set->requests[i]);

        set->n_active += r != NULL;
        set->n_complete += r && is_ready(r);
        set->reals[i] = r && !r->complete ? r->handle.real : MPI_REQUEST_NULL;
        if (r && r->operation == CRMPI_GENERALIZED) {
            set->reals[i] = MPI_REQUEST_NULL;
            set->n_generalized++;
        }
    }
}

static int set_begin(struct poll_set *set, int n, MPI_Request *requests)
{
    set->n = n;
    set->requests = requests;
    set->block = NULL;
    set->reals = set->reals_on_stack;
    set->statuses = set->statuses_on_stack;
    set->indices = set->indices_on_stack;
    if (n > N_ON_STACK) {
        set->block =
            malloc(n * (sizeof *set->statuses + sizeof *set->reals + sizeof(int)));
        if (!set->block)
            return MPI_ERR_NO_MEM;
        set->statuses = set->block;
        set->reals = (MPI_Request *)(set->statuses + n);
        set->indices = (int *)(set->reals + n);
    }
    set_fill(set);
    return MPI_SUCCESS;
}

static void set_end(struct poll_set *set)
{
    free(set->block);
}

/* Without others the library has nothing to look at, and makes no progress. */
static int generalized_poll(const struct poll_set *set)
{
    int n = 0;

    if (set->n_generalized == set->n_active)
        crmpi_progress();
    for (int i = 0; i < set->n; i++) {
        struct crmpi_request *r = active(set->requests[i]);

        n += r && r->operation == CRMPI_GENERALIZED && is_ready(r);
    }
    return n;
}

/* Look once; the number of requests that are known to be complete then.  A checkpoint may
 * have completed some.  Who tests in a loop is hardly ever found above, so it parks here. */
static int set_poll(struct poll_set *set)
{
    int n = 0;

    crmpi_poll_point();
    if (set->generation !=
        __atomic_load_n(&crmpi_control->park_generation, __ATOMIC_ACQUIRE))
        set_fill(set);
    if (set->n_complete || set->n_active == 0)
        return set->n_complete;
    crmpi_whole_begin(); /* see crmpi_access_poll() */
    PMPI_Testsome(set->n, set->reals, &n, set->indices, set->statuses);
    for (int k = 0; k < n; k++) {
        int i = set->indices[k];
        struct crmpi_request *r = crmpi_request_of(set->requests[i]);

        r->status = set->statuses[k];
        r->handle.real = set->reals[i];
        crmpi_request_completed(r, r->status.MPI_ERROR);
    }
    crmpi_whole_end();
    set->n_complete = n > 0 ? n : 0;
    if (__builtin_expect(set->n_generalized > 0, 0))
        set->n_complete += generalized_poll(set);
    return set->n_complete;
}

static void set_wait(struct poll_set *set)
{
    while (set->n_active && !set_poll(set))
        crmpi_park_point();
}

/* The first that is complete; MPI_UNDEFINED if none is.  Others stay for the next. */
static int finish_any(struct poll_set *set, int *index, MPI_Status *status,
                      const char *function)
{
    *index = MPI_UNDEFINED;
    for (int i = 0; i < set->n; i++) {
        struct crmpi_request *r = active(set->requests[i]);

        if (r && is_ready(r)) {
            *index = i;
            return finish(r, &set->requests[i], status, function);
        }
    }
    if (set->n_active == 0)
        crmpi_status_give(status, &crmpi_status_empty);
    return MPI_SUCCESS;
}

static int finish_some(struct poll_set *set, int *outcount, int *indices,
                       MPI_Status *statuses, const char *function)
{
    struct outcome outcome = {0};
    int n = 0;

    for (int i = 0; i < set->n; i++) {
        struct crmpi_request *r = active(set->requests[i]);

        if (r && is_ready(r)) {
            outcome_add(&outcome, r, &set->requests[i],
                        statuses == MPI_STATUSES_IGNORE ? NULL : &statuses[n]);
            indices[n++] = i;
        }
    }
    *outcount = set->n_active == 0 ? MPI_UNDEFINED : n;
    return outcome_end(&outcome, function);
}

static int set_check(struct poll_set *set, int n, MPI_Request *requests, int has_outputs,
                     const char *function)
{
    int error = check(n, requests, n <= 0 || has_outputs);

    crmpi_call_resumed();
    if (error == MPI_SUCCESS)
        error = set_begin(set, n, requests);
    return error == MPI_SUCCESS ? error : crmpi_comm_error(NULL, error, function);
}

int crmpi_lower_MPI_Waitany(int count, MPI_Request array_of_requests[], int *index,
                            MPI_Status *status)
{
    struct poll_set set;
    int error = set_check(&set, count, array_of_requests, index != NULL, "MPI_Waitany");

    if (error != MPI_SUCCESS)
        return error;
    set_wait(&set);
    error = finish_any(&set, index, status, "MPI_Waitany");
    set_end(&set);
    return error;
}

int crmpi_lower_MPI_Testany(int count, MPI_Request array_of_requests[], int *index,
                            int *flag, MPI_Status *status)
{
    struct poll_set set;
    int error = set_check(&set, count, array_of_requests, index && flag, "MPI_Testany");

    if (error != MPI_SUCCESS)
        return error;
    set_poll(&set);
    error = finish_any(&set, index, status, "MPI_Testany");
    *flag = *index != MPI_UNDEFINED || set.n_active == 0;
    set_end(&set);
    return error;
}

int crmpi_lower_MPI_Waitsome(int incount, MPI_Request array_of_requests[], int *outcount,
                             int array_of_indices[],
                             MPI_Status array_of_statuses[incount])
{
    struct poll_set set;
    int error = set_check(&set, incount, array_of_requests, outcount && array_of_indices,
                          "MPI_Waitsome");

    if (error != MPI_SUCCESS)
        return error;
    set_wait(&set);
    error =
        finish_some(&set, outcount, array_of_indices, array_of_statuses, "MPI_Waitsome");
    set_end(&set);
    return error;
}

int crmpi_lower_MPI_Testsome(int incount, MPI_Request array_of_requests[], int *outcount,
                             int array_of_indices[],
                             MPI_Status array_of_statuses[incount])
{
    struct poll_set set;
    int error = set_check(&set, incount, array_of_requests, outcount && array_of_indices,
                          "MPI_Testsome");

    if (error != MPI_SUCCESS)
        return error;
    set_poll(&set);
    error =
        finish_some(&set, outcount, array_of_indices, array_of_statuses, "MPI_Testsome");
    set_end(&set);
    return error;
}
