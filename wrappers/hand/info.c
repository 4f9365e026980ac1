/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Info objects, kept by crmpi alone (lower half): a list of keys and values in the upper
 * heap.  A lower object is made from it for a call that takes one, and freed after it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wrappers/objects.h"

static struct crmpi_info *info_of(MPI_Info info)
{
    return CRMPI_EXTRA(info, info);
}

static int entry_find(const struct crmpi_info *info, const char *key)
{
    for (int i = 0; i < info->n; i++)
        if (strcmp(info->entries[i].key, key) == 0)
            return i;
    return -1;
}

static const char *entry_value(const struct crmpi_info *info, const char *key)
{
    int i = info ? entry_find(info, key) : -1;

    return i >= 0 ? info->entries[i].value : NULL;
}

static void entry_set(struct crmpi_info *info, const char *key, const char *value)
{
    char *copy = crmpi_upper_dup(value, strlen(value) + 1);
    int i = entry_find(info, key);

    if (i >= 0) {
        crmpi_heap_free(info->entries[i].value);
        info->entries[i].value = copy;
        return;
    }
    size_t bytes = info->n * sizeof *info->entries;
    info->entries = crmpi_upper_grow(info->entries, bytes, bytes + sizeof *info->entries);
    info->entries[info->n].key = crmpi_upper_dup(key, strlen(key) + 1);
    info->entries[info->n++].value = copy;
}

static void entry_clear(struct crmpi_info_entry *entry)
{
    crmpi_heap_free(entry->key);
    crmpi_heap_free(entry->value);
}

static void entries_free(struct crmpi_info *info)
{
    for (int i = 0; i < info->n; i++)
        entry_clear(&info->entries[i]);
    crmpi_heap_free(info->entries);
}

void crmpi_info_destroy(struct crmpi_handle *handle)
{
    entries_free(handle->extra);
}

static MPI_Info info_new(void)
{
    return (void *)crmpi_handle_create(CRMPI_INFO, NULL, sizeof(struct crmpi_info));
}

static void info_copy(struct crmpi_info *to, const struct crmpi_info *from)
{
    for (int i = 0; i < from->n; i++)
        entry_set(to, from->entries[i].key, from->entries[i].value);
}

int crmpi_info_is(MPI_Info info)
{
    return info_of(info) != NULL;
}

MPI_Info crmpi_info_copy(MPI_Info info)
{
    MPI_Info copy = info_new();

    info_copy(info_of(copy), info_of(info));
    return copy;
}

void crmpi_info_merge(struct crmpi_handle **into, MPI_Info info)
{
    if (!info_of(info))
        return;
    if (!*into)
        *into = (void *)info_new();
    info_copy((*into)->extra, info_of(info));
}

void crmpi_info_read(MPI_Info real, struct crmpi_info *into)
{
    char key[MPI_MAX_INFO_KEY + 1], value[MPI_MAX_INFO_VAL + 1];
    int n = 0, flag;

    PMPI_Info_get_nkeys(real, &n);
    for (int i = 0; i < n; i++)
        if (PMPI_Info_get_nthkey(real, i, key) == MPI_SUCCESS &&
            PMPI_Info_get(real, key, MPI_MAX_INFO_VAL, value, &flag) == MPI_SUCCESS &&
            flag)
            entry_set(into, key, value);
}

static void entry_remove(struct crmpi_info *info, int i)
{
    if (i < 0)
        return;
    entry_clear(&info->entries[i]);
    info->n--;
    memmove(&info->entries[i], &info->entries[i + 1],
            (info->n - i) * sizeof *info->entries);
}

static int is_own(const char *const *own, const char *key)
{
    for (; own && *own; own++)
        if (strcmp(*own, key) == 0)
            return 1;
    return 0;
}

/* All that the library tells, for good. */
static struct crmpi_info *told_all(struct crmpi_handle **told, MPI_Info real)
{
    struct crmpi_handle *all = (void *)info_new(), *none = NULL;

    crmpi_info_read(real, all->extra);
    if (!__atomic_compare_exchange_n(told, &none, all, 0, __ATOMIC_ACQ_REL,
                                     __ATOMIC_ACQUIRE))
        crmpi_handle_release(all); /* another thread was told it meanwhile */
    return (*told)->extra;
}

void crmpi_info_tell(struct crmpi_handle **told, MPI_Info given, MPI_Info real,
                     const char *const *own)
{
    const struct crmpi_info *new = info_of(given);
    struct crmpi_info *info, tells = {0};

    if (new) {
        info = *told ? (*told)->extra : told_all(told, real);
        crmpi_info_read(real, &tells);
        for (int i = 0; i < new->n; i++) {
            const struct crmpi_info_entry *entry = &new->entries[i];
            const char *value = entry_value(&tells, entry->key);

            if (value)
                entry_set(info, entry->key,
                          is_own(own, entry->key) ? entry->value : value);
            else
                entry_remove(info, entry_find(info, entry->key));
        }
        entries_free(&tells);
    }
    crmpi_info_drop(real);
}

int crmpi_info_used(struct crmpi_handle **told, int error, MPI_Info real, MPI_Info *out)
{
    if (error != MPI_SUCCESS) {
        crmpi_left_give(CRMPI_INFO, real, out);
        return error;
    }
    if (!told) {
        *out = crmpi_info_adopt(real);
        return error;
    }
    if (!*told)
        told_all(told, real);
    crmpi_info_drop(real);
    *out = crmpi_info_copy((void *)*told);
    return error;
}

MPI_Info crmpi_info_adopt(MPI_Info real)
{
    MPI_Info info = info_new();

    if (real != MPI_INFO_NULL) {
        crmpi_info_read(real, info_of(info));
        PMPI_Info_free(&real);
    }
    return info;
}

MPI_Info crmpi_info_make(MPI_Info handle)
{
    const struct crmpi_info *info = info_of(handle);
    MPI_Info real;

    if (!info)
        return CRMPI_REAL(MPI_Info, handle); /* MPI_INFO_NULL, or an error */
    if (PMPI_Info_create(&real) != MPI_SUCCESS)
        return MPI_INFO_NULL;
    for (int i = 0; i < info->n; i++)
        PMPI_Info_set(real, info->entries[i].key, info->entries[i].value);
    return real;
}

void crmpi_info_drop(MPI_Info real)
{
    if (real && real != MPI_INFO_NULL)
        PMPI_Info_free(&real);
}

/*
 * The MPI functions.  Errors go to the handler of MPI_COMM_WORLD.
 */

static int fail(int error, const char *function)
{
    return crmpi_comm_error(NULL, error, function);
}

static int key_is_valid(const char *key)
{
    return key && *key && strlen(key) < MPI_MAX_INFO_KEY;
}

int crmpi_lower_MPI_Info_create(MPI_Info *info)
{
    if (!info)
        return fail(MPI_ERR_INFO, "MPI_Info_create");
    *info = info_new();
    return MPI_SUCCESS;
}

int crmpi_lower_MPI_Info_dup(MPI_Info info, MPI_Info *newinfo)
{
    if (!info_of(info) || !newinfo)
        return fail(MPI_ERR_INFO, "MPI_Info_dup");
    *newinfo = crmpi_info_copy(info);
    return MPI_SUCCESS;
}

int crmpi_lower_MPI_Info_free(MPI_Info *info)
{
    if (!info || !info_of(*info) || *info == CRMPI_UPPER(MPI_Info, ompi_mpi_info_env))
        return fail(MPI_ERR_INFO, "MPI_Info_free");
    crmpi_handle_release((void *)*info);
    *info = CRMPI_UPPER(MPI_Info, ompi_mpi_info_null);
    return MPI_SUCCESS;
}

int crmpi_lower_MPI_Info_set(MPI_Info info, const char *key, const char *value)
{
    if (!info_of(info))
        return fail(MPI_ERR_INFO, "MPI_Info_set");
    if (!key_is_valid(key))
        return fail(MPI_ERR_INFO_KEY, "MPI_Info_set");
    if (!value || !*value || strlen(value) >= MPI_MAX_INFO_VAL)
        return fail(MPI_ERR_INFO_VALUE, "MPI_Info_set");
    entry_set(info_of(info), key, value);
    return MPI_SUCCESS;
}

int crmpi_lower_MPI_Info_delete(MPI_Info handle, const char *key)
{
    struct crmpi_info *info = info_of(handle);

    if (!info)
        return fail(MPI_ERR_INFO, "MPI_Info_delete");
    if (!key_is_valid(key))
        return fail(MPI_ERR_INFO_KEY, "MPI_Info_delete");
    int i = entry_find(info, key);
    if (i < 0)
        return fail(MPI_ERR_INFO_NOKEY, "MPI_Info_delete");
    entry_remove(info, i);
    return MPI_SUCCESS;
}

int crmpi_lower_MPI_Info_get(MPI_Info handle, const char *key, int valuelen, char *value,
                             int *flag)
{
    const struct crmpi_info *info = info_of(handle);

    if (!info)
        return fail(MPI_ERR_INFO, "MPI_Info_get");
    if (!key_is_valid(key))
        return fail(MPI_ERR_INFO_KEY, "MPI_Info_get");
    if (valuelen < 0 || !value || !flag)
        return fail(valuelen < 0 ? MPI_ERR_ARG : MPI_ERR_INFO_VALUE, "MPI_Info_get");
    int i = entry_find(info, key);
    *flag = i >= 0;
    if (i >= 0) {
        size_t n = strlen(info->entries[i].value), room = valuelen;
        if (room == MPI_MAX_INFO_VAL)
            room--; /* Open MPI takes this length for the size of the buffer */
        if (n > room)
            n = room;
        memcpy(value, info->entries[i].value, n);
        value[n] = 0;
    }
    return MPI_SUCCESS;
}

#if OMPI_MAJOR_VERSION >= 5
int crmpi_lower_MPI_Info_get_string(MPI_Info handle, const char *key, int *buflen,
                                    char *value, int *flag)
{
    const struct crmpi_info *info = info_of(handle);

    if (!info)
        return fail(MPI_ERR_INFO, "MPI_Info_get_string");
    if (!key_is_valid(key))
        return fail(MPI_ERR_INFO_KEY, "MPI_Info_get_string");
    if (!buflen || !flag)
        return fail(MPI_ERR_ARG, "MPI_Info_get_string");
    if (!value && *buflen)
        return fail(MPI_ERR_INFO_VALUE, "MPI_Info_get_string");
    int i = entry_find(info, key);
    *flag = i >= 0;
    if (i < 0)
        return MPI_SUCCESS;
    size_t n = strlen(info->entries[i].value) + 1;
    if (*buflen > 0)
        snprintf(value, (size_t)*buflen, "%s", info->entries[i].value);
    *buflen = (int)n;
    return MPI_SUCCESS;
}
#endif

int crmpi_lower_MPI_Info_get_valuelen(MPI_Info handle, const char *key, int *valuelen,
                                      int *flag)
{
    const struct crmpi_info *info = info_of(handle);

    if (!info)
        return fail(MPI_ERR_INFO, "MPI_Info_get_valuelen");
    if (!key_is_valid(key))
        return fail(MPI_ERR_INFO_KEY, "MPI_Info_get_valuelen");
    if (!valuelen || !flag)
        return fail(MPI_ERR_ARG, "MPI_Info_get_valuelen");
    int i = entry_find(info, key);
    *flag = i >= 0;
    if (i >= 0)
        *valuelen = (int)strlen(info->entries[i].value);
    return MPI_SUCCESS;
}

int crmpi_lower_MPI_Info_get_nkeys(MPI_Info info, int *nkeys)
{
    if (!info_of(info))
        return fail(MPI_ERR_INFO, "MPI_Info_get_nkeys");
    if (!nkeys)
        return fail(MPI_ERR_ARG, "MPI_Info_get_nkeys");
    *nkeys = info_of(info)->n;
    return MPI_SUCCESS;
}

int crmpi_lower_MPI_Info_get_nthkey(MPI_Info handle, int n, char *key)
{
    const struct crmpi_info *info = info_of(handle);

    if (!info)
        return fail(MPI_ERR_INFO, "MPI_Info_get_nthkey");
    if (n < 0 || !key)
        return fail(MPI_ERR_ARG, "MPI_Info_get_nthkey");
    if (n >= info->n)
        return fail(MPI_ERR_INFO_KEY, "MPI_Info_get_nthkey");
    strcpy(key, info->entries[n].key);
    return MPI_SUCCESS;
}
