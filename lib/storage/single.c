/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A rank file by itself, see single.h.  Lower half and tools.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "storage/container.h"
#include "storage/file.h"
#include "storage/image.h"
#include "storage/single.h"

/* The beginning of doc/format.md's seal. */
struct seal {
    char magic[8];
    uint32_t version, kind;
    uint64_t file_bytes, n_pieces, digest;
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
        *single_out =
            (struct crmpi_single){.bytes = seal.file_bytes, .digest = seal.digest};
        status = CRMPI_OK;
    }
    close(fd);
    return status;
}

enum crmpi_status crmpi_single_check(const char *path)
{
    struct crmpi_reader *reader;
    enum crmpi_status status = crmpi_reader_open(path, &reader);

    if (status != CRMPI_OK)
        return status;
    status = crmpi_reader_verify(reader, NULL, NULL);
    crmpi_reader_close(reader);
    return status;
}
