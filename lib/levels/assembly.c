/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Making this rank's share of its group's checkpoint (see keep.h).  Lower half.
 *
 * The share is made in a mapping of its file, whose space is set aside before it is
 * touched: a full disk is an error then, not a signal.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "levels/files.h"
#include "levels/keep.h"
#include "levels/levels.h"
#include "storage/directory.h"

static void release(struct crmpi_assembly *assembly)
{
    if (assembly->memory != NULL)
        munmap(assembly->memory, crmpi_share_file_bytes(assembly->n_blocks));
    free(assembly->touched);
    assembly->memory = assembly->touched = NULL;
    assembly->n_blocks = 0;
}

void crmpi_assembly_fail(struct crmpi_assembly *assembly, enum crmpi_status status)
{
    release(assembly);
    if (assembly->is_open)
        crmpi_output_abandon(&assembly->output);
    assembly->is_open = 0;
    if (assembly->status == CRMPI_OK)
        assembly->status = status;
}

/* ---- its file ---- */

static enum crmpi_status open_file(struct crmpi_assembly *assembly, uint64_t sn)
{
    char path[CRMPI_PATH_BYTES];
    uint64_t *numbers = NULL;
    size_t n = 0;
    int error = crmpi_fault("levels.store");
    enum crmpi_status status = crmpi_share_path(
        assembly->home, assembly->members[assembly->self], sn, 1, path, sizeof path);

    if (status == CRMPI_OK && error != 0) {
        crmpi_error("cannot keep %s: %s", path, strerror(error));
        status = crmpi_file_status(error);
    }
    if (status == CRMPI_OK)
        status = crmpi_own_files(assembly->home, assembly->members[assembly->self],
                                 &numbers, &n);
    if (status == CRMPI_OK)
        status = crmpi_copies_drop(path, CRMPI_SHARE_SUFFIX, sn, numbers, n);
    free(numbers);
    if (status == CRMPI_OK)
        status = crmpi_output_open(path, &assembly->output);
    assembly->is_open = status == CRMPI_OK;
    return status;
}

/* Have the file's space set aside, and mapped, for so many blocks. */
static enum crmpi_status make_room(struct crmpi_assembly *assembly, uint64_t n_blocks)
{
    uint64_t bytes = crmpi_share_file_bytes(n_blocks);
    unsigned char *touched;
    void *memory;
    int error;

    if (n_blocks <= assembly->n_blocks)
        return CRMPI_OK;
    touched = realloc(assembly->touched, n_blocks);
    if (touched == NULL)
        return CRMPI_ERR_NOMEM;
    memset(touched + assembly->n_blocks, 0, n_blocks - assembly->n_blocks);
    assembly->touched = touched;
    error = crmpi_fault("levels.store");
    if (error == 0)
        error = posix_fallocate(assembly->output.fd, 0, (off_t)bytes);
    if (error == 0) {
        memory =
            assembly->memory == NULL
                ? mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
                       assembly->output.fd, 0)
                : mremap(assembly->memory, crmpi_share_file_bytes(assembly->n_blocks),
                         bytes, MREMAP_MAYMOVE);
        error = memory == MAP_FAILED ? errno : 0;
    }
    if (error != 0) {
        crmpi_error("cannot keep %s: %s", assembly->output.path, strerror(error));
        return crmpi_file_status(error);
    }
    madvise(memory, bytes, MADV_POPULATE_WRITE); /* page by page takes longer */
    assembly->memory = memory;
    assembly->n_blocks = n_blocks;
    return CRMPI_OK;
}

/* ---- its parts ---- */

static enum crmpi_status start(struct crmpi_assembly *assembly,
                               const struct crmpi_exchange_head *head)
{
    enum crmpi_status status;

    crmpi_assembly_fail(assembly, CRMPI_ERR_IO);
    assembly->attempt = head->attempt;
    assembly->begun = assembly->done = 0;
    assembly->is_complete = 0;
    assembly->status = CRMPI_OK;
    status = open_file(assembly, head->sn);
    if (status != CRMPI_OK)
        crmpi_assembly_fail(assembly, status);
    return status;
}

static void note_facts(struct crmpi_assembly *assembly, unsigned member,
                       const struct crmpi_exchange_head *head)
{
    assembly->facts[member] =
        (struct crmpi_share_member){.world_rank = assembly->members[member],
                                    .sn = head->sn,
                                    .incarnation = head->incarnation,
                                    .file_bytes = head->file_bytes,
                                    .digest = head->digest,
                                    .parent_sn = head->parent_sn,
                                    .parent_digest = head->parent_digest};
}

enum crmpi_status crmpi_assembly_begin(struct crmpi_assembly *assembly, unsigned member,
                                       const struct crmpi_exchange_head *head)
{
    uint64_t bit = (uint64_t)1 << member;
    enum crmpi_status status;

    if (head->attempt != assembly->attempt)
        start(assembly, head);
    else if (assembly->begun & bit) /* and has been lost */
        crmpi_assembly_fail(assembly, CRMPI_ERR_NOTFOUND);
    assembly->begun |= bit;
    assembly->moved_ms = crmpi_clock_ms();
    note_facts(assembly, member, head);
    if (assembly->status == CRMPI_OK) {
        status = head->kind == CRMPI_EXCHANGE_MISSING
                     ? CRMPI_ERR_NOTFOUND
                     : make_room(assembly,
                                 crmpi_erasure_blocks(&assembly->code, head->file_bytes));
        if (status != CRMPI_OK)
            crmpi_assembly_fail(assembly, status);
    }
    return assembly->status;
}

void crmpi_assembly_add(struct crmpi_assembly *assembly,
                        const struct crmpi_erasure_piece *piece, const void *data)
{
    unsigned char *touched = &assembly->touched[piece->block];

    crmpi_erasure_add(&assembly->code, piece, data, !*touched,
                      assembly->memory + crmpi_share_block_offset(piece->block));
    *touched = 1;
    assembly->moved_ms = crmpi_clock_ms();
}

/* All are there: finish the file. */
static enum crmpi_status complete(struct crmpi_assembly *assembly)
{
    uint64_t bytes = crmpi_share_file_bytes(assembly->n_blocks);
    struct crmpi_share share = {
        .k = assembly->code.k, .m = assembly->code.m, .holder = assembly->self};
    enum crmpi_status status;

    memcpy(share.job_id, assembly->job_id, sizeof share.job_id);
    memcpy(share.members, assembly->facts, assembly->n * sizeof *share.members);
    status = crmpi_share_seal(&share, assembly->touched, assembly->memory, bytes);
    if (status != CRMPI_OK)
        return status;
    release(assembly);
    assembly->is_open = 0;
    return crmpi_output_commit(&assembly->output, bytes, crmpi_config.sync);
}

void crmpi_assembly_end(struct crmpi_assembly *assembly, unsigned member)
{
    enum crmpi_status status;

    assembly->done |= (uint64_t)1 << member;
    if (assembly->status != CRMPI_OK ||
        assembly->done != ~(uint64_t)0 >> (64 - assembly->n))
        return;
    status = complete(assembly);
    if (status != CRMPI_OK)
        crmpi_assembly_fail(assembly, status);
    else
        assembly->is_complete = 1;
}
