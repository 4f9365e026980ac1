/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The names of files on nodes (see levels.h).  Lower half and tools.
 */
#include <stdio.h>
#include "base/log.h"
#include "levels/levels.h"
#include "storage/directory.h"

int crmpi_levels_are_local(void)
{
    return (crmpi_config.levels.set & CRMPI_LEVEL_LOCAL) != 0;
}

static enum crmpi_status fits(int length, size_t bytes)
{
    if (length >= 0 && (size_t)length < bytes)
        return CRMPI_OK;
    crmpi_error("CRMPI_LOCAL: the path is too long");
    return CRMPI_ERR_USAGE;
}

enum crmpi_status crmpi_levels_home_of(const char *node, const char *job_id,
                                       char *path_out, size_t path_bytes)
{
    return fits(
        snprintf(path_out, path_bytes, "%s/%s/%s", crmpi_config.local, node, job_id),
        path_bytes);
}

enum crmpi_status crmpi_levels_home_create(const char *node, const char *job_id)
{
    static const char *const inner[] = {"", "/ranks", "/partner", "/erasure"};
    char home[CRMPI_PATH_BYTES], path[CRMPI_PATH_BYTES];
    enum crmpi_status status = crmpi_folder_make(crmpi_config.local);

    if (status == CRMPI_OK)
        status = fits(snprintf(path, sizeof path, "%s/%s", crmpi_config.local, node),
                      sizeof path);
    if (status == CRMPI_OK)
        status = crmpi_folder_make(path);
    if (status == CRMPI_OK)
        status = crmpi_levels_home_of(node, job_id, home, sizeof home);
    for (size_t i = 0; status == CRMPI_OK && i < sizeof inner / sizeof *inner; i++) {
        status = fits(snprintf(path, sizeof path, "%s%s", home, inner[i]), sizeof path);
        if (status == CRMPI_OK)
            status = crmpi_folder_make(path);
    }
    return status;
}

/* HOME/KIND/RRRRRR/NNNNNNSUFFIX */
static enum crmpi_status inner_path(const char *home, const char *kind, uint32_t rank,
                                    uint64_t sn, const char *suffix, int make,
                                    char *path_out, size_t path_bytes)
{
    char folder[CRMPI_PATH_BYTES];
    enum crmpi_status status =
        fits(snprintf(folder, sizeof folder, "%s/%s/" CRMPI_NUMBER_FORMAT, home, kind,
                      (uint64_t)rank),
             sizeof folder);

    if (status == CRMPI_OK && make)
        status = crmpi_folder_make(folder);
    if (status != CRMPI_OK)
        return status;
    return fits(snprintf(path_out, path_bytes, "%s/" CRMPI_NUMBER_FORMAT "%s", folder, sn,
                         suffix),
                path_bytes);
}

enum crmpi_status crmpi_partner_path(const char *home, uint32_t owner, uint64_t sn,
                                     int make, char *path_out, size_t path_bytes)
{
    return inner_path(home, "partner", owner, sn, CRMPI_FILE_SUFFIX, make, path_out,
                      path_bytes);
}

enum crmpi_status crmpi_share_path(const char *home, uint32_t holder, uint64_t sn,
                                   int make, char *path_out, size_t path_bytes)
{
    return inner_path(home, "erasure", holder, sn, CRMPI_SHARE_SUFFIX, make, path_out,
                      path_bytes);
}
