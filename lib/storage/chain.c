/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Opening a chain of checkpoints, and finding each byte in it, see chain.h.  Lower half and
 * tools.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/log.h"
#include "storage/chain.h"
#include "storage/directory.h"

/* ---- which bytes come from where ---- */

/* Address ranges that are looked for. */
struct wanted {
    struct crmpi_extent *list;
    size_t n;
};

static uint64_t end_of(struct crmpi_extent range)
{
    return range.start + range.bytes;
}

/*
 * Take what is stored of the wanted ranges as pieces, and leave the rest wanted.
 * @param rest, pieces  have room for all
 */
static void wanted_split(const struct wanted *wanted, const struct crmpi_content *content,
                         struct wanted *rest, struct crmpi_part *part)
{
    size_t s = 0;
    for (size_t i = 0; i < wanted->n; i++) {
        uint64_t at = wanted->list[i].start, end = end_of(wanted->list[i]);
        while (at < end) {
            const struct crmpi_stored_extent *stored = &content->stored[s];
            if (s < content->n_stored && stored->start + stored->bytes <= at) {
                s++;
                continue;
            }
            uint64_t next =
                s < content->n_stored && stored->start < end ? stored->start : end;
            if (next > at) { /* a gap in front of the next stored one */
                rest->list[rest->n++] = (struct crmpi_extent){at, next - at};
                at = next;
                continue;
            }
            uint64_t stop =
                stored->start + stored->bytes < end ? stored->start + stored->bytes : end;
            part->pieces[part->n_pieces++] = (struct crmpi_piece){
                stored->offset + (at - stored->start), at, stop - at};
            at = stop;
        }
    }
}

/* Whether all wanted bytes are kept: what is neither stored nor kept is zero in a file, and
 * so not what a later one kept. */
static int are_kept(const struct wanted *wanted, const struct crmpi_content *content)
{
    size_t k = 0;
    for (size_t i = 0; i < wanted->n; i++) {
        uint64_t at = wanted->list[i].start, end = end_of(wanted->list[i]);
        while (at < end) {
            while (k < content->n_kept && end_of(content->kept[k]) <= at)
                k++;
            if (k == content->n_kept || content->kept[k].start > at)
                return 0;
            at = end_of(content->kept[k]);
        }
    }
    return 1;
}

static int piece_compare(const void *a, const void *b)
{
    const struct crmpi_piece *x = a, *y = b;
    return (x->offset > y->offset) - (x->offset < y->offset);
}

static enum crmpi_status no_memory(const struct crmpi_chain *chain)
{
    crmpi_error("no memory to read %s", chain->files[0].path);
    return CRMPI_ERR_NOMEM;
}

/* Take what one file has of the wanted ranges; the rest replaces them. */
static enum crmpi_status part_take(const struct crmpi_chain *chain,
                                   const struct crmpi_opened *file,
                                   struct crmpi_part *part, struct wanted *wanted)
{
    size_t room = wanted->n + part->content.n_stored + 1;
    struct wanted rest = {.list = malloc(room * sizeof *rest.list)};

    part->pieces = malloc(room * sizeof *part->pieces);
    if (!rest.list || !part->pieces) {
        free(rest.list);
        return no_memory(chain);
    }
    wanted_split(wanted, &part->content, &rest, part);
    if (part->n_pieces)
        qsort(part->pieces, part->n_pieces, sizeof *part->pieces, piece_compare);
    free(wanted->list);
    *wanted = rest;
    if (are_kept(&rest, &part->content))
        return CRMPI_OK;
    crmpi_error("%s is damaged: %s has not all that was kept of it", file->path,
                part->group);
    return CRMPI_ERR_CORRUPT;
}

static struct crmpi_part *part_find(const struct crmpi_opened *file, const char *group)
{
    for (size_t i = 0; i < 1 + file->n_segments; i++)
        if (strcmp(file->parts[i].group, group) == 0)
            return &file->parts[i];
    return NULL;
}

/* Find all bytes of a part of the newest file. */
static enum crmpi_status part_plan(const struct crmpi_chain *chain, size_t index)
{
    struct crmpi_part *newest = &chain->files[0].parts[index];
    enum crmpi_status status = CRMPI_OK;
    struct wanted wanted = {.n = newest->n_data};

    if (newest->n_data == 0)
        return CRMPI_OK;
    wanted.list = malloc(wanted.n * sizeof *wanted.list);
    if (!wanted.list)
        return no_memory(chain);
    memcpy(wanted.list, newest->data, wanted.n * sizeof *wanted.list);
    for (size_t i = 0; status == CRMPI_OK && wanted.n && i < chain->n; i++) {
        const struct crmpi_opened *file = &chain->files[i];
        struct crmpi_part *part = part_find(file, newest->group);
        if (part) {
            status = part_take(chain, file, part, &wanted);
        } else {
            crmpi_error("%s is damaged: it has no %s, of which something was kept",
                        file->path, newest->group);
            status = CRMPI_ERR_CORRUPT;
        }
    }
    free(wanted.list);
    return status;
}

/* A named region is one piece. */
static enum crmpi_status named_plan(const struct crmpi_chain *chain,
                                    struct crmpi_part *part)
{
    const struct crmpi_stored_extent *stored = part->content.stored;
    part->pieces = malloc(sizeof *part->pieces);
    if (!part->pieces)
        return no_memory(chain);
    *part->pieces = (struct crmpi_piece){0, stored->start, stored->bytes};
    part->n_pieces = 1;
    return CRMPI_OK;
}

static enum crmpi_status chain_plan(const struct crmpi_chain *chain)
{
    const struct crmpi_opened *newest = &chain->files[0];
    enum crmpi_status status = CRMPI_OK;

    for (size_t i = 0; status == CRMPI_OK && i < newest->n_parts; i++)
        status = i <= newest->n_segments ? part_plan(chain, i)
                                         : named_plan(chain, &newest->parts[i]);
    return status;
}

/* ---- the files ---- */

/* Whether a file is what a later one was built on. */
static enum crmpi_status parent_check(const struct crmpi_opened *file,
                                      const struct crmpi_opened *child)
{
    const struct crmpi_job *job = &file->job, *of = &child->job;

    if (strcmp(job->job_id, of->job_id) == 0 && job->n_ranks == of->n_ranks &&
        job->world_rank == of->world_rank && job->incarnation == of->incarnation &&
        job->sn < of->sn && job->sn == crmpi_image_parent(child->image).sn &&
        crmpi_image_digest(file->image) == crmpi_image_parent(child->image).digest)
        return CRMPI_OK;
    crmpi_error("%s is not the checkpoint that %s was built on", file->path, child->path);
    return CRMPI_ERR_CORRUPT;
}

/* Open the parent of the last file. */
static enum crmpi_status parent_open(struct crmpi_chain *chain, const char *path)
{
    const struct crmpi_opened *child = &chain->files[chain->n - 1];
    uint64_t sn = crmpi_image_parent(child->image).sn;
    const char *slash = strrchr(path, '/');
    char *file = NULL, *name = NULL;
    enum crmpi_status status;

    if (asprintf(&file, "%.*s" CRMPI_NUMBER_FORMAT CRMPI_FILE_SUFFIX,
                 slash ? (int)(slash - path) + 1 : 0, path, sn) < 0 ||
        asprintf(&name, "%s (needed by %s)", file, path) < 0) {
        free(file);
        return no_memory(chain);
    }
    if (access(file, F_OK) != 0 && errno == ENOENT) {
        crmpi_error("%s is missing, and %s needs it", file, path);
        status = CRMPI_ERR_CORRUPT;
    } else {
        status = crmpi_opened_open(file, name, &chain->files[chain->n]);
        if (status == CRMPI_ERR_FORMAT)
            status = CRMPI_ERR_CORRUPT;
    }
    if (status == CRMPI_OK)
        status = parent_check(&chain->files[chain->n++], child);
    free(name);
    free(file);
    return status;
}

/* Open all parents, one after the other; their numbers descend, so there is an end. */
static enum crmpi_status parents_open(struct crmpi_chain *chain, const char *path)
{
    enum crmpi_status status = CRMPI_OK;
    while (status == CRMPI_OK &&
           crmpi_image_parent(chain->files[chain->n - 1].image).sn) {
        struct crmpi_opened *more =
            realloc(chain->files, (chain->n + 1) * sizeof *chain->files);
        if (!more)
            return no_memory(chain);
        chain->files = more;
        if (chain->n == CRMPI_CHAIN_MAX) {
            crmpi_error("%s is damaged: it is built on more than %zu checkpoints", path,
                        CRMPI_CHAIN_MAX);
            return CRMPI_ERR_CORRUPT;
        }
        status = parent_open(chain, path);
    }
    return status;
}

enum crmpi_status crmpi_chain_open(const char *path, struct crmpi_chain *chain_out)
{
    struct crmpi_chain chain = {.files = malloc(sizeof *chain.files)};
    if (!chain.files) {
        crmpi_error("no memory to read %s", path);
        return CRMPI_ERR_NOMEM;
    }
    enum crmpi_status status = crmpi_opened_open(path, path, &chain.files[0]);
    chain.n = status == CRMPI_OK;
    if (status == CRMPI_OK)
        status = parents_open(&chain, path);
    if (status == CRMPI_OK)
        status = chain_plan(&chain);
    if (status == CRMPI_OK)
        *chain_out = chain;
    else
        crmpi_chain_close(&chain);
    return status;
}

void crmpi_chain_close(struct crmpi_chain *chain)
{
    for (size_t i = 0; i < chain->n; i++)
        crmpi_opened_close(&chain->files[i]);
    free(chain->files);
}
