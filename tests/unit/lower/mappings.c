/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * No library below gets memory at the addresses of the upper half; crmpi-host itself does.
 */
#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/syscall.h>

#include "boundary/control.h"
#include "boundary/raw.h"
#include "tests/unit/main.h"

#define BYTES 8192ul

void *library_mmap(void *at, size_t bytes, int flags);
void *library_mmap_by_number(void *at, size_t bytes, int flags);
void *library_mremap(void *old, size_t bytes, void *at);
void *library_shmat(int id, void *at);
int library_sigaltstack(const stack_t *stack, stack_t *old);

static char *const upper = (char *)CRMPI_MAP_ADDR;

static int is_outside(const void *at)
{
    return at != MAP_FAILED &&
           ((uint64_t)at + BYTES <= CRMPI_U0 || (uint64_t)at >= CRMPI_UPPER_END);
}

START_TEST(a_wish_is_not_granted)
{
    void *(*const calls[])(void *, size_t, int) = {library_mmap, library_mmap_by_number};

    for (int i = 0; i < 2; i++) {
        char *const wishes[] = {upper, (char *)CRMPI_U0 - 4096,
                                (char *)CRMPI_UPPER_END - 4096};
        for (int k = 0; k < 3; k++) {
            char *at = calls[i](wishes[k], BYTES, 0);
            ck_assert(is_outside(at));
            at[0] = at[BYTES - 1] = 1;
            ck_assert_int_eq(munmap(at, BYTES), 0);
        }
        ck_assert_ptr_eq(calls[i](upper, BYTES, MAP_FIXED), MAP_FAILED);
        ck_assert_int_eq(errno, EEXIST);
        ck_assert_ptr_eq(calls[i](upper, BYTES, MAP_FIXED_NOREPLACE), MAP_FAILED);
        ck_assert_int_eq(errno, EEXIST);
        ck_assert_ptr_eq(calls[i]((char *)CRMPI_U0 - 4096, BYTES, MAP_FIXED), MAP_FAILED);
    }
}
END_TEST

START_TEST(other_addresses_are)
{
    char *const here = (char *)0x300000000000;
    char *at = library_mmap(here, BYTES, MAP_FIXED_NOREPLACE);

    ck_assert_ptr_eq(at, here);
    ck_assert_ptr_eq(library_mremap(at, BYTES, here + BYTES), here + BYTES);
    ck_assert_ptr_eq(library_mremap(here + BYTES, BYTES, upper), MAP_FAILED);
    ck_assert_int_eq(errno, EINVAL);
    at = mremap(here + BYTES, BYTES, 4 * BYTES, MREMAP_MAYMOVE);
    ck_assert(at != MAP_FAILED);
    ck_assert_int_eq(munmap(at, 4 * BYTES), 0);
    ck_assert_ptr_eq(library_mmap(NULL, 0, 0), MAP_FAILED);
    ck_assert_int_eq(errno, EINVAL);
}
END_TEST

START_TEST(segments_of_system_v)
{
    int id = shmget(IPC_PRIVATE, BYTES, IPC_CREAT | 0600);
    char *at;

    ck_assert_int_ge(id, 0);
    ck_assert_ptr_eq(library_shmat(id, upper), (void *)-1);
    ck_assert_int_eq(errno, EINVAL);
    at = library_shmat(id, NULL);
    shmctl(id, IPC_RMID, NULL);
    ck_assert(is_outside(at));
    ck_assert_int_eq(shmdt(at), 0);
}
END_TEST

START_TEST(crmpi_itself_maps_there)
{
    char *at = crmpi_map(upper, BYTES, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

    ck_assert_ptr_eq(at, upper);
    ck_assert_ptr_eq(crmpi_remap(at, BYTES, BYTES, upper + 2 * BYTES), upper + 2 * BYTES);
    ck_assert_int_eq(munmap(upper + 2 * BYTES, BYTES), 0);
}
END_TEST

START_TEST(no_stack_of_a_library)
{
    static char memory[1 << 16];
    const stack_t wanted = {.ss_sp = memory, .ss_size = sizeof memory};
    stack_t old = {.ss_sp = memory}, now;

    ck_assert_int_eq(library_sigaltstack(&wanted, &old), 0);
    ck_assert_int_eq(old.ss_flags, SS_DISABLE);
    ck_assert_int_eq(crmpi_raw(SYS_sigaltstack, 0, (long)&now, 0, 0, 0, 0), 0);
    ck_assert_ptr_ne(now.ss_sp, memory);
}
END_TEST

UNIT_TESTS("mappings")
{
    CASE("mappings");
    TEST(a_wish_is_not_granted);
    TEST(other_addresses_are);
    TEST(segments_of_system_v);
    TEST(crmpi_itself_maps_there);
    TEST(no_stack_of_a_library);
}
