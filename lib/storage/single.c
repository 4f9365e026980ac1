/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A rank file by itself, see single.h.  Lower half and tools.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/log.h"
#include "storage/chain.h"
#include "storage/file.h"
#include "storage/hdf.h"
#include "storage/single.h"

/* The beginning of doc/format.md's seal. */
struct seal {
    char magic[8];
    uint32_t version, kind;
    uint64_t file_bytes, data_end, parent_sn, parent_digest, digest;
};

enum crmpi_status crmpi_single_look(const char *path, struct crmpi_single *single_out)
{
    struct seal seal;
    struct stat info;
    enum crmpi_status status = CRMPI_ERR_FORMAT;
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

    if (fd < 0)
        return crmpi_file_status(errno);
    if (fstat(fd, &info) == 0 && S_ISREG(info.st_mode) &&
        pread(fd, &seal, sizeof seal, 0) == sizeof seal &&
        memcmp(seal.magic, "crmpi\r\n\032", sizeof seal.magic) == 0 &&
        seal.version == CRMPI_FORMAT_VERSION && seal.kind == CRMPI_CONTAINER_RANK &&
        seal.file_bytes == (uint64_t)info.st_size) {
        *single_out = (struct crmpi_single){.bytes = seal.file_bytes,
                                            .digest = seal.digest,
                                            .parent_sn = seal.parent_sn,
                                            .parent_digest = seal.parent_digest};
        status = CRMPI_OK;
    }
    close(fd);
    return status;
}

/* Want all that a file has, and nothing of its parents. */
static enum crmpi_status pieces_make(struct crmpi_opened *opened)
{
    for (size_t i = 0; i < opened->n_parts; i++) {
        struct crmpi_part *part = &opened->parts[i];

        part->pieces = malloc(sizeof *part->pieces);
        if (!part->pieces) {
            crmpi_error("no memory to check %s", opened->path);
            return CRMPI_ERR_NOMEM;
        }
        *part->pieces = (struct crmpi_piece){.bytes = part->content.raw_bytes};
        part->n_pieces = 1;
    }
    return CRMPI_OK;
}

enum crmpi_status crmpi_single_check(const char *path)
{
    struct crmpi_opened opened;
    struct crmpi_chain alone = {&opened, 1};
    enum crmpi_status status;

    crmpi_hdf_lock();
    status = crmpi_opened_open(path, path, &opened);
    crmpi_hdf_unlock();
    if (status != CRMPI_OK)
        return status;
    status = pieces_make(&opened);
    if (status == CRMPI_OK)
        status = crmpi_chain_read(&alone, 0, 1, NULL, NULL);
    crmpi_hdf_lock();
    crmpi_opened_close(&opened);
    crmpi_hdf_unlock();
    return status;
}
