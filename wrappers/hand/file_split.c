/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Split collective accesses to files (lower half).  Beginning one does all of it, as MPI
 * allows, and ending it gives the status: so none is ever half done at a cut.
 */
#include "wrappers/objects.h"

enum split {
    SPLIT_NONE,
    SPLIT_read_all,
    SPLIT_read_at_all,
    SPLIT_read_ordered,
    SPLIT_write_all,
    SPLIT_write_at_all,
    SPLIT_write_ordered,
};

static struct crmpi_file *file_of(MPI_File file)
{
    return CRMPI_EXTRA(file, file);
}

/* A file has one at a time. */
static int may_begin(MPI_File fh)
{
    return file_of(fh) && file_of(fh)->split ? MPI_ERR_OTHER : MPI_SUCCESS;
}

static MPI_Status *status_of(MPI_File fh)
{
    return file_of(fh) ? &file_of(fh)->split_status : MPI_STATUS_IGNORE;
}

static void begun(MPI_File fh, enum split split, int error)
{
    if (error == MPI_SUCCESS)
        file_of(fh)->split = split;
    crmpi_file_joint_end(fh);
}

static int end(MPI_File fh, enum split split, MPI_Status *status)
{
    struct crmpi_file *file = file_of(fh);

    if (!file)
        return MPI_ERR_FILE;
    if (file->split != (int32_t)split)
        return MPI_ERR_OTHER;
    file->split = SPLIT_NONE;
    if (status != MPI_STATUS_IGNORE) {
        int error = status->MPI_ERROR;
        *status = file->split_status;
        status->MPI_ERROR = error;
    }
    return MPI_SUCCESS;
}

static int result(MPI_File fh, int error, const char *function)
{
    return error == MPI_SUCCESS ? error : crmpi_file_error(fh, error, function);
}

/* KIND: joint, or ordered; BUFFER: the type of one; PARAMS, ARGS: what is before it. */
#define P(...) __VA_ARGS__
#define SPLIT(NAME, KIND, BUFFER, PARAMS, ARGS)                                          \
    int crmpi_lower_MPI_File_##NAME##_begin(PARAMS, BUFFER buf, int count,               \
                                            MPI_Datatype datatype)                       \
    {                                                                                    \
        int error = may_begin(fh);                                                       \
                                                                                         \
        if (error == MPI_SUCCESS) {                                                      \
            crmpi_file_##KIND##_begin(fh);                                               \
            error = PMPI_File_##NAME(ARGS, buf, count,                                   \
                                     CRMPI_REAL(MPI_Datatype, datatype), status_of(fh)); \
            begun(fh, SPLIT_##NAME, error);                                              \
        }                                                                                \
        return result(fh, error, "MPI_File_" #NAME "_begin");                            \
    }                                                                                    \
                                                                                         \
    int crmpi_lower_MPI_File_##NAME##_end(MPI_File fh, BUFFER buf, MPI_Status *status)   \
    {                                                                                    \
        (void)buf;                                                                       \
        return result(fh, end(fh, SPLIT_##NAME, status), "MPI_File_" #NAME "_end");      \
    }

#define FH CRMPI_REAL(MPI_File, fh)

SPLIT(read_all, joint, void *, P(MPI_File fh), P(FH))
SPLIT(read_at_all, joint, void *, P(MPI_File fh, MPI_Offset offset), P(FH, offset))
SPLIT(read_ordered, ordered, void *, P(MPI_File fh), P(FH))
SPLIT(write_all, joint, const void *, P(MPI_File fh), P(FH))
SPLIT(write_at_all, joint, const void *, P(MPI_File fh, MPI_Offset offset), P(FH, offset))
SPLIT(write_ordered, ordered, const void *, P(MPI_File fh), P(FH))
