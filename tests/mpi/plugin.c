/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A library for dlopen.c: with data of its own, thread-local data, a constructor, and
 * calls of MPI.
 */
#include <mpi.h>

static int n_constructed;
static long total;
static __thread long in_thread = 3;

__attribute__((constructor)) static void construct(void)
{
    n_constructed++;
}

long plugin_add(long value);
long plugin_in_thread(void);
int plugin_constructed(void);
int plugin_sum(int value, MPI_Comm comm);

long plugin_add(long value)
{
    in_thread += value;
    return total += value;
}

long plugin_in_thread(void)
{
    return in_thread;
}

int plugin_constructed(void)
{
    return n_constructed;
}

int plugin_sum(int value, MPI_Comm comm)
{
    int sum = -1;
    MPI_Allreduce(&value, &sum, 1, MPI_INT, MPI_SUM, comm);
    return sum;
}
