/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * See together.h.
 */
#include <stdint.h>

#include "lower/raw.h"
#include "threads/together.h"

static int32_t all_go;    /* a futex word */
static int32_t n_missing; /* threads that are not as they were yet; likewise */

void crmpi_threads_expect(size_t n)
{
    n_missing = (int32_t)n;
}

void crmpi_thread_is_there(void)
{
    __atomic_fetch_sub(&n_missing, 1, __ATOMIC_ACQ_REL);
    crmpi_raw_futex_wake(&n_missing, INT32_MAX);
}

void crmpi_threads_await(void)
{
    while (!__atomic_load_n(&all_go, __ATOMIC_ACQUIRE))
        crmpi_raw_futex_wait(&all_go, 0, NULL);
}

void crmpi_threads_go(void)
{
    int32_t n;

    while ((n = __atomic_load_n(&n_missing, __ATOMIC_ACQUIRE)) > 0)
        crmpi_raw_futex_wait(&n_missing, n, NULL);
    __atomic_store_n(&all_go, 1, __ATOMIC_RELEASE);
    crmpi_raw_futex_wake(&all_go, INT32_MAX);
}
