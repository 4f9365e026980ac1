/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The attributes of the group /job, see job.h.  Lower half and tools.
 */
#include <inttypes.h>
#include <math.h>
#include <string.h>
#include "base/log.h"
#include "storage/hdf.h"
#include "storage/job.h"

#define JOB_NAME "/job"

#define SIZE(member) sizeof((struct crmpi_job *)NULL)->member
#define FIELD(kind, member)                                                              \
    {                                                                                    \
#member, CRMPI_HDF_##kind, offsetof(struct crmpi_job, member), SIZE(member)      \
    }
static const struct crmpi_hdf_field fields[] = {
    FIELD(TEXT, job_id),      FIELD(U32, n_ranks),  FIELD(U64, sn),
    FIELD(U64, incarnation),  FIELD(U64, restored), FIELD(DOUBLE, time),
    FIELD(TEXT, host),        FIELD(TEXT, program), FIELD(TEXT, policy),
    FIELD(TEXT, mpi_version), FIELD(TEXT, cpu),
};
static const struct crmpi_hdf_field rank_field = FIELD(U32, world_rank);
static const struct crmpi_hdf_field line_fields[] = {
    {"save_seconds", CRMPI_HDF_DOUBLE, offsetof(struct crmpi_line, save_seconds), 8},
    {"in_transit", CRMPI_HDF_U32, offsetof(struct crmpi_line, in_transit), 4},
};
#define N_FIELDS (sizeof fields / sizeof *fields)
#define N_LINE_FIELDS (sizeof line_fields / sizeof *line_fields)

enum crmpi_status crmpi_job_write(struct crmpi_image *image, const char *path,
                                  const struct crmpi_job *job,
                                  const struct crmpi_line *line)
{
    hid_t group = crmpi_hdf_group_create(crmpi_image_file(image), JOB_NAME);
    if (group < 0)
        return crmpi_hdf_failed(path, JOB_NAME, CRMPI_ERR_INTERNAL);
    enum crmpi_status status = crmpi_hdf_fields_write(group, path, fields, N_FIELDS, job);
    if (status == CRMPI_OK)
        status =
            line ? crmpi_hdf_fields_write(group, path, line_fields, N_LINE_FIELDS, line)
                 : crmpi_hdf_fields_write(group, path, &rank_field, 1, job);
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
    if (job->restored && job->restored >= job->sn) {
        crmpi_error("%s is damaged: checkpoint %" PRIu64
                    " cannot follow a restart from line %" PRIu64,
                    path, job->sn, job->restored);
        return CRMPI_ERR_CORRUPT;
    }
    return CRMPI_OK;
}

enum crmpi_status crmpi_job_read(struct crmpi_image *image, const char *path,
                                 struct crmpi_job *job_out, struct crmpi_line *line_out)
{
    struct crmpi_job job;
    hid_t group = H5Gopen2(crmpi_image_file(image), JOB_NAME, H5P_DEFAULT);
    if (group < 0)
        return crmpi_hdf_failed(path, JOB_NAME " is missing", CRMPI_ERR_CORRUPT);
    memset(&job, 0, sizeof job);
    enum crmpi_status status = crmpi_hdf_fields_read(group, path, fields, N_FIELDS, &job);
    if (status == CRMPI_OK)
        status = line_out ? crmpi_hdf_fields_read(group, path, line_fields, N_LINE_FIELDS,
                                                  line_out)
                          : crmpi_hdf_fields_read(group, path, &rank_field, 1, &job);
    H5Gclose(group);
    if (status == CRMPI_OK)
        status = job_check(path, &job);
    if (status == CRMPI_OK && line_out &&
        (line_out->in_transit > 1 || !isfinite(line_out->save_seconds))) {
        crmpi_error("%s is damaged: no line is saved in %g s with %u in transit", path,
                    line_out->save_seconds, line_out->in_transit);
        status = CRMPI_ERR_CORRUPT;
    }
    if (status == CRMPI_OK)
        *job_out = job;
    return status;
}
