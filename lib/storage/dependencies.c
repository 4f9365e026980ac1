/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a checkpoint depends on, as attributes and tables; see dependencies.h.  Lower half
 * and tools.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "storage/dependencies.h"
#include "storage/hdf.h"

#define GROUP_NAME "/dependencies"

#define SIZE(member) sizeof((struct crmpi_dependencies *)NULL)->member
#define FIELD(name, kind, member)                                                        \
    {                                                                                    \
        name, CRMPI_HDF_##kind, offsetof(struct crmpi_dependencies, member),             \
            SIZE(member)                                                                 \
    }
static const struct crmpi_hdf_field fields[] = {
    FIELD("interval", U64, interval),
    FIELD("base", U64, base),
    FIELD("alone", U32, is_alone),
};
#define N_FIELDS (sizeof fields / sizeof *fields)

/* ---- the types of the tables' elements ---- */

#define INSERT(type, structure, member, kind)                                            \
    H5Tinsert(type, #member, HOFFSET(struct structure, member), kind)

static hid_t stream_type(void)
{
    hid_t type = H5Tcreate(H5T_COMPOUND, sizeof(struct crmpi_stream));
    INSERT(type, crmpi_stream, comm, H5T_STD_U64LE);
    INSERT(type, crmpi_stream, peer, H5T_STD_U32LE);
    INSERT(type, crmpi_stream, tag, H5T_STD_I32LE);
    INSERT(type, crmpi_stream, sent, H5T_STD_U64LE);
    INSERT(type, crmpi_stream, received, H5T_STD_U64LE);
    INSERT(type, crmpi_stream, unlogged, H5T_STD_U64LE);
    return type;
}

static hid_t collectives_type(void)
{
    hid_t type = H5Tcreate(H5T_COMPOUND, sizeof(struct crmpi_collectives));
    INSERT(type, crmpi_collectives, comm, H5T_STD_U64LE);
    INSERT(type, crmpi_collectives, count, H5T_STD_U64LE);
    INSERT(type, crmpi_collectives, flow, H5T_STD_U32LE);
    INSERT(type, crmpi_collectives, n_members, H5T_STD_U32LE);
    INSERT(type, crmpi_collectives, members, H5T_STD_U64LE);
    INSERT(type, crmpi_collectives, rank, H5T_STD_U32LE);
    INSERT(type, crmpi_collectives, is_freed, H5T_STD_U32LE);
    return type;
}

static hid_t member_type(void)
{
    return H5Tcopy(H5T_STD_U32LE);
}

static hid_t access_type(void)
{
    hid_t type = H5Tcreate(H5T_COMPOUND, sizeof(struct crmpi_access));
    INSERT(type, crmpi_access, window, H5T_STD_U64LE);
    INSERT(type, crmpi_access, rank, H5T_STD_U32LE);
    INSERT(type, crmpi_access, how, H5T_STD_U32LE);
    INSERT(type, crmpi_access, interval, H5T_STD_U64LE);
    return type;
}

static hid_t cohort_type(void)
{
    hid_t type = H5Tcreate(H5T_COMPOUND, sizeof(struct crmpi_member));
    INSERT(type, crmpi_member, rank, H5T_STD_U32LE);
    INSERT(type, crmpi_member, unused, H5T_STD_U32LE);
    INSERT(type, crmpi_member, interval, H5T_STD_U64LE);
    return type;
}

/* Where a table is in the structure: a pointer and a number. */
#define TABLE(name, type)                                                                \
    {                                                                                    \
        GROUP_NAME "/" #name, type, offsetof(struct crmpi_dependencies, name),           \
            offsetof(struct crmpi_dependencies, n_##name),                               \
            sizeof *((struct crmpi_dependencies *)NULL)->name                            \
    }
static const struct table {
    const char *name;
    hid_t (*type)(void);
    size_t list, number, bytes;
} tables[] = {
    TABLE(streams, stream_type), TABLE(collectives, collectives_type),
    TABLE(members, member_type), TABLE(accesses, access_type),
    TABLE(origins, access_type), TABLE(windows, crmpi_hdf_number_type),
    TABLE(cohort, cohort_type),
};
#define N_TABLES (sizeof tables / sizeof *tables)

static void **list_of(struct crmpi_dependencies *dependencies, const struct table *table)
{
    return (void **)(void *)((char *)dependencies + table->list);
}

static size_t *number_of(struct crmpi_dependencies *dependencies,
                         const struct table *table)
{
    return (size_t *)(void *)((char *)dependencies + table->number);
}

static int make_sense(const struct crmpi_dependencies *all, const struct crmpi_job *job)
{
    return all->world_rank == job->world_rank && all->n_ranks == job->n_ranks &&
           all->sn == job->sn && crmpi_dependencies_check(all) == 0;
}

/* ---- write and read ---- */

enum crmpi_status crmpi_dependencies_fit(const char *path, const struct crmpi_job *job,
                                         const struct crmpi_dependencies *dependencies)
{
    if (make_sense(dependencies, job))
        return CRMPI_OK;
    crmpi_error("%s: what it is said to depend on makes no sense", path);
    return CRMPI_ERR_INTERNAL;
}

enum crmpi_status crmpi_dependencies_write(struct crmpi_image *image, const char *path,
                                           const struct crmpi_job *job,
                                           const struct crmpi_dependencies *dependencies)
{
    struct crmpi_dependencies all = *dependencies;
    enum crmpi_status status = crmpi_dependencies_fit(path, job, dependencies);
    if (status != CRMPI_OK)
        return status;
    hid_t file = crmpi_image_file(image),
          group = crmpi_hdf_group_create(file, GROUP_NAME);
    if (group < 0)
        return crmpi_hdf_failed(path, GROUP_NAME, CRMPI_ERR_INTERNAL);
    status = crmpi_hdf_fields_write(group, path, fields, N_FIELDS, &all);
    H5Gclose(group);
    for (size_t i = 0; status == CRMPI_OK && i < N_TABLES; i++) {
        hid_t type = tables[i].type();
        status = crmpi_hdf_table_write(file, path, tables[i].name, type,
                                       *list_of(&all, &tables[i]),
                                       *number_of(&all, &tables[i]));
        H5Tclose(type);
    }
    return status;
}

static enum crmpi_status fields_read(hid_t file, const char *path,
                                     struct crmpi_dependencies *all)
{
    hid_t group = H5Gopen2(file, GROUP_NAME, H5P_DEFAULT);
    if (group < 0)
        return crmpi_hdf_failed(path, GROUP_NAME, CRMPI_ERR_CORRUPT);
    enum crmpi_status status = crmpi_hdf_fields_read(group, path, fields, N_FIELDS, all);
    H5Gclose(group);
    return status;
}

static enum crmpi_status all_read(struct crmpi_image *image, const char *path,
                                  const struct crmpi_job *job,
                                  struct crmpi_dependencies *all)
{
    hid_t file = crmpi_image_file(image);
    enum crmpi_status status = fields_read(file, path, all);

    for (size_t i = 0; status == CRMPI_OK && i < N_TABLES; i++) {
        hid_t type = tables[i].type();
        status = crmpi_hdf_table_read(
            file, path, tables[i].name, type, crmpi_image_bytes(image) / tables[i].bytes,
            list_of(all, &tables[i]), number_of(all, &tables[i]));
        H5Tclose(type);
    }
    if (status == CRMPI_OK && !make_sense(all, job)) {
        crmpi_error("%s is damaged: what it depends on makes no sense", path);
        status = CRMPI_ERR_CORRUPT;
    }
    return status == CRMPI_ERR_NOTFOUND ? CRMPI_ERR_CORRUPT : status;
}

/* As if the checkpoint had been a collective of all ranks. */
static enum crmpi_status all_tie(const char *path, struct crmpi_dependencies *all)
{
    all->collectives = calloc(1, sizeof *all->collectives);
    all->members = calloc(all->n_ranks, sizeof *all->members);
    if (!all->collectives || !all->members) {
        crmpi_error("no memory to read %s", path);
        return CRMPI_ERR_NOMEM;
    }
    *all->collectives =
        (struct crmpi_collectives){.comm = UINT64_MAX, /* no communicator has it */
                                   .count = all->sn,
                                   .flow = CRMPI_FLOW_FROM_ALL | CRMPI_FLOW_TO_ALL,
                                   .n_members = all->n_ranks,
                                   .rank = all->world_rank};
    all->n_collectives = 1;
    for (uint32_t rank = 0; rank < all->n_ranks; rank++)
        all->members[rank] = rank;
    all->n_members = all->n_ranks;
    return CRMPI_OK;
}

enum crmpi_status crmpi_dependencies_read(struct crmpi_image *image, const char *path,
                                          const struct crmpi_job *job,
                                          struct crmpi_dependencies *dependencies_out)
{
    struct crmpi_dependencies all = {.world_rank = job->world_rank,
                                     .n_ranks = job->n_ranks,
                                     .sn = job->sn,
                                     .interval = job->sn,
                                     .base = job->sn ? job->sn - 1 : 0};
    htri_t exists = H5Lexists(crmpi_image_file(image), GROUP_NAME, H5P_DEFAULT);
    enum crmpi_status status;

    if (exists < 0)
        return crmpi_hdf_failed(path, GROUP_NAME, CRMPI_ERR_CORRUPT);
    status = exists ? all_read(image, path, job, &all) : all_tie(path, &all);
    if (status == CRMPI_OK)
        *dependencies_out = all;
    else
        crmpi_dependencies_fini(&all);
    return status;
}
