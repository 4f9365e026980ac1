/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The calls of crmpi.h that Fortran makes otherwise than C (upper half):
 * include/crmpi.f90 declares them.  Variables and arrays come with their type and shape.
 */
#if __has_include(<ISO_Fortran_binding.h>)
#include <ISO_Fortran_binding.h>
#include <crmpi.h>
#include <stdio.h>
#include <string.h>

#include "upper/fortran.h"

#define DIMS_MAX 8
#define WRONG 13 /* MPI_ERR_ARG */

static size_t bytes_of(const CFI_cdesc_t *array)
{
    size_t bytes = array->elem_len;

    for (int i = 0; i < array->rank; i++)
        bytes *= (size_t)array->dim[i].extent;
    return bytes;
}

/* A part of an array that has other elements in between is not one piece of memory. */
static int is_whole(const CFI_cdesc_t *array, const char *function)
{
    size_t bytes = array->elem_len;

    for (int i = 0; i < array->rank; i++) {
        if (array->dim[i].extent > 1 && (size_t)array->dim[i].sm != bytes) {
            fprintf(stderr, "crmpi: %s: the array is not contiguous\n", function);
            return 0;
        }
        bytes *= (size_t)array->dim[i].extent;
    }
    return 1;
}

static int logical_of(int result, int value, int *logical)
{
    *logical = value != 0;
    return result;
}

CRMPI_EXPORT int crmpi_fortran_due(int *due)
{
    int value, result = CRMPI_Checkpoint_due(&value);

    return logical_of(result, value, due);
}

CRMPI_EXPORT int crmpi_fortran_stop(int *stop)
{
    int value, result = CRMPI_Should_stop(&value);

    return logical_of(result, value, stop);
}

CRMPI_EXPORT int crmpi_fortran_restarted(int *restarted)
{
    int value, result = CRMPI_Restarted(&value);

    return logical_of(result, value, restarted);
}

CRMPI_EXPORT int crmpi_fortran_exclude(const CFI_cdesc_t *array)
{
    return is_whole(array, "CRMPI_Exclude")
               ? CRMPI_Exclude(array->base_addr, bytes_of(array))
               : WRONG;
}

CRMPI_EXPORT int crmpi_fortran_include(const CFI_cdesc_t *array)
{
    return CRMPI_Include(array->base_addr);
}

CRMPI_EXPORT int crmpi_fortran_refill(const CFI_cdesc_t *array,
                                      CRMPI_Refill_function *refill, void *extra_state)
{
    return CRMPI_Refill(array->base_addr, refill, extra_state);
}

/* The type of the elements, 0 if there is none; a complex number is two of them. */
static int type_of(const CFI_cdesc_t *array, int *n_parts_out)
{
    static const struct {
        CFI_type_t type;
        int own, n_parts;
    } types[] = {
        {CFI_type_int8_t, CRMPI_INT8, 1},
        {CFI_type_int16_t, CRMPI_INT16, 1},
        {CFI_type_int32_t, CRMPI_INT32, 1},
        {CFI_type_int64_t, CRMPI_INT64, 1},
        {CFI_type_float, CRMPI_FLOAT, 1},
        {CFI_type_double, CRMPI_DOUBLE, 1},
        {CFI_type_float_Complex, CRMPI_FLOAT, 2},
        {CFI_type_double_Complex, CRMPI_DOUBLE, 2},
    };

    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (types[i].type == array->type) {
            *n_parts_out = types[i].n_parts;
            return types[i].own;
        }
    return 0;
}

/* Without the blanks at the end; the other half says what is wrong with it. */
static const char *text_of(const CFI_cdesc_t *name, char *text, size_t text_bytes)
{
    const char *first = name->base_addr;
    size_t length = name->elem_len;

    while (length > 0 && first[length - 1] == ' ')
        length--;
    snprintf(text, text_bytes, "%.*s", (int)length, first);
    return text;
}

CRMPI_EXPORT int crmpi_fortran_name(const CFI_cdesc_t *name, const CFI_cdesc_t *array)
{
    size_t dims[DIMS_MAX + 1];
    int n_parts = 1, n = array->rank, type = type_of(array, &n_parts);
    char text[256];

    if (!is_whole(array, "CRMPI_Name"))
        return WRONG;
    if (n + n_parts - 1 > DIMS_MAX)
        type = 0;
    for (int i = 0; type && i < n; i++)
        dims[i] = (size_t)array->dim[n - 1 - i].extent;
    if (n_parts > 1)
        dims[n++] = (size_t)n_parts;
    return CRMPI_Name(text_of(name, text, sizeof text), array->base_addr, type, n, dims);
}

CRMPI_EXPORT int crmpi_fortran_unname(const CFI_cdesc_t *name)
{
    char text[256];

    return CRMPI_Unname(text_of(name, text, sizeof text));
}
#endif
