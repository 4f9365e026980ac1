/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Unit tests of the virtual handles: lists, references, Fortran numbers and the way back
 * from a lower handle, also with tens of thousands of them and after a restart.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include "base/log.h"
#include "boundary/control.h"
#include "handle/handle.h"
#include "../main.h"

#define N 20000

static int n_destroyed;
static struct crmpi_handle *handles[N];
static struct crmpi_handles *root;

static void destroy(struct crmpi_handle *handle)
{
    ck_assert_uint_eq(handle->magic, CRMPI_HANDLE_MAGIC);
    n_destroyed++;
}

static void setup(void)
{
    void *page = mmap(crmpi_control, CRMPI_CONTROL_BYTES, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

    ck_assert_ptr_eq(page, crmpi_control);
    root = crmpi_handles_create();
    crmpi_handle_set_destroy(CRMPI_TYPE, destroy);
}

/* Any addresses that differ will do. */
static void *real_of(int i)
{
    return (void *)(uintptr_t)(0x7f0000000000 + 64 * (uintptr_t)i);
}

static int has_extra(struct crmpi_handle *handle, void *extra)
{
    return handle->extra == extra;
}

START_TEST(test_lists)
{
    struct crmpi_handle *a = crmpi_handle_create(CRMPI_GROUP, real_of(1), 8);
    struct crmpi_handle *b = crmpi_handle_create(CRMPI_GROUP, real_of(2), 8);
    struct crmpi_handle *c = crmpi_handle_create(CRMPI_GROUP, real_of(3), 8);

    ck_assert_ptr_eq(crmpi_handle_first(CRMPI_GROUP), a);
    ck_assert_ptr_eq(crmpi_handle_find(CRMPI_GROUP, has_extra, b->extra), b);
    ck_assert(a->serial < b->serial && b->serial < c->serial);
    crmpi_handle_release(b);
    ck_assert_ptr_eq(a->next, c);
    crmpi_handle_release(a);
    ck_assert_ptr_eq(crmpi_handle_first(CRMPI_GROUP), c);
    crmpi_handle_release(c);
    ck_assert_ptr_null(crmpi_handle_first(CRMPI_GROUP));
}
END_TEST

START_TEST(test_references)
{
    struct crmpi_handle *type = crmpi_handle_create(CRMPI_TYPE, NULL, 16);

    crmpi_handle_hold(type);
    crmpi_handle_release(type);
    ck_assert_int_eq(n_destroyed, 0);
    ck_assert_ptr_null(crmpi_handle_real(NULL));
    crmpi_handle_set_real(type, real_of(1));
    ck_assert_ptr_eq(crmpi_handle_real(type), real_of(1));
    crmpi_handle_release(type);
    ck_assert_int_eq(n_destroyed, 1);
    ck_assert_ptr_null(crmpi_handle_of_real(CRMPI_TYPE, real_of(1)));
}
END_TEST

START_TEST(test_predefined)
{
    static char memory[256];
    struct crmpi_handle *world = (struct crmpi_handle *)memory;

    memset(memory, 0xff, sizeof memory);
    crmpi_handle_predefine(world, CRMPI_COMM, real_of(7));
    crmpi_handle_hold(world);
    crmpi_handle_release(world);
    crmpi_handle_release(world);
    ck_assert_ptr_eq(crmpi_handle_of_real(CRMPI_COMM, real_of(7)), world);
    ck_assert_ptr_null(crmpi_handle_of_real(CRMPI_TYPE, real_of(7)));
    ck_assert_int_eq(crmpi_handle_c2f(world), -1);
    crmpi_handle_set_fortran(world, 3);
    ck_assert_int_eq(crmpi_handle_c2f(world), 3);
    ck_assert_ptr_eq(crmpi_handle_f2c(CRMPI_COMM, 3), world);
    ck_assert_ptr_null(crmpi_handle_f2c(CRMPI_TYPE, 3));
}
END_TEST

/* Free some at random, and look whether all others are found. */
START_TEST(test_back_from_real)
{
    for (int i = 0; i < N; i++) {
        handles[i] = crmpi_handle_create(CRMPI_TYPE, NULL, 0);
        crmpi_handle_set_real(handles[i], real_of(i));
    }
    srand(1);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < N; i++)
            if (handles[i] && rand() % 2) {
                crmpi_handle_release(handles[i]);
                handles[i] = NULL;
            }
        for (int i = 0; i < N; i++)
            ck_assert_ptr_eq(crmpi_handle_of_real(CRMPI_TYPE, real_of(i)), handles[i]);
    }
}
END_TEST

START_TEST(test_numbers)
{
    struct crmpi_handle *again;

    for (int i = 0; i < 1000; i++) {
        handles[i] = crmpi_handle_create(CRMPI_TYPE, NULL, 0);
        ck_assert_int_ge(crmpi_handle_c2f(handles[i]), CRMPI_HANDLE_FORTRAN_BASE);
    }
    for (int i = 0; i < 1000; i++) {
        ck_assert_int_eq(crmpi_handle_c2f(handles[i]), handles[i]->fortran);
        ck_assert_ptr_eq(crmpi_handle_f2c(CRMPI_TYPE, handles[i]->fortran), handles[i]);
    }
    int number = handles[500]->fortran;
    crmpi_handle_release(handles[500]);
    ck_assert_ptr_null(crmpi_handle_f2c(CRMPI_TYPE, number));
    again = crmpi_handle_create(CRMPI_TYPE, NULL, 0);
    ck_assert_int_eq(crmpi_handle_c2f(again), number);
    ck_assert_ptr_eq(crmpi_handle_f2c(CRMPI_TYPE, number), again);
    ck_assert_ptr_null(crmpi_handle_f2c(CRMPI_TYPE, 1 << 30));
    ck_assert_ptr_null(crmpi_handle_f2c(CRMPI_TYPE, -1));
    ck_assert_int_eq(crmpi_handle_c2f(NULL), -1);
}
END_TEST

/* A restart: the saved lists, and new lower objects. */
START_TEST(test_restart)
{
    struct crmpi_handle *type = crmpi_handle_create(CRMPI_TYPE, NULL, 0);
    int number = crmpi_handle_c2f(type);

    crmpi_handle_set_real(type, real_of(1));
    crmpi_handles_attach(root);
    crmpi_handle_set_real(type, real_of(2));
    ck_assert_ptr_eq(crmpi_handle_first(CRMPI_TYPE), type);
    ck_assert_ptr_eq(crmpi_handle_of_real(CRMPI_TYPE, real_of(2)), type);
    ck_assert_ptr_null(crmpi_handle_of_real(CRMPI_TYPE, real_of(1)));
    ck_assert_ptr_eq(crmpi_handle_f2c(CRMPI_TYPE, number), type);
}
END_TEST

UNIT_TESTS("handle")
{
    CASE("handle", .setup = setup);
    TEST(test_lists);
    TEST(test_references);
    TEST(test_predefined);
    TEST(test_back_from_real);
    TEST(test_numbers);
    TEST(test_restart);
}
