/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What kinds need to describe a descriptor (see kind.h).  Lower half, with all threads parked.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "descriptors/kind.h"

#define MAX_DATA ((size_t)1 << 30) /* of all pipes and sockets together */

enum crmpi_status crmpi_descriptor_refuse(struct crmpi_saving *saving,
                                          const struct crmpi_descriptor *descriptor,
                                          const char *what)
{
    snprintf(saving->why, saving->why_bytes, "file descriptor %d is %s (%s)",
             descriptor->fd, what, descriptor->path);
    return CRMPI_ERR_UNSUPPORTED;
}

enum crmpi_status crmpi_descriptor_data(struct crmpi_saving *saving,
                                        struct crmpi_descriptor *descriptor,
                                        const void *data, size_t bytes)
{
    char *more = NULL;

    if (bytes <= MAX_DATA && saving->data_bytes + bytes <= MAX_DATA)
        more = realloc(saving->data, saving->data_bytes + bytes + 1);
    if (!more)
        return CRMPI_ERR_NOMEM;
    saving->data = more;
    memcpy(more + saving->data_bytes, data, bytes);
    saving->data_bytes += bytes;
    descriptor->data_bytes += bytes;
    return CRMPI_OK;
}

uint64_t crmpi_descriptor_info(int fd, const char *name, int base)
{
    char path[64], line[512];
    uint64_t value = UINT64_MAX;
    FILE *info;

    snprintf(path, sizeof path, "/proc/self/fdinfo/%d", fd);
    if (!(info = fopen(path, "re")))
        return value;
    while (fgets(line, sizeof line, info))
        if (strncmp(line, name, strlen(name)) == 0 && line[strlen(name)] == ':')
            value = strtoull(line + strlen(name) + 1, NULL, base);
    fclose(info);
    return value;
}

int crmpi_descriptor_is_anonymous(const struct crmpi_seen *seen, const char *name)
{
    char text[64];

    snprintf(text, sizeof text, "anon_inode:[%s]", name);
    return strcmp(seen->path, text) == 0;
}
