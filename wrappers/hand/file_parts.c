/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Accesses to a file that wait for nobody (lower half).  One with much data is made in
 * parts, between which its thread may park: the file pointer has moved with the data by
 * then, and what has been done is noted for the call made again.
 */
#include "wrappers/hand/p2p.h"
#include "wrappers/hand/slice.h"

struct access {
    const char *function;
    MPI_File file;
    int is_at; /* an offset is given, and the file pointer stays */
    MPI_Offset offset;
    void *buf;
    int count;
    MPI_Datatype type; /* the application's */
    int (*call)(const struct access *a, MPI_Offset offset, void *buf, int count,
                MPI_Datatype real, MPI_Status *status);
};

static int result(const struct access *a, int error)
{
    return error == MPI_SUCCESS ? error : crmpi_file_error(a->file, error, a->function);
}

static int whole(const struct access *a, MPI_Status *status)
{
    int error;

    crmpi_file_alone_begin(a->file);
    error = a->call(a, a->offset, a->buf, a->count, CRMPI_REAL(MPI_Datatype, a->type),
                    status);
    crmpi_file_alone_end(a->file);
    return result(a, error);
}

/* Bytes of what offsets and the file pointer count in; 0: not to be cut. */
static int64_t etype_bytes(const struct access *a)
{
    const struct crmpi_file *file = CRMPI_EXTRA(file, a->file);
    MPI_Count bytes = 1;

    if (!file || file->atomicity || (crmpi_thread_multiple && !a->is_at))
        return 0; /* another thread may move the pointer meanwhile */
    if (file->datarep && PMPI_Type_size_x(CRMPI_REAL(MPI_Datatype, file->etype), &bytes) !=
                             MPI_SUCCESS)
        return 0;
    return bytes;
}

/* How many bytes a part has at most.  Where a view has gaps the library needs about two
 * microseconds for each piece. */
#define VIEW_PARTS 16
static int64_t limit_of(const struct access *a)
{
    const struct crmpi_file *file = CRMPI_EXTRA(file, a->file);
    int64_t limit = file->datarep ? VIEW_PARTS * crmpi_slice_limit(2, file->filetype)
                                  : CRMPI_SLICE_BYTES;

    return limit < CRMPI_SLICE_BYTES ? limit : CRMPI_SLICE_BYTES;
}

/* The first position not before @p at where the data can be cut, and an etype ends. */
static int64_t cut(const struct access *a, int64_t at, int64_t all, int64_t etype)
{
    at = crmpi_slice_cut(a->count, a->type, at);
    while (at < all && at % etype)
        at = crmpi_slice_cut(a->count, a->type, at + etype - at % etype);
    return at < all ? at : all;
}

/* One part; *bytes_out: of data that came. */
static int part(const struct access *a, int64_t from, int64_t to, int64_t etype,
                MPI_Status *status, MPI_Count *bytes_out)
{
    struct crmpi_slice slice = {0};
    int error = crmpi_slice_make(a->type, from, to, &slice);

    if (error == MPI_SUCCESS)
        error = a->call(a, a->offset + from / etype, (char *)a->buf + slice.offset,
                        slice.count, slice.type, status);
    if (error == MPI_SUCCESS)
        error = PMPI_Get_elements_x(status, MPI_BYTE, bytes_out);
    crmpi_slice_free(&slice);
    return error;
}

/* Behind a part that was not read as a whole nothing comes; but the library moves the file
 * pointer as it would have, and no checkpoint parts the one from the other. */
static int in_parts(const struct access *a, int64_t etype, int64_t limit, int64_t all,
                    MPI_Status *status)
{
    struct crmpi_call *call = crmpi_call();
    int64_t done = crmpi_call_resumed() ? call->n_done : 0, got = done, to;
    MPI_Status own, *use = status == MPI_STATUS_IGNORE ? &own : status;
    MPI_Count bytes = 0;
    int error, is_short;

    do {
        call->n_done = done;
        crmpi_park_point();
        call->n_done = 0;
        crmpi_file_alone_begin(a->file);
        do {
            to = done + limit < all ? cut(a, done + limit, all, etype) : all;
            error = part(a, done, to, etype, use, &bytes);
            if (got == done)
                got += bytes;
            done = to;
            is_short = got < done;
        } while (error == MPI_SUCCESS && is_short && done < all);
        if (error == MPI_SUCCESS && done == all)
            error = PMPI_Status_set_elements_x(use, MPI_BYTE, got);
        crmpi_file_alone_end(a->file);
    } while (error == MPI_SUCCESS && done < all);
    return result(a, error);
}

static int access_file(const struct access *a, MPI_Status *status)
{
    int64_t etype, limit, all;

    if (__builtin_expect(!crmpi_is_much(a->count, a->type), 1) ||
        (all = crmpi_slice_bytes(a->count, a->type)) <= CRMPI_SLICE_PIECES ||
        (etype = etype_bytes(a)) == 0 || all % etype || all <= (limit = limit_of(a)))
        return whole(a, status);
    return in_parts(a, etype, limit, all, status);
}

#define REAL CRMPI_REAL(MPI_File, a->file)

static int call_read(const struct access *a, MPI_Offset offset, void *buf, int count,
                     MPI_Datatype real, MPI_Status *status)
{
    return a->is_at ? PMPI_File_read_at(REAL, offset, buf, count, real, status)
                    : PMPI_File_read(REAL, buf, count, real, status);
}

static int call_write(const struct access *a, MPI_Offset offset, void *buf, int count,
                      MPI_Datatype real, MPI_Status *status)
{
    return a->is_at ? PMPI_File_write_at(REAL, offset, buf, count, real, status)
                    : PMPI_File_write(REAL, buf, count, real, status);
}

int crmpi_lower_MPI_File_read(MPI_File fh, void *buf, int count, MPI_Datatype datatype,
                              MPI_Status *status)
{
    return access_file(&(struct access){"MPI_File_read", fh, 0, 0, buf, count, datatype,
                                        call_read},
                       status);
}

int crmpi_lower_MPI_File_read_at(MPI_File fh, MPI_Offset offset, void *buf, int count,
                                 MPI_Datatype datatype, MPI_Status *status)
{
    return access_file(&(struct access){"MPI_File_read_at", fh, 1, offset, buf, count,
                                        datatype, call_read},
                       status);
}

int crmpi_lower_MPI_File_write(MPI_File fh, const void *buf, int count,
                               MPI_Datatype datatype, MPI_Status *status)
{
    return access_file(&(struct access){"MPI_File_write", fh, 0, 0, (void *)(uintptr_t)buf,
                                        count, datatype, call_write},
                       status);
}

int crmpi_lower_MPI_File_write_at(MPI_File fh, MPI_Offset offset, const void *buf,
                                  int count, MPI_Datatype datatype, MPI_Status *status)
{
    return access_file(&(struct access){"MPI_File_write_at", fh, 1, offset,
                                        (void *)(uintptr_t)buf, count, datatype, call_write},
                       status);
}
