/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Calls that make an object, and fail: what they tell, to which handler, and what they leave
 * in the variable that was to get the object.  It goes into the digest.
 */
#ifndef CRMPI_TESTS_MPI_FAILURES_H
#define CRMPI_TESTS_MPI_FAILURES_H

#include "check.h"

static int tells; /* the rank that tells it, and 1 */

/* What a variable holds before the call: memory, in case that a call looks at it. */
static uint64_t mark[512];

/* What handlers have been told since begin(). */
static int n_called, told_class;
static const char *told_of;

static void note(const char *object, int code)
{
    n_called++;
    told_of = object;
    MPI_Error_class(code, &told_class);
}

static void begin(void)
{
    n_called = told_class = 0;
    told_of = "nobody";
}

static uint64_t text_hash(const char *text)
{
    uint64_t hash = 0;

    for (; *text; text++)
        hash = check_hash(hash, (unsigned char)*text);
    return hash;
}

static void outcome(int line, const char *call, int error, const char *left)
{
    int class = -1;

    if (error != MPI_SUCCESS)
        MPI_Error_class(error, &class);
    check_note(check_hash4(text_hash(left), text_hash(told_of), (uint64_t)told_class,
                           check_hash((uint64_t) class, (uint64_t)n_called)));
    if (tells && check_rank == tells - 1)
        printf("%d %.60s: class %d, told %s %d times of %d, %s\n", line, call, class,
               told_of, n_called, told_class, left);
}

/* Make the call with out, a variable of that type, and tell what has become of it. */
#define TRY(Type, none, call)                                                            \
    do {                                                                                 \
        Type out = (Type)(void *)mark;                                                   \
        begin();                                                                         \
        int error_ = (call);                                                             \
        outcome(__LINE__, #call, error_,                                                 \
                error_ == MPI_SUCCESS         ? "made"                                   \
                : out == (Type)(void *)mark   ? "left"                                   \
                : out == (none)               ? "null handle"                            \
                : (void *)out == (void *)NULL ? "NULL"                                   \
                                              : "another");                              \
    } while (0)

/* The same with an object that is to be freed or completed. */
#define TRY_WITH(Type, object, none, call)                                               \
    do {                                                                                 \
        Type out = (object);                                                             \
        begin();                                                                         \
        int error_ = (call);                                                             \
        outcome(__LINE__, #call, error_,                                                 \
                out == (object) ? "left"                                                 \
                : out == (none) ? "null handle"                                          \
                                : "another");                                            \
    } while (0)

/* The same with a number. */
#define TRY_INT(value, call)                                                             \
    do {                                                                                 \
        int out = (value);                                                               \
        begin();                                                                         \
        int error_ = (call);                                                             \
        outcome(__LINE__, #call, error_,                                                 \
                out == (value)              ? "left"                                     \
                : out == MPI_KEYVAL_INVALID ? "invalid"                                  \
                                            : "changed");                                \
    } while (0)

#define TYPE(call) TRY(MPI_Datatype, MPI_DATATYPE_NULL, call)
#define COMM(call) TRY(MPI_Comm, MPI_COMM_NULL, call)
#define GROUP(call) TRY(MPI_Group, MPI_GROUP_NULL, call)
#define REQUEST(call) TRY(MPI_Request, MPI_REQUEST_NULL, call)
#define MESSAGE(call) TRY(MPI_Message, MPI_MESSAGE_NULL, call)
#define INFO(call) TRY(MPI_Info, MPI_INFO_NULL, call)
#define WIN(call) TRY(MPI_Win, MPI_WIN_NULL, call)
#define OPEN(call) TRY(MPI_File, MPI_FILE_NULL, call)
#define OP(call) TRY(MPI_Op, MPI_OP_NULL, call)
#define HANDLER(call) TRY(MPI_Errhandler, MPI_ERRHANDLER_NULL, call)

#endif
