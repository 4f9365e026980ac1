/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * MPI_Isendrecv and MPI_Isendrecv_replace: several at a time, over steps, with what is sent
 * overwritten at once where that is allowed; typed data, MPI_PROC_NULL, wildcards, truncation;
 * and MPI_Comm_idup_with_info with the hints that come back by MPI_Info_get_string.
 */
#include "message.h"

#define MOST 6 /* under way */

struct exchange {
    MPI_Request request;
    char *out, *in;
    int n_out, n_in, source, dest, tag, replaces;
    long step;
};
static struct exchange exchanges[MOST];
static MPI_Comm comm;

static int size_of(long step, int source)
{
    uint64_t state = check_hash((uint64_t)step, (uint64_t)source);

    return message_size(&state) / 4;
}

static void begin(struct exchange *x, long step)
{
    int shift = (int)(step % check_size);

    x->source = (check_rank + check_size - shift) % check_size;
    x->dest = (check_rank + shift) % check_size;
    x->tag = (int)(step % 30000);
    x->step = step;
    x->replaces = step % 2 == 1;
    x->n_out = size_of(step, x->replaces ? -1 : check_rank);
    x->n_in = size_of(step, x->replaces ? -1 : x->source);
    message_make(x->out, x->n_out, check_rank, x->dest, x->tag, (uint64_t)step);
    if (x->replaces) {
        memcpy(x->in, x->out, (size_t)x->n_out);
        CHECK_MPI(MPI_Isendrecv_replace(x->in, x->n_out, MPI_BYTE, x->dest, x->tag,
                                        x->source, x->tag, comm, &x->request));
    } else {
        memset(x->in, 0xdd, (size_t)x->n_in + 1);
        CHECK_MPI(MPI_Isendrecv(x->out, x->n_out, MPI_BYTE, x->dest, x->tag, x->in,
                                x->n_in, MPI_BYTE, x->source, x->tag, comm, &x->request));
    }
}

static void end(struct exchange *x)
{
    MPI_Status status;
    int flag = 0;

    if (x->step % 3 == 0)
        CHECK_MPI(MPI_Wait(&x->request, &status));
    while (x->step % 3 != 0 && !flag)
        CHECK_MPI(MPI_Test(&x->request, &flag, &status));
    CHECK(x->request == MPI_REQUEST_NULL, "the request is still there");
    MESSAGE_STATUS(&status, x->n_in, x->source, x->tag);
    MESSAGE_CHECK(x->in, x->n_in, x->source, check_rank, x->tag, (uint64_t)x->step);
    check_note((uint64_t)x->n_in);
}

/* A column of a matrix to the right becomes a row; the ends have MPI_PROC_NULL. */
static void line(long step)
{
    int left = check_rank ? check_rank - 1 : MPI_PROC_NULL;
    int right = check_rank < check_size - 1 ? check_rank + 1 : MPI_PROC_NULL;
    int matrix[8][8], row[8];
    MPI_Datatype column;
    MPI_Request request;
    MPI_Status status;

    for (int i = 0; i < 64; i++)
        matrix[i / 8][i % 8] = (int)step + 1000 * check_rank + i;
    memset(row, 0xff, sizeof row);
    CHECK_MPI(MPI_Type_vector(8, 1, 8, MPI_INT, &column));
    CHECK_MPI(MPI_Type_commit(&column));
    CHECK_MPI(MPI_Isendrecv(&matrix[0][3], 1, column, right, 31000, row, 8, MPI_INT, left,
                            MPI_ANY_TAG, comm, &request));
    CHECK_MPI(MPI_Type_free(&column));
    CHECK_MPI(MPI_Wait(&request, &status));
    CHECK_EQ(status.MPI_SOURCE, left);
    for (int i = 0; i < 8; i++)
        CHECK_EQ(row[i],
                 left == MPI_PROC_NULL ? -1 : (int)step + 1000 * left + 8 * i + 3);
}

static void fails(void)
{
    MPI_Errhandler old;
    MPI_Request request;
    int x = 0, error;

    CHECK_MPI(MPI_Comm_get_errhandler(comm, &old));
    CHECK_MPI(MPI_Comm_set_errhandler(comm, MPI_ERRORS_RETURN));
    error = MPI_Isendrecv(&x, 1, MPI_INT, check_size, 1, &x, 1, MPI_INT, 0, 1, comm,
                          &request);
    MPI_Error_class(error, &error);
    CHECK_EQ(error, MPI_ERR_RANK);
    error = MPI_Isendrecv(&x, -1, MPI_INT, 0, 1, &x, 1, MPI_INT, 0, 1, comm, &request);
    MPI_Error_class(error, &error);
    CHECK_EQ(error, MPI_ERR_COUNT);
    CHECK_MPI(MPI_Comm_set_errhandler(comm, old));
    CHECK_MPI(MPI_Errhandler_free(&old));
}

/* The next communicator is made while the old one is used. */
static void renew(long step)
{
    char value[64], expected[64];
    int flag, bytes = 0;
    MPI_Comm next;
    MPI_Info info;
    MPI_Request request;

    snprintf(expected, sizeof expected, "of step %ld", step);
    CHECK_MPI(MPI_Info_create(&info));
    CHECK_MPI(MPI_Info_set(info, "crmpi_test", expected));
    CHECK_MPI(MPI_Info_get_string(info, "crmpi_test", &bytes, NULL, &flag));
    CHECK_EQ(flag, 1);
    CHECK_EQ(bytes, strlen(expected) + 1);
    bytes = 5;
    CHECK_MPI(MPI_Info_get_string(info, "crmpi_test", &bytes, value, &flag));
    CHECK_EQ(bytes, strlen(expected) + 1);
    CHECK(strcmp(value, "of s") == 0, "cut to %s", value);
    CHECK_MPI(MPI_Comm_idup_with_info(comm, info, &next, &request));
    CHECK_MPI(MPI_Info_free(&info));
    line(step);
    CHECK_MPI(MPI_Wait(&request, MPI_STATUS_IGNORE));
    CHECK_MPI(MPI_Comm_free(&comm));
    comm = next;
}

int main(int argc, char **argv)
{
    long step, steps;

    MPI_Init(&argc, &argv);
    steps = check_begin("isendrecv", argc, argv, 4000);
    CHECK_MPI(MPI_Comm_dup(MPI_COMM_WORLD, &comm));
    for (int i = 0; i < MOST; i++) {
        exchanges[i].out = check_alloc(MESSAGE_MAX);
        exchanges[i].in = check_alloc(MESSAGE_MAX + 1);
    }
    fails();
    for (step = 0; step < steps; step++) {
        struct exchange *x = &exchanges[step % MOST];
        if (step >= MOST)
            end(x);
        begin(x, step);
        memset(x->out, 0xee, x->replaces ? (size_t)x->n_out : 0);
        if (step % 10 == 3)
            line(step);
        if (step % 200 == 77) {
            for (long i = step - MOST + 1; i <= step; i++)
                end(&exchanges[i % MOST]);
            renew(step);
            for (long i = step - MOST + 1; i <= step; i++)
                begin(&exchanges[i % MOST], i);
        }
    }
    for (long i = steps > MOST ? steps - MOST : 0; i < steps; i++)
        end(&exchanges[i % MOST]);
    CHECK_MPI(MPI_Comm_free(&comm));
    check_end(steps);
    MPI_Finalize();
    for (int i = 0; i < MOST; i++) {
        free(exchanges[i].out);
        free(exchanges[i].in);
    }
    return 0;
}
