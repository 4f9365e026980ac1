/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The attributes of the group /job, see job.h.  Lower half and tools.
 */
#include <math.h>
#include <string.h>
#include "base/log.h"
#include "storage/hdf.h"
#include "storage/job.h"

#define JOB_NAME "/job"

#define SIZE(member) sizeof((struct crmpi_job *)NULL)->member
#define FIELD(kind, member)                                                              \
    {#member, CRMPI_HDF_##kind, offsetof(struct crmpi_job, member), SIZE(member)}
static const struct crmpi_hdf_field fields[] = {
    FIELD(TEXT, job_id),     FIELD(U32, n_ranks), FIELD(U64, sn),
    FIELD(U64, incarnation), FIELD(DOUBLE, time), FIELD(TEXT, host),
    FIELD(TEXT, program),    FIELD(TEXT, policy), FIELD(TEXT, mpi_version),
    FIELD(TEXT, cpu),
};
static const struct crmpi_hdf_field rank_field = FIELD(U32, world_rank);
static const struct crmpi_hdf_field line_field = {"save_seconds", CRMPI_HDF_DOUBLE, 0,
                                                  sizeof(double)};
#define N_FIELDS (sizeof fields / sizeof *fields)

enum crmpi_status crmpi_job_write(struct crmpi_image *image, const char *path,
                                  enum crmpi_container_kind kind,
                                  const struct crmpi_job *job, double save_seconds)
{
    hid_t group = crmpi_hdf_group_create(crmpi_image_file(image), JOB_NAME);
    if (group < 0)
        return crmpi_hdf_failed(path, JOB_NAME, CRMPI_ERR_INTERNAL);
    enum crmpi_status status = crmpi_hdf_fields_write(group, path, fields, N_FIELDS, job);
    if (status == CRMPI_OK)
        status = kind == CRMPI_CONTAINER_RANK
                     ? crmpi_hdf_fields_write(group, path, &rank_field, 1, job)
                     : crmpi_hdf_fields_write(group, path, &line_field, 1, &save_seconds);
    H5Gclose(group);
    return status;
}

static enum crmpi_status job_check(const char *path, const struct crmpi_job *job)
{
    if (job->n_ranks == 0 || job->n_ranks > CRMPI_RANKS_MAX ||
        job->world_rank >= job->n_ranks || !isfinite(job->time)) {
        crmpi_error("%s is damaged: rank %u of %u at time %g cannot be", path,
                    job->world_rank, job->n_ranks, job->time);
        return CRMPI_ERR_CORRUPT;
    }
    return CRMPI_OK;
}

enum crmpi_status crmpi_job_read(struct crmpi_image *image, const char *path,
                                 enum crmpi_container_kind kind,
                                 struct crmpi_job *job_out, double *save_seconds_out)
{
    struct crmpi_job job;
    hid_t group = H5Gopen2(crmpi_image_file(image), JOB_NAME, H5P_DEFAULT);
    if (group < 0)
        return crmpi_hdf_failed(path, JOB_NAME " is missing", CRMPI_ERR_CORRUPT);
    memset(&job, 0, sizeof job);
    enum crmpi_status status = crmpi_hdf_fields_read(group, path, fields, N_FIELDS, &job);
    if (status == CRMPI_OK)
        status =
            kind == CRMPI_CONTAINER_RANK
                ? crmpi_hdf_fields_read(group, path, &rank_field, 1, &job)
                : crmpi_hdf_fields_read(group, path, &line_field, 1, save_seconds_out);
    H5Gclose(group);
    if (status == CRMPI_OK)
        status = job_check(path, &job);
    if (status == CRMPI_OK)
        *job_out = job;
    return status;
}
