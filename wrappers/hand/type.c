/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Datatypes (lower half).  The recipe of a derived type is what MPI_Type_get_contents
 * tells of it: the constructor and its arguments, in which types are handles with a
 * reference each.  So a type lives, here and below, while another type or a request uses
 * it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wrappers/objects.h"

static int is_f90(int combiner)
{
    return combiner == MPI_COMBINER_F90_REAL || combiner == MPI_COMBINER_F90_COMPLEX ||
           combiner == MPI_COMBINER_F90_INTEGER;
}

/* The lower type may be freed: neither predefined nor of the F90 kind, which are
 * shared. */
static int is_derived(MPI_Datatype real)
{
    int ints, addresses, types, combiner = MPI_COMBINER_NAMED;

    PMPI_Type_get_envelope(real, &ints, &addresses, &types, &combiner);
    return combiner != MPI_COMBINER_NAMED && !is_f90(combiner);
}

/* Ask the MPI library for the contents of @p real; @p types_out as it gives them. */
static void contents_read(MPI_Datatype real, struct crmpi_type *type,
                          MPI_Datatype **types_out)
{
    int ints, addresses, types, combiner;

    PMPI_Type_get_envelope(real, &ints, &addresses, &types, &combiner);
    type->combiner = combiner;
    type->n_ints = ints;
    type->n_addresses = addresses;
    type->n_types = types;
    type->ints = crmpi_upper_alloc(ints * sizeof *type->ints);
    type->addresses = crmpi_upper_alloc(addresses * sizeof *type->addresses);
    type->types = crmpi_upper_alloc(types * sizeof *type->types);
    *types_out = crmpi_upper_alloc(types * sizeof **types_out);
    PMPI_Type_get_contents(real, ints, addresses, types, (int *)type->ints,
                           type->addresses, *types_out);
}

/* The recipe of a type that is not predefined, or NULL. */
static struct crmpi_type *recipe_of(MPI_Datatype handle)
{
    struct crmpi_type *type = CRMPI_EXTRA(type, handle);

    return type && type->combiner != MPI_COMBINER_NAMED ? type : NULL;
}

/* The application has a handle more, which it frees. */
static MPI_Datatype owned(MPI_Datatype handle)
{
    if (recipe_of(handle))
        __atomic_add_fetch(&recipe_of(handle)->n_owned, 1, __ATOMIC_RELAXED);
    return handle;
}

/* One more reference: to the handle that there is, or to a new one. */
static struct crmpi_handle *handle_of(MPI_Datatype real, int n_types,
                                      const MPI_Datatype *types)
{
    struct crmpi_handle *handle = n_types ? NULL : crmpi_handle_of_real(CRMPI_TYPE, real);
    struct crmpi_type type = {.combiner = MPI_COMBINER_NAMED};
    MPI_Datatype *parts;
    MPI_Count bytes = 0;

    if (handle) {
        crmpi_handle_hold(handle);
        return handle;
    }
    /* its parts first: a restart makes types again in the order of their handles */
    contents_read(real, &type, &parts);
    PMPI_Type_size_x(real, &bytes);
    type.size = bytes;
    for (int i = 0; i < type.n_types; i++) {
        if (type.n_types == n_types) {
            type.types[i] = types[i];
            crmpi_handle_hold((void *)types[i]);
            if (is_derived(parts[i]))
                PMPI_Type_free(&parts[i]);
        } else {
            type.types[i] = (void *)handle_of(parts[i], 0, NULL);
        }
    }
    crmpi_heap_free(parts);
    type.is_committed = n_types == 0; /* as what the library gives is */
    handle = crmpi_handle_create(CRMPI_TYPE, NULL, sizeof type);
    memcpy(handle->extra, &type, sizeof type);
    crmpi_handle_set_real(handle, real);
    return handle;
}

MPI_Datatype crmpi_type_adopt(MPI_Datatype real, int n_types, const MPI_Datatype *types)
{
    return owned((void *)handle_of(real, n_types, types));
}

/* Types on which operations are those of C, by their sizes. */
static int arithmetic_of(MPI_Datatype real)
{
    static const struct {
        MPI_Datatype type;
        int class;
    } types[] = {
#define SIGNED(type) {type, CRMPI_BASIC_SIGNED}
#define UNSIGNED(type) {type, CRMPI_BASIC_UNSIGNED}
#define FLOATING(type) {type, CRMPI_BASIC_FLOATING}
        SIGNED(MPI_SIGNED_CHAR),        SIGNED(MPI_SHORT),
        SIGNED(MPI_INT),                SIGNED(MPI_LONG),
        SIGNED(MPI_LONG_LONG),          SIGNED(MPI_INT8_T),
        SIGNED(MPI_INT16_T),            SIGNED(MPI_INT32_T),
        SIGNED(MPI_INT64_T),            SIGNED(MPI_AINT),
        SIGNED(MPI_OFFSET),             SIGNED(MPI_COUNT),
        SIGNED(MPI_INTEGER),            SIGNED(MPI_INTEGER1),
        SIGNED(MPI_INTEGER2),           SIGNED(MPI_INTEGER4),
        SIGNED(MPI_INTEGER8),           UNSIGNED(MPI_UNSIGNED_CHAR),
        UNSIGNED(MPI_UNSIGNED_SHORT),   UNSIGNED(MPI_UNSIGNED),
        UNSIGNED(MPI_UNSIGNED_LONG),    UNSIGNED(MPI_UNSIGNED_LONG_LONG),
        UNSIGNED(MPI_UINT8_T),          UNSIGNED(MPI_UINT16_T),
        UNSIGNED(MPI_UINT32_T),         UNSIGNED(MPI_UINT64_T),
        FLOATING(MPI_FLOAT),            FLOATING(MPI_DOUBLE),
        FLOATING(MPI_REAL),             FLOATING(MPI_REAL4),
        FLOATING(MPI_REAL8),            FLOATING(MPI_DOUBLE_PRECISION),
#undef SIGNED
#undef UNSIGNED
#undef FLOATING
    };

    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (types[i].type == real)
            return types[i].class;
    return CRMPI_BASIC_RAW;
}

void crmpi_type_predefine(struct crmpi_handle *handle)
{
    struct crmpi_type *type = crmpi_upper_alloc(sizeof *type);
    MPI_Aint lb, extent;
    int bytes = 0, class;

    handle->extra = type;
    type->combiner = MPI_COMBINER_NAMED;
    type->is_committed = 1;
    PMPI_Type_size(handle->real, &bytes);
    type->size = bytes;
    PMPI_Type_get_extent(handle->real, &lb, &extent);
    if (bytes <= 0 || lb != 0 || bytes != extent)
        return; /* it has gaps, or is no type for data */
    class = arithmetic_of(handle->real);
    if (class == CRMPI_BASIC_FLOATING && bytes != 4 && bytes != 8)
        class = CRMPI_BASIC_RAW;
    type->basic.class = class;
    type->basic.bytes = bytes;
}

void crmpi_type_destroy(struct crmpi_handle *handle)
{
    struct crmpi_type *type = handle->extra;
    MPI_Datatype real = handle->real;

    if (is_derived(real))
        PMPI_Type_free(&real);
    for (int i = 0; i < type->n_types; i++)
        crmpi_handle_release((void *)type->types[i]);
    crmpi_heap_free(type->ints);
    crmpi_heap_free(type->addresses);
    crmpi_heap_free(type->types);
    crmpi_heap_free(type->ends);
    crmpi_heap_free(type->name);
}

int crmpi_lower_MPI_Type_commit(MPI_Datatype *handle)
{
    MPI_Datatype real = handle ? CRMPI_REAL(MPI_Datatype, *handle) : NULL;
    int error = PMPI_Type_commit(handle ? &real : NULL);

    if (error != MPI_SUCCESS)
        return crmpi_comm_error(NULL, error, "MPI_Type_commit");
    if (recipe_of(*handle))
        recipe_of(*handle)->is_committed = 1;
    return MPI_SUCCESS;
}

/* Open MPI frees it also if a function that deletes fails. */
static void attributes_delete(MPI_Datatype handle, struct crmpi_type *type)
{
    if (crmpi_settings_delete(CRMPI_TYPE, handle, &type->attributes) != MPI_SUCCESS)
        crmpi_settings_drop(CRMPI_TYPE, &type->attributes);
}

int crmpi_lower_MPI_Type_free(MPI_Datatype *handle)
{
    struct crmpi_type *type = handle ? recipe_of(*handle) : NULL;

    if (!type || is_f90(type->combiner))
        return crmpi_comm_error(NULL, MPI_ERR_TYPE, "MPI_Type_free");
    if (__atomic_sub_fetch(&type->n_owned, 1, __ATOMIC_ACQ_REL) == 0)
        attributes_delete(*handle, type);
    crmpi_handle_release((void *)*handle);
    *handle = CRMPI_UPPER(MPI_Datatype, ompi_mpi_datatype_null);
    return MPI_SUCCESS;
}

int crmpi_lower_MPI_Type_dup(MPI_Datatype old, MPI_Datatype *newtype)
{
    struct crmpi_type *from = CRMPI_EXTRA(type, old);
    MPI_Datatype real = CRMPI_NOTHING(MPI_Datatype);
    int error = PMPI_Type_dup(CRMPI_REAL(MPI_Datatype, old), newtype ? &real : NULL);

    if (error != MPI_SUCCESS) {
        crmpi_left_give(CRMPI_TYPE, real, newtype);
        return crmpi_comm_error(NULL, error, "MPI_Type_dup");
    }
    MPI_Datatype copy = crmpi_type_adopt(real, 1, &old);
    struct crmpi_type *to = CRMPI_EXTRA(type, copy);
    to->is_committed = from->is_committed;
    error =
        crmpi_settings_copy(CRMPI_TYPE, old, from->attributes, copy, &to->attributes);
    if (error != MPI_SUCCESS) {
        attributes_delete(copy, to);
        crmpi_handle_release((void *)copy);
        *newtype = NULL; /* as Open MPI does, until 4.1 with this error whatever the function's */
        if (OMPI_MAJOR_VERSION < 5)
            error = MPI_ERR_INTERN;
        return crmpi_comm_error(NULL, error, "MPI_Type_dup");
    }
    *newtype = copy;
    return MPI_SUCCESS;
}

int crmpi_lower_MPI_Type_set_name(MPI_Datatype handle, const char *name)
{
    struct crmpi_type *type = CRMPI_EXTRA(type, handle);
    int error = PMPI_Type_set_name(CRMPI_REAL(MPI_Datatype, handle), name);

    if (error != MPI_SUCCESS)
        return crmpi_comm_error(NULL, error, "MPI_Type_set_name");
    crmpi_heap_free(type->name);
    type->name = crmpi_upper_dup(name, strlen(name) + 1);
    return MPI_SUCCESS;
}

int crmpi_lower_MPI_Type_get_envelope(MPI_Datatype handle, int *num_integers,
                                      int *num_addresses, int *num_datatypes,
                                      int *combiner)
{
    const struct crmpi_type *type = recipe_of(handle);

    if (!type || !num_integers || !num_addresses || !num_datatypes || !combiner) {
        int error = PMPI_Type_get_envelope(CRMPI_REAL(MPI_Datatype, handle), num_integers,
                                           num_addresses, num_datatypes, combiner);
        return error == MPI_SUCCESS
                   ? error
                   : crmpi_comm_error(NULL, error, "MPI_Type_get_envelope");
    }
    *num_integers = type->n_ints;
    *num_addresses = type->n_addresses;
    *num_datatypes = type->n_types;
    *combiner = type->combiner;
    return MPI_SUCCESS;
}

int crmpi_lower_MPI_Type_get_contents(MPI_Datatype handle, int max_integers,
                                      int max_addresses, int max_datatypes,
                                      int array_of_integers[],
                                      MPI_Aint array_of_addresses[],
                                      MPI_Datatype array_of_datatypes[])
{
    const struct crmpi_type *type = recipe_of(handle);

    if (!CRMPI_EXTRA(type, handle))
        return crmpi_comm_error(NULL, MPI_ERR_TYPE, "MPI_Type_get_contents");
    if ((!array_of_integers && max_integers) || (!array_of_addresses && max_addresses) ||
        (!array_of_datatypes && max_datatypes))
        return crmpi_comm_error(NULL, MPI_ERR_ARG, "MPI_Type_get_contents");
    if (!type || max_integers < type->n_ints || max_addresses < type->n_addresses ||
        max_datatypes < type->n_types)
        return crmpi_comm_error(NULL, MPI_ERR_INTERN, "MPI_Type_get_contents");
    if (type->n_ints)
        memcpy(array_of_integers, type->ints, type->n_ints * sizeof *array_of_integers);
    if (type->n_addresses)
        memcpy(array_of_addresses, type->addresses,
               type->n_addresses * sizeof *array_of_addresses);
    for (int i = 0; i < type->n_types; i++) {
        array_of_datatypes[i] = owned(type->types[i]);
        crmpi_handle_hold((void *)type->types[i]);
    }
    return MPI_SUCCESS;
}

/*
 * Restart
 */

/* Call the constructor again; @p t are the lower types. */
static int construct(const struct crmpi_type *type, const MPI_Datatype *t,
                     MPI_Datatype *real)
{
    const int *i = type->ints;
    const MPI_Aint *a = type->addresses;
    int n = type->n_ints ? i[0] : 0;

    switch (type->combiner) {
    case MPI_COMBINER_DUP:
        return PMPI_Type_dup(t[0], real);
    case MPI_COMBINER_CONTIGUOUS:
        return PMPI_Type_contiguous(n, t[0], real);
    case MPI_COMBINER_VECTOR:
        return PMPI_Type_vector(n, i[1], i[2], t[0], real);
    case MPI_COMBINER_HVECTOR:
        return PMPI_Type_create_hvector(n, i[1], a[0], t[0], real);
    case MPI_COMBINER_INDEXED:
        return PMPI_Type_indexed(n, i + 1, i + 1 + n, t[0], real);
    case MPI_COMBINER_HINDEXED:
        return PMPI_Type_create_hindexed(n, i + 1, a, t[0], real);
    case MPI_COMBINER_INDEXED_BLOCK:
        return PMPI_Type_create_indexed_block(n, i[1], i + 2, t[0], real);
    case MPI_COMBINER_HINDEXED_BLOCK:
        return PMPI_Type_create_hindexed_block(n, i[1], a, t[0], real);
    case MPI_COMBINER_STRUCT:
        return PMPI_Type_create_struct(n, i + 1, a, t, real);
    case MPI_COMBINER_SUBARRAY:
        return PMPI_Type_create_subarray(n, i + 1, i + 1 + n, i + 1 + 2 * n, i[1 + 3 * n],
                                         t[0], real);
    case MPI_COMBINER_DARRAY:
        n = i[2];
        return PMPI_Type_create_darray(i[0], i[1], n, i + 3, i + 3 + n, i + 3 + 2 * n,
                                       i + 3 + 3 * n, i[3 + 4 * n], t[0], real);
    case MPI_COMBINER_RESIZED:
        return PMPI_Type_create_resized(t[0], a[0], a[1], real);
    case MPI_COMBINER_F90_REAL:
        return PMPI_Type_create_f90_real(i[0], i[1], real);
    case MPI_COMBINER_F90_COMPLEX:
        return PMPI_Type_create_f90_complex(i[0], i[1], real);
    case MPI_COMBINER_F90_INTEGER:
        return PMPI_Type_create_f90_integer(i[0], real);
    default:
        return MPI_ERR_TYPE;
    }
}

static int type_rebuild(struct crmpi_handle *handle)
{
    const struct crmpi_type *type = handle->extra;
    MPI_Datatype *parts = crmpi_reals(type->n_types, (void *const *)type->types);
    MPI_Datatype real = MPI_DATATYPE_NULL;
    int error = construct(type, parts, &real);

    free(parts);
    if (error == MPI_SUCCESS && type->is_committed)
        error = PMPI_Type_commit(&real);
    if (error == MPI_SUCCESS && type->name)
        error = PMPI_Type_set_name(real, type->name);
    if (error == MPI_SUCCESS)
        crmpi_handle_set_real(handle, real);
    return error;
}

enum crmpi_status crmpi_types_rebuild(char *why, size_t why_bytes)
{
    for (int i = 0; i < CRMPI_N_OBJECTS; i++) {
        const struct crmpi_handle *h = crmpi_control->predefined[i];
        if (h && h->kind == CRMPI_TYPE && h->extra &&
            ((struct crmpi_type *)h->extra)->name)
            PMPI_Type_set_name(h->real, ((struct crmpi_type *)h->extra)->name);
    }
    for (struct crmpi_handle *h = crmpi_handle_first(CRMPI_TYPE); h; h = h->next)
        if (type_rebuild(h) != MPI_SUCCESS) {
            snprintf(why, why_bytes, "a datatype (MPI combiner %d) cannot be made again",
                     ((struct crmpi_type *)h->extra)->combiner);
            return CRMPI_ERR_MPI;
        }
    return CRMPI_OK;
}
