/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Data of one type that become data of another, and types for many bytes (lower half).
 */
#include <limits.h>
#include <stdlib.h>

#include "wrappers/hand/p2p.h"

int crmpi_typed_copy(const void *from, int from_count, MPI_Datatype from_type, void *to,
                     int to_count, MPI_Datatype to_type, MPI_Status *status)
{
    static uint32_t n_copies; /* threads that copy at once have to keep apart */
    int tag = __atomic_fetch_add(&n_copies, 1, __ATOMIC_RELAXED) & 0x7fff;
    MPI_Request in, out;
    MPI_Status received = crmpi_status_empty;
    int error;

    crmpi_whole_begin();
    error = PMPI_Irecv(to, to_count, to_type, 0, tag, crmpi_private_self, &in);
    if (error == MPI_SUCCESS) {
        error = PMPI_Isend(from, from_count, from_type, 0, tag, crmpi_private_self, &out);
        if (error == MPI_SUCCESS) {
            received.MPI_ERROR = crmpi_wait_real(&in, &received);
            crmpi_wait_real(&out, MPI_STATUS_IGNORE);
        } else {
            PMPI_Cancel(&in);
            crmpi_wait_real(&in, MPI_STATUS_IGNORE);
        }
    }
    crmpi_whole_end();
    if (status)
        *status = received;
    return error;
}

int crmpi_bytes_type(uint64_t bytes, int *count_out, MPI_Datatype *type_out)
{
    const int chunk_bytes = 1 << 30;
    MPI_Datatype chunk, parts[2];
    int lengths[2] = {(int)(bytes / chunk_bytes), (int)(bytes % chunk_bytes)};
    MPI_Aint places[2] = {0, (MPI_Aint)(bytes - bytes % chunk_bytes)};
    int error;

    *type_out = MPI_BYTE;
    *count_out = (int)bytes;
    if (bytes <= INT_MAX)
        return MPI_SUCCESS;
    if (bytes / chunk_bytes > INT_MAX)
        return MPI_ERR_COUNT;
    *count_out = 1;
    error = PMPI_Type_contiguous(chunk_bytes, MPI_BYTE, &chunk);
    if (error != MPI_SUCCESS)
        return error;
    parts[0] = chunk;
    parts[1] = MPI_BYTE;
    error = PMPI_Type_create_struct(2, lengths, places, parts, type_out);
    PMPI_Type_free(&chunk);
    if (error == MPI_SUCCESS && (error = PMPI_Type_commit(type_out)) != MPI_SUCCESS)
        PMPI_Type_free(type_out);
    return error;
}

void crmpi_bytes_type_free(MPI_Datatype *type)
{
    if (*type != MPI_BYTE)
        PMPI_Type_free(type);
}

int crmpi_typed_pack(const void *buf, int count, MPI_Datatype type, void **copy_out,
                     int *n_out, MPI_Datatype *bytes_type_out)
{
    MPI_Count element_bytes;
    uint64_t bytes;
    int error;

    if (crmpi_no_type(type))
        return MPI_ERR_TYPE;
    if (count < 0)
        return MPI_ERR_COUNT;
    error = PMPI_Type_size_x(type, &element_bytes);
    if (error != MPI_SUCCESS)
        return error;
    bytes = (uint64_t)element_bytes * count;
    error = crmpi_bytes_type(bytes, n_out, bytes_type_out);
    if (error != MPI_SUCCESS)
        return error;
    *copy_out = malloc(bytes + 1);
    error = *copy_out ? crmpi_typed_copy(buf, count, type, *copy_out, *n_out,
                                         *bytes_type_out, NULL)
                      : MPI_ERR_NO_MEM;
    if (error != MPI_SUCCESS) {
        free(*copy_out);
        crmpi_bytes_type_free(bytes_type_out);
    }
    return error;
}
