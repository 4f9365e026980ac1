/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The file DIR/stopped (see stopped.h).  Lower half and tools.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "base/log.h"
#include "job/stopped.h"

#define PATH_BYTES 4200

static const char *const reasons[] = {
    [CRMPI_STOP_WISH] = "wish", [CRMPI_STOP_TIME] = "time"};

enum crmpi_status crmpi_stopped_write(const char *dir,
                                      const struct crmpi_stopped *stopped)
{
    char path[PATH_BYTES], new_path[PATH_BYTES + 8];
    FILE *file;
    int written;

    snprintf(path, sizeof path, "%s/stopped", dir);
    snprintf(new_path, sizeof new_path, "%s.tmp", path);
    file = fopen(new_path, "we");
    written = file != NULL &&
              fprintf(file, "crmpi stopped 1\njob %s\nline %" PRIu64 "\nreason %s\n",
                      stopped->job_id, stopped->line, reasons[stopped->reason]) > 0;
    if (file != NULL && fclose(file) != 0)
        written = 0;
    if (written && rename(new_path, path) == 0)
        return CRMPI_OK;
    crmpi_warn("%s: %s", new_path, strerror(errno));
    unlink(new_path);
    return CRMPI_ERR_IO;
}

enum crmpi_status crmpi_stopped_read(const char *dir, struct crmpi_stopped *stopped_out)
{
    struct crmpi_stopped stopped = {0};
    char path[PATH_BYTES], reason[16] = "";
    FILE *file;
    int n;

    snprintf(path, sizeof path, "%s/stopped", dir);
    file = fopen(path, "re");
    if (file == NULL)
        return errno == ENOENT || errno == ENOTDIR ? CRMPI_ERR_NOTFOUND : CRMPI_ERR_IO;
    n = fscanf(file, "crmpi stopped 1 job %63s line %" SCNu64 " reason %15s",
               stopped.job_id, &stopped.line, reason);
    fclose(file);
    for (int i = CRMPI_STOP_WISH; i <= CRMPI_STOP_TIME; i++)
        if (strcmp(reason, reasons[i]) == 0)
            stopped.reason = (enum crmpi_stop)i;
    if (n != 3 || stopped.reason == CRMPI_STOP_NONE)
        return CRMPI_ERR_FORMAT;
    *stopped_out = stopped;
    return CRMPI_OK;
}

void crmpi_stopped_remove(const char *dir)
{
    char path[PATH_BYTES];

    snprintf(path, sizeof path, "%s/stopped", dir);
    if (unlink(path) != 0 && errno != ENOENT)
        crmpi_warn("%s: cannot be removed: %s", path, strerror(errno));
}
