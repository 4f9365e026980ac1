/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Files of shares, see share.h.  Lower half and tools.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/checksum.h"
#include "base/log.h"
#include "levels/share.h"
#include "storage/container.h"
#include "storage/file.h"

#define BLOCK CRMPI_ERASURE_BLOCK_BYTES

_Static_assert(sizeof(struct crmpi_share) == 120 + 64 * 56, "as doc/format.md has it");
_Static_assert(sizeof(struct crmpi_share) <= CRMPI_SHARE_DATA_OFFSET, "one page");

/* The first page of a file. */
union page {
    struct crmpi_share share;
    unsigned char bytes[CRMPI_SHARE_DATA_OFFSET];
};

uint64_t crmpi_share_number(const struct crmpi_share *share)
{
    uint64_t sn = 0;

    for (unsigned i = 0; i < share->k + share->m; i++)
        if (share->members[i].sn > sn)
            sn = share->members[i].sn;
    return sn;
}

uint64_t crmpi_share_file_bytes(uint64_t n_blocks)
{
    return CRMPI_SHARE_DATA_OFFSET + n_blocks * (BLOCK + sizeof(uint64_t));
}

/* Whether a member makes sense: one without a file has no numbers at all. */
static int member_makes_sense(const struct crmpi_share_member *member)
{
    if (member->world_rank >= CRMPI_RANKS_MAX || member->unused != 0)
        return 0;
    if (member->sn == 0)
        return (member->incarnation | member->file_bytes | member->digest |
                member->parent_sn | member->parent_digest) == 0;
    return member->parent_sn < member->sn && member->file_bytes > 0 &&
           member->file_bytes <= CRMPI_ERASURE_FILE_MAX;
}

/* How many blocks there have to be; 0: the members make no sense. */
static uint64_t blocks_of(const struct crmpi_share *share)
{
    struct crmpi_erasure code = {.k = share->k, .m = share->m};
    uint64_t largest = 0;

    for (unsigned i = 0; i < share->k + share->m; i++) {
        const struct crmpi_share_member *member = &share->members[i];

        if (!member_makes_sense(member))
            return 0;
        for (unsigned j = 0; j < i; j++)
            if (share->members[j].world_rank == member->world_rank)
                return 0;
        if (member->file_bytes > largest)
            largest = member->file_bytes;
    }
    return crmpi_erasure_blocks(&code, largest);
}

static uint64_t digest_of(const union page *page, const uint64_t *checksums)
{
    static const uint64_t zero;
    size_t at = offsetof(struct crmpi_share, digest), behind = at + sizeof zero;
    struct crmpi_checksum_state state;

    crmpi_checksum_begin(&state);
    crmpi_checksum_add(&state, page->bytes, at);
    crmpi_checksum_add(&state, page->bytes + behind, sizeof page->bytes - behind);
    crmpi_checksum_add(&state, checksums, page->share.n_blocks * sizeof *checksums);
    return crmpi_checksum_end(&state);
}

/* What a header has to be, whatever the file. */
static int makes_sense(const struct crmpi_share *share)
{
    return share->k >= 1 && share->m >= 1 && share->k <= CRMPI_ERASURE_MEMBERS_MAX &&
           share->m <= CRMPI_ERASURE_MEMBERS_MAX - share->k &&
           share->holder < share->k + share->m && share->job_id[0] &&
           memchr(share->job_id, '\0', sizeof share->job_id);
}

enum crmpi_status crmpi_share_seal(const struct crmpi_share *share,
                                   const unsigned char *touched, void *memory,
                                   uint64_t memory_bytes)
{
    union page page = {.share = *share};
    unsigned char *blocks = (unsigned char *)memory + CRMPI_SHARE_DATA_OFFSET;
    uint64_t *checksums;

    if (!makes_sense(share) || (page.share.n_blocks = blocks_of(share)) == 0 ||
        crmpi_share_file_bytes(page.share.n_blocks) != memory_bytes)
        return CRMPI_ERR_INTERNAL;
    checksums = (uint64_t *)(blocks + page.share.n_blocks * BLOCK);
    for (uint64_t i = 0; i < page.share.n_blocks; i++) {
        if (!touched[i])
            memset(blocks + i * BLOCK, 0, BLOCK);
        checksums[i] = crmpi_checksum(blocks + i * BLOCK, BLOCK);
    }
    memcpy(page.share.magic, CRMPI_SHARE_MAGIC, sizeof page.share.magic);
    page.share.version = CRMPI_SHARE_VERSION;
    page.share.file_bytes = memory_bytes;
    page.share.block_bytes = BLOCK;
    page.share.digest = digest_of(&page, checksums);
    memcpy(memory, page.bytes, sizeof page.bytes);
    return CRMPI_OK;
}

static enum crmpi_status damaged(const char *path, const char *what)
{
    crmpi_error("%s is damaged: %s", path, what);
    return CRMPI_ERR_CORRUPT;
}

static enum crmpi_status header_check(const char *path, const struct crmpi_share *share,
                                      uint64_t bytes)
{
    if (memcmp(share->magic, CRMPI_SHARE_MAGIC, sizeof share->magic) != 0) {
        crmpi_error("%s is not a share of crmpi", path);
        return CRMPI_ERR_FORMAT;
    }
    if (share->version != CRMPI_SHARE_VERSION) {
        crmpi_error("%s is a share of format version %u: this crmpi reads version %u",
                    path, share->version, CRMPI_SHARE_VERSION);
        return CRMPI_ERR_FORMAT;
    }
    if (share->file_bytes != bytes)
        return damaged(path, "its size is not what it was");
    if (!makes_sense(share) || share->block_bytes != BLOCK ||
        blocks_of(share) != share->n_blocks || share->n_blocks == 0 ||
        share->n_blocks > bytes / BLOCK ||
        crmpi_share_file_bytes(share->n_blocks) != bytes)
        return damaged(path, "its header makes no sense");
    return CRMPI_OK;
}

static enum crmpi_status read_at(int fd, const char *path, void *data, size_t bytes,
                                 uint64_t offset)
{
    struct iovec iov = {data, bytes};

    return crmpi_input_read(fd, path, &iov, 1, offset);
}

static enum crmpi_status table_read(int fd, const char *path, const union page *page,
                                    uint64_t **checksums_out)
{
    size_t bytes = page->share.n_blocks * sizeof(uint64_t);
    uint64_t *checksums = malloc(bytes);
    enum crmpi_status status;

    if (!checksums) {
        crmpi_error("no memory to read %s", path);
        return CRMPI_ERR_NOMEM;
    }
    status = read_at(fd, path, checksums, bytes,
                     crmpi_share_block_offset(page->share.n_blocks));
    if (status == CRMPI_OK && digest_of(page, checksums) != page->share.digest)
        status = damaged(path, "its digest is wrong");
    if (status == CRMPI_OK)
        *checksums_out = checksums;
    else
        free(checksums);
    return status;
}

enum crmpi_status crmpi_share_open(const char *path, struct crmpi_share *share_out,
                                   uint64_t **checksums_out, int *fd_out)
{
    uint64_t *checksums = NULL, bytes;
    union page page;
    int fd;
    enum crmpi_status status = crmpi_input_open(path, &fd, &bytes);

    if (status != CRMPI_OK)
        return status;
    status = read_at(fd, path, page.bytes, sizeof page.bytes, 0);
    if (status == CRMPI_OK)
        status = header_check(path, &page.share, bytes);
    if (status == CRMPI_OK)
        status = table_read(fd, path, &page, &checksums);
    if (status != CRMPI_OK) {
        close(fd);
        return status;
    }
    if (checksums_out)
        *checksums_out = checksums;
    else
        free(checksums);
    *share_out = page.share;
    *fd_out = fd;
    return CRMPI_OK;
}

enum crmpi_status crmpi_share_verify(const char *path, const struct crmpi_share *share,
                                     const uint64_t *checksums, int fd)
{
    unsigned char *block = malloc(BLOCK);
    enum crmpi_status status = CRMPI_OK;

    if (!block) {
        crmpi_error("no memory to check %s", path);
        return CRMPI_ERR_NOMEM;
    }
    for (uint64_t i = 0; i < share->n_blocks && status == CRMPI_OK; i++) {
        status = read_at(fd, path, block, BLOCK, crmpi_share_block_offset(i));
        if (status == CRMPI_OK && crmpi_checksum(block, BLOCK) != checksums[i])
            status = damaged(path, "a checksum of its blocks is wrong");
    }
    free(block);
    return status;
}
