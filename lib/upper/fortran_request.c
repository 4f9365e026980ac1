/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fortran's ways to complete and free requests (upper half).  Open MPI's own read a
 * request's Fortran number out of the request.
 */
#include <stdlib.h>
#include <string.h>

#include "upper/fortran.h"

#define STATUS_INTS (sizeof(MPI_Status) / sizeof(MPI_Fint))

/* The C side of an array of requests, in one block. */
struct requests {
    int n;
    MPI_Request *c;
    MPI_Status *statuses; /* n of them, or MPI_STATUSES_IGNORE */
};

static int requests_begin(MPI_Fint count, const MPI_Fint *fortran, int want_statuses,
                          struct requests *out)
{
    size_t n = count > 0 ? count : 0;
    void *block = malloc(n * (sizeof(MPI_Request) + sizeof(MPI_Status)) + 1);

    if (!block)
        return crmpi_fortran_no_memory();
    out->n = (int)n;
    out->statuses = want_statuses ? block : MPI_STATUSES_IGNORE;
    out->c = (MPI_Request *)((MPI_Status *)block + n);
    for (size_t i = 0; i < n; i++)
        out->c[i] = PMPI_Request_f2c(fortran[i]);
    return MPI_SUCCESS;
}

/* Whatever the outcome, a request that has become MPI_REQUEST_NULL is so in Fortran too:
 * its number may be another request's soon. */
static void requests_end(struct requests *requests, MPI_Fint *fortran)
{
    for (int i = 0; i < requests->n; i++)
        if (requests->c[i] == MPI_REQUEST_NULL)
            fortran[i] = PMPI_Request_c2f(MPI_REQUEST_NULL);
    free((MPI_Status *)requests->c - requests->n);
}

static void status_give(const MPI_Status *from, MPI_Fint *fortran)
{
    memcpy(fortran, from, sizeof *from); /* the layouts agree, the alignments may not */
}

static int status_wanted(const MPI_Fint *status)
{
    return status != &mpi_fortran_status_ignore_;
}

static int statuses_wanted(const MPI_Fint *statuses)
{
    return statuses != &mpi_fortran_statuses_ignore_ && status_wanted(statuses);
}

static void statuses_give(const struct requests *requests, int n, int error,
                          MPI_Fint *fortran)
{
    if (requests->statuses == MPI_STATUSES_IGNORE ||
        (error != MPI_SUCCESS && error != MPI_ERR_IN_STATUS))
        return;
    for (int i = 0; i < n; i++)
        status_give(&requests->statuses[i], &fortran[i * STATUS_INTS]);
}

static void ompi_wait_f(MPI_Fint *request, MPI_Fint *status, MPI_Fint *ierr)
{
    MPI_Request c = PMPI_Request_f2c(*request);
    MPI_Status c_status;
    int error = PMPI_Wait(&c, &c_status);

    if (c == MPI_REQUEST_NULL)
        *request = PMPI_Request_c2f(c);
    if (error == MPI_SUCCESS && status_wanted(status))
        status_give(&c_status, status);
    crmpi_fortran_return(ierr, error);
}

static void ompi_test_f(MPI_Fint *request, MPI_Fint *flag, MPI_Fint *status,
                        MPI_Fint *ierr)
{
    MPI_Request c = PMPI_Request_f2c(*request);
    MPI_Status c_status;
    int done = 0, error = PMPI_Test(&c, &done, &c_status);

    if (c == MPI_REQUEST_NULL)
        *request = PMPI_Request_c2f(c);
    if (error == MPI_SUCCESS && done && status_wanted(status))
        status_give(&c_status, status);
    *flag = done != 0;
    crmpi_fortran_return(ierr, error);
}

static void ompi_waitall_f(MPI_Fint *count, MPI_Fint *array, MPI_Fint *statuses,
                           MPI_Fint *ierr)
{
    struct requests requests;
    int error = requests_begin(*count, array, statuses_wanted(statuses), &requests);

    if (error == MPI_SUCCESS) {
        error = PMPI_Waitall(*count, requests.c, requests.statuses);
        statuses_give(&requests, requests.n, error, statuses);
        requests_end(&requests, array);
    }
    crmpi_fortran_return(ierr, error);
}

static void ompi_testall_f(MPI_Fint *count, MPI_Fint *array, MPI_Fint *flag,
                           MPI_Fint *statuses, MPI_Fint *ierr)
{
    struct requests requests;
    int done = 0;
    int error = requests_begin(*count, array, statuses_wanted(statuses), &requests);

    if (error == MPI_SUCCESS) {
        error = PMPI_Testall(*count, requests.c, &done, requests.statuses);
        if (done || error != MPI_SUCCESS)
            statuses_give(&requests, requests.n, error, statuses);
        requests_end(&requests, array);
        *flag = done != 0;
    }
    crmpi_fortran_return(ierr, error);
}

/* C counts from 0. */
static MPI_Fint fortran_index(int index)
{
    return index == MPI_UNDEFINED ? index : index + 1;
}

static void ompi_waitany_f(MPI_Fint *count, MPI_Fint *array, MPI_Fint *index,
                           MPI_Fint *status, MPI_Fint *ierr)
{
    struct requests requests;
    MPI_Status c_status;
    int at = MPI_UNDEFINED, error = requests_begin(*count, array, 0, &requests);

    if (error == MPI_SUCCESS) {
        error = PMPI_Waitany(*count, requests.c, &at, &c_status);
        requests_end(&requests, array);
        if (error == MPI_SUCCESS && status_wanted(status))
            status_give(&c_status, status);
        *index = fortran_index(at);
    }
    crmpi_fortran_return(ierr, error);
}

static void ompi_testany_f(MPI_Fint *count, MPI_Fint *array, MPI_Fint *index,
                           MPI_Fint *flag, MPI_Fint *status, MPI_Fint *ierr)
{
    struct requests requests;
    MPI_Status c_status;
    int at = MPI_UNDEFINED, done = 0;
    int error = requests_begin(*count, array, 0, &requests);

    if (error == MPI_SUCCESS) {
        error = PMPI_Testany(*count, requests.c, &at, &done, &c_status);
        requests_end(&requests, array);
        if (error == MPI_SUCCESS && done && status_wanted(status))
            status_give(&c_status, status);
        *index = fortran_index(at);
        *flag = done != 0;
    }
    crmpi_fortran_return(ierr, error);
}

typedef int some_fn(int, MPI_Request *, int *, int *, MPI_Status *);

static void complete_some(some_fn *complete, MPI_Fint *count, MPI_Fint *array,
                          MPI_Fint *outcount, MPI_Fint *indices, MPI_Fint *statuses,
                          MPI_Fint *ierr)
{
    struct requests requests;
    int n = MPI_UNDEFINED;
    int error = requests_begin(*count, array, statuses_wanted(statuses), &requests);

    if (error == MPI_SUCCESS) {
        error = complete(*count, requests.c, &n, indices, requests.statuses);
        if (n != MPI_UNDEFINED) {
            statuses_give(&requests, n, error, statuses);
            for (int i = 0; i < n; i++)
                indices[i]++;
        }
        requests_end(&requests, array);
        *outcount = n;
    }
    crmpi_fortran_return(ierr, error);
}

static void ompi_waitsome_f(MPI_Fint *count, MPI_Fint *array, MPI_Fint *outcount,
                            MPI_Fint *indices, MPI_Fint *statuses, MPI_Fint *ierr)
{
    complete_some(PMPI_Waitsome, count, array, outcount, indices, statuses, ierr);
}

static void ompi_testsome_f(MPI_Fint *count, MPI_Fint *array, MPI_Fint *outcount,
                            MPI_Fint *indices, MPI_Fint *statuses, MPI_Fint *ierr)
{
    complete_some(PMPI_Testsome, count, array, outcount, indices, statuses, ierr);
}

static void ompi_request_free_f(MPI_Fint *request, MPI_Fint *ierr)
{
    MPI_Request c = PMPI_Request_f2c(*request);
    int error = PMPI_Request_free(&c);

    if (error == MPI_SUCCESS)
        *request = PMPI_Request_c2f(c);
    crmpi_fortran_return(ierr, error);
}

CRMPI_FORTRAN(ompi_wait_f)
CRMPI_FORTRAN(ompi_test_f)
CRMPI_FORTRAN(ompi_waitall_f)
CRMPI_FORTRAN(ompi_testall_f)
CRMPI_FORTRAN(ompi_waitany_f)
CRMPI_FORTRAN(ompi_testany_f)
CRMPI_FORTRAN(ompi_waitsome_f)
CRMPI_FORTRAN(ompi_testsome_f)
CRMPI_FORTRAN(ompi_request_free_f)
