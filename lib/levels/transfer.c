/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Bringing files from rank to rank, see transfer.h.  Lower half.
 *
 * A message is a block of a file; an empty one where there should be bytes says that the
 * source cannot read any more.  A target that cannot write goes on to receive.
 */
#include <mpi.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "base/config.h"
#include "base/log.h"
#include "levels/transfer.h"
#include "storage/file.h"

#define BLOCK CRMPI_ERASURE_BLOCK_BYTES
#define TAG 1
#define N_MAX (2 * CRMPI_ERASURE_MEMBERS_MAX)

/* A file that blocks are read from, by its keeper. */
struct source {
    const char *path;
    int fd; /* -1: not open */
    int failed;
};

static int source_read(struct source *source, void *block, size_t bytes, uint64_t offset)
{
    struct iovec iov = {block, bytes};
    uint64_t size;

    if (source->fd < 0 && !source->failed &&
        crmpi_input_open(source->path, &source->fd, &size) != CRMPI_OK) {
        source->fd = -1;
        source->failed = 1;
    }
    if (!source->failed &&
        crmpi_input_read(source->fd, source->path, &iov, 1, offset) != CRMPI_OK)
        source->failed = 1;
    return source->failed ? -1 : 0;
}

static void source_close(struct source *source)
{
    if (source->fd >= 0)
        close(source->fd);
    source->fd = -1;
}

/* Have the target get bytes of a source: read, sent or received, as the ranks are. */
static int pass(struct source *source, uint32_t keeper, uint32_t target,
                uint32_t world_rank, void *block, size_t bytes, uint64_t offset)
{
    MPI_Status status;
    int n = 0, wrong = 0;

    if (bytes == 0 || (world_rank != keeper && world_rank != target))
        return 0;
    if (world_rank == keeper)
        wrong = source_read(source, block, bytes, offset);
    if (keeper == target)
        return wrong;
    if (world_rank == keeper)
        return PMPI_Send(block, wrong ? 0 : (int)bytes, MPI_BYTE, (int)target, TAG,
                         MPI_COMM_WORLD) == MPI_SUCCESS
                   ? wrong
                   : -1;
    if (PMPI_Recv(block, (int)bytes, MPI_BYTE, (int)keeper, TAG, MPI_COMM_WORLD,
                  &status) != MPI_SUCCESS)
        return -1;
    PMPI_Get_count(&status, MPI_BYTE, &n);
    return (size_t)n == bytes ? 0 : -1;
}

static size_t block_at(uint64_t file_bytes, uint64_t offset)
{
    if (offset >= file_bytes)
        return 0;
    return file_bytes - offset < BLOCK ? (size_t)(file_bytes - offset) : BLOCK;
}

/* ---- a file being written, in the target only ---- */

struct sink {
    struct crmpi_output output;
    enum crmpi_status status;
    int is_open;
};

static void sink_open(struct sink *sink, const char *path)
{
    sink->status = crmpi_output_open(path, &sink->output);
    sink->is_open = sink->status == CRMPI_OK;
}

static void sink_write(struct sink *sink, const void *data, size_t bytes, uint64_t offset)
{
    struct iovec iov = {(void *)data, bytes};

    if (sink->status == CRMPI_OK && bytes > 0)
        sink->status = crmpi_output_write(&sink->output, &iov, 1, offset);
}

static void sink_fail(struct sink *sink)
{
    if (sink->status == CRMPI_OK)
        sink->status = CRMPI_ERR_IO;
}

static enum crmpi_status sink_close(struct sink *sink, uint64_t bytes)
{
    if (sink->is_open && sink->status == CRMPI_OK)
        sink->status = crmpi_output_commit(&sink->output, bytes, crmpi_config.sync);
    else if (sink->is_open)
        crmpi_output_abandon(&sink->output);
    return sink->status;
}

/* ---- copies ---- */

enum crmpi_status crmpi_transfer_file(const struct crmpi_transfer *transfer,
                                      uint32_t world_rank)
{
    int is_target = world_rank == transfer->target;
    struct source source = {transfer->from, -1, 0};
    struct sink sink = {.status = CRMPI_OK};
    unsigned char *block;

    if (!is_target && world_rank != transfer->source)
        return CRMPI_OK;
    block = malloc(BLOCK);
    if (!block) /* the others would wait for this rank */
        PMPI_Abort(MPI_COMM_WORLD, 1);
    if (is_target)
        sink_open(&sink, transfer->to);
    for (uint64_t at = 0; at < transfer->bytes; at += BLOCK) {
        size_t bytes = block_at(transfer->bytes, at);
        int wrong = pass(&source, transfer->source, transfer->target, world_rank, block,
                         bytes, at);
        if (is_target && wrong)
            sink_fail(&sink);
        else if (is_target)
            sink_write(&sink, block, bytes, at);
    }
    source_close(&source);
    free(block);
    return is_target ? sink_close(&sink, transfer->bytes) : CRMPI_OK;
}

/* ---- rebuilding ---- */

struct rebuild {
    const struct crmpi_transfer_group *group;
    struct crmpi_erasure code;
    uint32_t target, world_rank;
    struct source sources[N_MAX]; /* files, then shares */
    unsigned char *blocks[CRMPI_ERASURE_MEMBERS_MAX];
    unsigned char *result;
    struct sink sink;
};

/* Let the target have the block of a source in a row. */
static int rebuild_pass(struct rebuild *rebuild, const struct crmpi_erasure_source *from,
                        uint64_t row, unsigned char *block)
{
    const struct crmpi_transfer_group *group = rebuild->group;
    const struct crmpi_transfer_place *place =
        from->is_share ? &group->shares[from->member] : &group->files[from->member];
    struct source *source =
        &rebuild
             ->sources[from->member + (from->is_share ? CRMPI_ERASURE_MEMBERS_MAX : 0)];
    uint64_t offset = crmpi_erasure_offset(&rebuild->code, from, row);
    size_t bytes = BLOCK;

    if (from->is_share)
        offset += CRMPI_SHARE_DATA_OFFSET;
    else
        bytes = block_at(group->about->members[from->member].file_bytes, offset);
    source->path = place->path;
    memset(block + bytes, 0, BLOCK - bytes);
    return pass(source, place->keeper, rebuild->target, rebuild->world_rank, block, bytes,
                offset);
}

static void rebuild_rows(struct rebuild *rebuild,
                         const struct crmpi_erasure_recipe *recipes, uint64_t file_bytes)
{
    unsigned k = rebuild->code.k;

    for (uint64_t i = 0; i * BLOCK < file_bytes; i++) {
        const struct crmpi_erasure_recipe *recipe = &recipes[i % k];
        size_t bytes = block_at(file_bytes, i * BLOCK);
        int wrong = 0;

        for (unsigned j = 0; j < recipe->n; j++)
            wrong |=
                rebuild_pass(rebuild, &recipe->sources[j], i / k, rebuild->blocks[j]);
        if (rebuild->world_rank != rebuild->target)
            continue;
        if (wrong) {
            sink_fail(&rebuild->sink);
            continue;
        }
        crmpi_erasure_rebuild(recipe, (const unsigned char *const *)rebuild->blocks,
                              BLOCK, rebuild->result);
        sink_write(&rebuild->sink, rebuild->result, bytes, i * BLOCK);
    }
}

static int has_part(const struct crmpi_transfer_group *group, uint32_t target,
                    uint32_t world_rank)
{
    for (unsigned i = 0; i < group->about->k + group->about->m; i++)
        if (group->files[i].keeper == world_rank || group->shares[i].keeper == world_rank)
            return 1;
    return world_rank == target;
}

/* What is there of the group, as bits. */
static uint64_t bits_of(const struct crmpi_transfer_group *group,
                        const struct crmpi_transfer_place *places, int are_files)
{
    uint64_t bits = 0;

    for (unsigned i = 0; i < group->about->k + group->about->m; i++)
        if (places[i].keeper != UINT32_MAX ||
            (are_files && group->about->members[i].sn == 0))
            bits |= (uint64_t)1 << i;
    return bits;
}

static enum crmpi_status recipes_make(struct rebuild *rebuild, unsigned member,
                                      struct crmpi_erasure_recipe *recipes)
{
    const struct crmpi_transfer_group *group = rebuild->group;
    uint64_t files = bits_of(group, group->files, 1);
    uint64_t shares = bits_of(group, group->shares, 0);
    enum crmpi_status status = CRMPI_OK;

    for (unsigned i = 0; i < rebuild->code.k && status == CRMPI_OK; i++)
        status =
            crmpi_erasure_recipe(&rebuild->code, member, i, files, shares, &recipes[i]);
    return status;
}

enum crmpi_status crmpi_transfer_rebuild(const struct crmpi_transfer_group *group,
                                         unsigned member, uint32_t target, const char *to,
                                         uint32_t world_rank)
{
    unsigned k = group->about->k;
    uint64_t bytes = group->about->members[member].file_bytes;
    struct crmpi_erasure_recipe *recipes;
    struct rebuild *rebuild;
    unsigned char *space;
    enum crmpi_status status;

    if (!has_part(group, target, world_rank))
        return CRMPI_OK;
    recipes = malloc(k * sizeof *recipes);
    rebuild = calloc(1, sizeof *rebuild);
    space = malloc((k + 1) * BLOCK);
    if (!recipes || !rebuild || !space)
        PMPI_Abort(MPI_COMM_WORLD, 1);
    *rebuild = (struct rebuild){
        .group = group, .target = target, .world_rank = world_rank, .result = space};
    for (unsigned i = 0; i < k; i++)
        rebuild->blocks[i] = space + (i + 1) * BLOCK;
    for (unsigned i = 0; i < N_MAX; i++)
        rebuild->sources[i].fd = -1;
    status = crmpi_erasure_init(&rebuild->code, k, group->about->m);
    if (status == CRMPI_OK)
        status = recipes_make(rebuild, member, recipes);
    if (status == CRMPI_OK) { /* the same in all ranks */
        if (world_rank == target)
            sink_open(&rebuild->sink, to);
        rebuild_rows(rebuild, recipes, bytes);
        for (unsigned i = 0; i < N_MAX; i++)
            source_close(&rebuild->sources[i]);
        if (world_rank == target)
            status = sink_close(&rebuild->sink, bytes);
    }
    free(space);
    free(rebuild);
    free(recipes);
    return status;
}

/* ---- shares ---- */

struct making {
    unsigned char *memory, *touched;
    uint64_t bytes, n_blocks;
    int failed;
};

static void making_open(struct making *making, const struct crmpi_erasure *code,
                        const struct crmpi_share *about)
{
    uint64_t largest = 0;

    for (unsigned i = 0; i < about->k + about->m; i++)
        if (about->members[i].file_bytes > largest)
            largest = about->members[i].file_bytes;
    making->n_blocks = crmpi_erasure_blocks(code, largest);
    making->bytes = crmpi_share_file_bytes(making->n_blocks);
    making->touched = calloc(making->n_blocks, 1);
    making->memory = mmap(NULL, making->bytes, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    making->failed = making->touched == NULL || making->memory == MAP_FAILED;
    if (making->failed)
        crmpi_error("no memory to make a share of %llu bytes",
                    (unsigned long long)making->bytes);
}

static enum crmpi_status making_close(struct making *making,
                                      const struct crmpi_share *about, const char *to)
{
    enum crmpi_status status = making->failed ? CRMPI_ERR_IO : CRMPI_OK;
    struct sink sink;

    if (status == CRMPI_OK)
        status = crmpi_share_seal(about, making->touched, making->memory, making->bytes);
    if (status == CRMPI_OK) {
        sink_open(&sink, to);
        if (sink.status == CRMPI_OK)
            sink.status = crmpi_output_reserve(&sink.output, making->bytes);
        sink_write(&sink, making->memory, making->bytes, 0);
        status = sink_close(&sink, making->bytes);
    }
    if (making->memory != MAP_FAILED)
        munmap(making->memory, making->bytes);
    free(making->touched);
    return status;
}

static void share_add(struct making *making, const struct crmpi_erasure *code,
                      const struct crmpi_erasure_piece *piece, const void *data)
{
    crmpi_erasure_add(code, piece, data, !making->touched[piece->block],
                      making->memory + crmpi_share_block_offset(piece->block));
    making->touched[piece->block] = 1;
}

enum crmpi_status crmpi_transfer_share(const struct crmpi_transfer_group *group,
                                       unsigned holder, uint32_t target, const char *to,
                                       uint32_t world_rank)
{
    int is_target = world_rank == target;
    struct crmpi_share about = *group->about;
    struct making making = {.memory = MAP_FAILED};
    struct crmpi_erasure code;
    unsigned char *block;

    if (!has_part(group, target, world_rank))
        return CRMPI_OK;
    if (crmpi_erasure_init(&code, about.k, about.m) != CRMPI_OK)
        return CRMPI_ERR_INTERNAL;
    block = malloc(BLOCK);
    if (!block)
        PMPI_Abort(MPI_COMM_WORLD, 1);
    if (is_target)
        making_open(&making, &code, &about);
    for (unsigned i = 0; i < about.k + about.m; i++) {
        struct source source = {group->files[i].path, -1, 0};
        struct crmpi_erasure_piece piece;
        uint64_t cursor = 0;

        while (crmpi_erasure_next(&code, i, holder, about.members[i].file_bytes, &cursor,
                                  &piece)) {
            int wrong = pass(&source, group->files[i].keeper, target, world_rank, block,
                             piece.bytes, piece.offset);
            if (is_target && wrong)
                making.failed = 1;
            else if (is_target && !making.failed)
                share_add(&making, &code, &piece, block);
        }
        source_close(&source);
    }
    free(block);
    about.holder = holder;
    return is_target ? making_close(&making, &about, to) : CRMPI_OK;
}
