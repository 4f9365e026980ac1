/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Look at shares: each is whole, and what its members' files on their nodes give.  Test.
 *
 *     shares LOCAL FILE...
 */
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "levels/share.h"

static void fail(const char *path, const char *what)
{
    fprintf(stderr, "%s: %s\n", path, what);
    exit(1);
}

static int member_open(const char *local, const struct crmpi_share *share, unsigned i)
{
    char pattern[4096];
    glob_t found;
    int fd;

    snprintf(pattern, sizeof pattern, "%s/*/%s/ranks/%06u/%06lu.h5", local, share->job_id,
             share->members[i].world_rank, (unsigned long)share->members[i].sn);
    if (glob(pattern, 0, NULL, &found) != 0 || found.gl_pathc != 1)
        fail(pattern, "is not there once");
    fd = open(found.gl_pathv[0], O_RDONLY);
    if (fd < 0 || lseek(fd, 0, SEEK_END) != (off_t)share->members[i].file_bytes)
        fail(found.gl_pathv[0], "has not the size that the share tells");
    globfree(&found);
    return fd;
}

/* Compute the blocks anew, with all files at hand. */
static unsigned char *compute(const char *local, const struct crmpi_share *share)
{
    unsigned char *blocks = calloc(share->n_blocks, CRMPI_ERASURE_BLOCK_BYTES);
    unsigned char *touched = calloc(share->n_blocks, 1);
    unsigned char *piece_bytes = malloc(CRMPI_ERASURE_BLOCK_BYTES);
    struct crmpi_erasure code;
    struct crmpi_erasure_piece piece;

    if (!blocks || !touched || !piece_bytes ||
        crmpi_erasure_init(&code, share->k, share->m) != CRMPI_OK)
        fail(local, "cannot be looked at");
    for (unsigned i = 0; i < share->k + share->m; i++) {
        int fd = member_open(local, share, i);
        uint64_t cursor = 0;

        while (crmpi_erasure_next(&code, i, share->holder, share->members[i].file_bytes,
                                  &cursor, &piece)) {
            if (pread(fd, piece_bytes, piece.bytes, (off_t)piece.offset) !=
                (ssize_t)piece.bytes)
                fail(local, "a file cannot be read");
            crmpi_erasure_add(&code, &piece, piece_bytes, !touched[piece.block],
                              blocks + piece.block * CRMPI_ERASURE_BLOCK_BYTES);
            touched[piece.block] = 1;
        }
        close(fd);
    }
    free(touched);
    free(piece_bytes);
    return blocks;
}

static void look_at(const char *local, const char *path)
{
    unsigned char found[4096], *blocks;
    struct crmpi_share share;
    uint64_t *checksums;
    int fd;

    if (crmpi_share_open(path, &share, &checksums, &fd) != CRMPI_OK ||
        crmpi_share_verify(path, &share, checksums, fd) != CRMPI_OK)
        fail(path, "is damaged");
    blocks = compute(local, &share);
    for (uint64_t at = 0; at < share.n_blocks * CRMPI_ERASURE_BLOCK_BYTES;
         at += sizeof found)
        if (pread(fd, found, sizeof found, (off_t)(crmpi_share_block_offset(0) + at)) !=
                (ssize_t)sizeof found ||
            memcmp(found, blocks + at, sizeof found) != 0)
            fail(path, "is not what the files give");
    free(blocks);
    free(checksums);
    close(fd);
}

int main(int argc, char **argv)
{
    if (argc < 3)
        return 2;
    for (int i = 2; i < argc; i++)
        look_at(argv[1], argv[i]);
    return 0;
}
