/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Protecting this rank's files (see levels.h).  Lower half.
 */
#include <errno.h>
#include <fcntl.h>
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/log.h"
#include "levels/courier.h"
#include "levels/exchange.h"
#include "levels/files.h"
#include "levels/flush.h"
#include "levels/levels.h"
#include "levels/serve.h"
#include "storage/directory.h"
#include "storage/image.h"

static struct {
    int is_local; /* and running */
    char home[CRMPI_PATH_BYTES];
    char job_id[64];
    uint32_t world_rank, n_ranks;
    uint64_t incarnation;
    struct crmpi_topology topology;
    struct crmpi_address *all;
    unsigned char key[CRMPI_KEY_BYTES];
    struct crmpi_assembly assembly; /* the server's, but for the list of members */
    int has_group;
} levels;

struct crmpi_exchange_peers crmpi_levels_peers(void)
{
    return (struct crmpi_exchange_peers){
        .all = levels.all, .key = levels.key, .self = levels.world_rank};
}

const char *crmpi_levels_home(void)
{
    return levels.is_local ? levels.home : crmpi_config.dir;
}

unsigned crmpi_levels_reached(void)
{
    return levels.is_local ? crmpi_config.levels.set & ~(unsigned)CRMPI_LEVEL_GLOBAL
                           : CRMPI_LEVEL_GLOBAL;
}

int crmpi_levels_send(void)
{
    return levels.is_local &&
           crmpi_config.levels.set & (CRMPI_LEVEL_PARTNER | CRMPI_LEVEL_ERASURE);
}

/* ---- start ---- */

/* Why these levels cannot be; the same in all ranks. */
static int refusal(const struct crmpi_job *job, char *why, size_t why_bytes)
{
    const struct crmpi_levels *wanted = &crmpi_config.levels;

    if (strcmp(job->policy, "uncoordinated") == 0) {
        snprintf(
            why, why_bytes,
            "the policy uncoordinated finds its line in the files of all ranks, which "
            "have to be in CRMPI_DIR: CRMPI_LEVELS=global");
        return 1;
    }
    if (wanted->set & CRMPI_LEVEL_ERASURE && strcmp(job->policy, "partial") == 0) {
        snprintf(why, why_bytes,
                 "CRMPI_LEVELS=erasure needs checkpoints of all ranks together, and not "
                 "the policy partial");
        return 1;
    }
    return crmpi_topology_refusal(&levels.topology, wanted->set, wanted->k, wanted->m,
                                  why, why_bytes);
}

static enum crmpi_status find_nodes(const char *name)
{
    char(*names)[CRMPI_NODE_BYTES] = calloc(levels.n_ranks, sizeof *names);
    enum crmpi_status status = names != NULL ? CRMPI_OK : CRMPI_ERR_NOMEM;

    if (status == CRMPI_OK &&
        PMPI_Allgather(name, CRMPI_NODE_BYTES, MPI_BYTE, names, CRMPI_NODE_BYTES,
                       MPI_BYTE, MPI_COMM_WORLD) != MPI_SUCCESS)
        status = CRMPI_ERR_MPI;
    if (status == CRMPI_OK)
        status = crmpi_topology_init(
            &levels.topology, (const char(*)[CRMPI_NODE_BYTES])names, levels.n_ranks);
    free(names);
    return status;
}

static enum crmpi_status find_peers(const struct crmpi_address *self)
{
    levels.all = calloc(levels.n_ranks, sizeof *levels.all);
    if (levels.all == NULL)
        return CRMPI_ERR_NOMEM;
    return PMPI_Allgather(self, sizeof *self, MPI_BYTE, levels.all, sizeof *self,
                          MPI_BYTE, MPI_COMM_WORLD) == MPI_SUCCESS
               ? CRMPI_OK
               : CRMPI_ERR_MPI;
}

static enum crmpi_status make_group(void)
{
    const struct crmpi_levels *wanted = &crmpi_config.levels;
    struct crmpi_assembly *assembly = &levels.assembly;

    memset(assembly, 0, sizeof *assembly);
    levels.has_group = (wanted->set & CRMPI_LEVEL_ERASURE) != 0;
    if (!levels.has_group)
        return CRMPI_OK;
    assembly->n = crmpi_topology_group(&levels.topology, levels.world_rank, wanted->k,
                                       wanted->m, assembly->members);
    for (unsigned i = 0; i < assembly->n; i++)
        if (assembly->members[i] == levels.world_rank)
            assembly->self = i;
    memcpy(assembly->home, levels.home, sizeof assembly->home);
    memcpy(assembly->job_id, levels.job_id, sizeof assembly->job_id);
    return crmpi_erasure_init(&assembly->code, assembly->n - wanted->m, wanted->m);
}

/* The folders, and this rank's own: the server looks into it. */
static enum crmpi_status make_home(const char *node, const char *job_id)
{
    char unused[CRMPI_PATH_BYTES];
    enum crmpi_status status = crmpi_levels_home_create(node, job_id);

    if (status == CRMPI_OK)
        status = crmpi_levels_home_of(node, job_id, levels.home, sizeof levels.home);
    return status == CRMPI_OK ? crmpi_rank_path(levels.home, levels.world_rank, 1, 1,
                                                unused, sizeof unused)
                              : status;
}

static enum crmpi_status start_threads(int listener)
{
    struct crmpi_serve_setup setup = {
        .listener = listener,
        .key = levels.key,
        .self = levels.world_rank,
        .n_ranks = levels.n_ranks,
        .home = levels.home,
        .assembly = levels.has_group ? &levels.assembly : NULL,
        .flush = crmpi_courier_take,
    };
    enum crmpi_status status = CRMPI_OK;

    if (crmpi_config.levels.set & CRMPI_LEVEL_GLOBAL)
        status = crmpi_courier_start(levels.home, levels.world_rank);
    if (status == CRMPI_OK && levels.world_rank == 0 &&
        crmpi_config.levels.set & CRMPI_LEVEL_GLOBAL)
        status = crmpi_flush_start(levels.n_ranks);
    return status == CRMPI_OK ? crmpi_serve_start(&setup) : status;
}

enum crmpi_status crmpi_levels_start(const struct crmpi_job *job,
                                     const unsigned char *key)
{
    char node[CRMPI_NODE_BYTES] = "?", why[512];
    struct crmpi_address self;
    enum crmpi_status status;
    int listener;

    if (!crmpi_levels_are_local())
        return CRMPI_OK;
    levels.world_rank = job->world_rank;
    levels.n_ranks = job->n_ranks;
    levels.incarnation = job->incarnation;
    memcpy(levels.job_id, job->job_id, sizeof levels.job_id);
    memcpy(levels.key, key, sizeof levels.key);
    /* all take part in what is collective, whatever goes wrong with one */
    status = crmpi_node_name(crmpi_config.nodes, job->world_rank, job->n_ranks, node);
    listener = crmpi_tree_listen(&self);
    if (find_nodes(node) != CRMPI_OK)
        status = CRMPI_ERR_SYSTEM;
    if (find_peers(&self) != CRMPI_OK || listener < 0)
        status = CRMPI_ERR_SYSTEM;
    if (status == CRMPI_OK && refusal(job, why, sizeof why)) {
        if (job->world_rank == 0)
            crmpi_warn("%s", why);
        status = CRMPI_ERR_UNSUPPORTED;
    }
    if (status == CRMPI_OK)
        status = make_home(node, job->job_id);
    if (status == CRMPI_OK)
        status = make_group();
    if (status == CRMPI_OK)
        status = start_threads(listener);
    levels.is_local = status == CRMPI_OK;
    if (status != CRMPI_OK && listener >= 0)
        close(listener);
    return status;
}

/* Lines whose files will be nowhere. */
static void remove_lines(void)
{
    char path[CRMPI_PATH_BYTES];
    struct crmpi_line line;
    uint64_t *numbers;
    size_t n;

    if (crmpi_lines_list(crmpi_config.dir, &numbers, &n) != CRMPI_OK)
        return;
    for (size_t i = 0; i < n; i++) {
        if (crmpi_line_read(crmpi_config.dir, numbers[i], &line) != CRMPI_OK)
            continue;
        if (strcmp(line.job.job_id, levels.job_id) == 0 &&
            !(crmpi_line_levels(&line) & CRMPI_LEVEL_GLOBAL) &&
            crmpi_line_path(crmpi_config.dir, numbers[i], path, sizeof path) ==
                CRMPI_OK &&
            unlink(path) != 0)
            crmpi_warn("cannot remove %s: %s", path, strerror(errno));
        crmpi_line_free(&line);
    }
    free(numbers);
}

/* What ranks that are elsewhere since a restart have left here: nobody else removes it. */
static enum crmpi_status remove_stray(int fd, const char *folder, const char *name,
                                      void *context)
{
    const struct crmpi_topology *topology = &levels.topology;
    const char *kind = context;
    uint64_t rank;

    (void)fd;
    (void)folder;
    if (!crmpi_name_is(name, "", &rank) || rank >= levels.n_ranks)
        return CRMPI_OK;
    uint32_t keeper = strcmp(kind, "partner") == 0
                          ? crmpi_topology_partner(topology, (uint32_t)rank)
                          : (uint32_t)rank;
    if (topology->node_of[keeper] != topology->node_of[levels.world_rank])
        crmpi_folder_remove(levels.home, kind, (uint32_t)rank);
    return CRMPI_OK;
}

static void remove_strays(void)
{
    static char kinds[][8] = {"ranks", "partner", "erasure"};
    char path[CRMPI_PATH_BYTES];

    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (snprintf(path, sizeof path, "%s/%s", levels.home, kinds[i]) <
            (int)sizeof path)
            crmpi_entries_visit(path, remove_stray, kinds[i]);
}

static enum crmpi_status remove_folder(int fd, const char *folder, const char *name,
                                       void *context)
{
    const char *kind = strrchr(folder, '/') + 1;
    uint64_t rank;

    (void)fd;
    if (crmpi_name_is(name, "", &rank) && rank < CRMPI_RANKS_MAX)
        crmpi_folder_remove(context, kind, (uint32_t)rank);
    return CRMPI_OK;
}

void crmpi_levels_discard(const char *job_id)
{
    static const char *const kinds[] = {"ranks", "partner", "erasure"};
    const struct crmpi_topology *topology = &levels.topology;
    char home[CRMPI_PATH_BYTES], path[CRMPI_PATH_BYTES];

    if (!levels.is_local || topology->place_of[levels.world_rank] != 0 ||
        crmpi_levels_home_of(topology->names[topology->node_of[levels.world_rank]],
                             job_id, home, sizeof home) != CRMPI_OK ||
        access(home, F_OK) != 0)
        return;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (snprintf(path, sizeof path, "%s/%s", home, kinds[i]) < (int)sizeof path &&
            access(path, F_OK) == 0)
            crmpi_entries_visit(path, remove_folder, home);
    crmpi_home_remove(home);
}

static void remove_files(void)
{
    uint32_t self = levels.world_rank;

    if (self == 0)
        remove_lines();

    crmpi_folder_remove(levels.home, "ranks", self);
    crmpi_folder_remove(levels.home, "erasure", self);
    for (uint32_t rank = 0; rank < levels.n_ranks; rank++)
        if (crmpi_topology_partner(&levels.topology, rank) == self)
            crmpi_folder_remove(levels.home, "partner", rank);
    if (levels.topology.place_of[self] == 0)
        remove_strays();
    crmpi_home_remove(levels.home);
}

void crmpi_levels_stop(int is_over)
{
    crmpi_flush_stop();
    crmpi_courier_stop();
    crmpi_serve_stop();
    if (levels.has_group)
        crmpi_assembly_fail(&levels.assembly, CRMPI_ERR_IO);
    levels.has_group = 0;
    if (levels.is_local && is_over)
        remove_files();
    levels.is_local = 0;
    crmpi_topology_fini(&levels.topology);
    free(levels.all);
    levels.all = NULL;
}

/* ---- protecting a file ---- */

static void describe(const struct crmpi_sending *sending, char *why, size_t why_bytes)
{
    snprintf(why, why_bytes, "%s rank %u on node %s: %s",
             sending->head.kind == CRMPI_EXCHANGE_COPY ? "its copy at" : "the share of",
             sending->to, levels.topology.names[levels.topology.node_of[sending->to]],
             crmpi_status_text(sending->status));
}

/* The streams, to the members behind this one first: so that not all begin with the same
 * one. */
static unsigned add_streams(struct crmpi_sending *sendings,
                            const struct crmpi_exchange_head *head, int file)
{
    const struct crmpi_assembly *group = &levels.assembly;

    if (!levels.has_group)
        return 0;
    for (unsigned i = 0; i < group->n; i++) {
        unsigned holder = (group->self + 1 + i) % group->n;

        sendings[i] = (struct crmpi_sending){.to = group->members[holder],
                                             .head = *head,
                                             .file = file,
                                             .code = &group->code,
                                             .member = group->self,
                                             .holder = holder};
    }
    return group->n;
}

static int never_given_up(void)
{
    return 0;
}

static void send_missing(struct crmpi_sending *sending)
{
    struct crmpi_exchange_peers all = crmpi_levels_peers();

    sending->head.kind = CRMPI_EXCHANGE_MISSING;
    crmpi_exchange_send(&all, sending, 1, never_given_up); /* as far as possible */
}

void crmpi_levels_missing(uint64_t attempt, uint64_t sn)
{
    struct crmpi_exchange_head head = {
        .kind = CRMPI_EXCHANGE_MISSING, .attempt = attempt, .sn = sn};
    struct crmpi_sending sendings[CRMPI_SENDINGS_MAX];
    unsigned n = add_streams(sendings, &head, -1);

    for (unsigned i = 0; i < n; i++)
        send_missing(&sendings[i]);
}

/* Send a file to all who keep something of it. */
static enum crmpi_status send_file(const struct crmpi_exchange_head *head, int file,
                                   const uint64_t *numbers, size_t n_numbers,
                                   int (*is_given_up)(void), char *why, size_t why_bytes)
{
    struct crmpi_sending sendings[CRMPI_SENDINGS_MAX];
    struct crmpi_exchange_peers all = crmpi_levels_peers();
    struct crmpi_exchange_head stream = *head;
    unsigned n;
    enum crmpi_status status;

    stream.kind = CRMPI_EXCHANGE_STREAM;
    n = add_streams(sendings, &stream, file);
    if (crmpi_config.levels.set & CRMPI_LEVEL_PARTNER) {
        sendings[n] = (struct crmpi_sending){
            .to = crmpi_topology_partner(&levels.topology, levels.world_rank),
            .head = *head,
            .numbers = numbers,
            .file = file};
        sendings[n].head.kind = CRMPI_EXCHANGE_COPY;
        sendings[n++].head.n_numbers = (uint32_t)n_numbers;
    }
    status = crmpi_exchange_send(&all, sendings, n, is_given_up);
    for (unsigned i = n; i-- > 0;) {
        if (sendings[i].status == CRMPI_OK)
            continue;
        describe(&sendings[i], why, why_bytes);
        if (sendings[i].head.kind == CRMPI_EXCHANGE_STREAM && !is_given_up())
            send_missing(&sendings[i]);
    }
    return status;
}

enum crmpi_status crmpi_levels_protect(const struct crmpi_protected *file,
                                       int (*is_given_up)(void), char *why,
                                       size_t why_bytes)
{
    struct crmpi_exchange_head head = {.attempt = file->attempt,
                                       .sn = file->sn,
                                       .incarnation = levels.incarnation,
                                       .file_bytes = file->file_bytes,
                                       .digest = file->digest};
    char path[CRMPI_PATH_BYTES];
    struct crmpi_parent parent;
    uint64_t *numbers = NULL;
    size_t n_numbers = 0;
    enum crmpi_status status;
    int fd;

    if (!crmpi_levels_send())
        return CRMPI_OK;
    status =
        crmpi_rank_path(levels.home, levels.world_rank, file->sn, 0, path, sizeof path);
    if (status == CRMPI_OK)
        status = crmpi_seal_parent(path, &parent);
    if (status == CRMPI_OK)
        status = crmpi_own_files(levels.home, levels.world_rank, &numbers, &n_numbers);
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (status == CRMPI_OK && (fd < 0 || n_numbers > CRMPI_EXCHANGE_NUMBERS_MAX))
        status = CRMPI_ERR_IO;
    if (status == CRMPI_OK) {
        head.parent_sn = parent.sn;
        head.parent_digest = parent.digest;
        status = send_file(&head, fd, numbers, n_numbers, is_given_up, why, why_bytes);
    } else {
        snprintf(why, why_bytes, "%s cannot be read again", path);
        crmpi_levels_missing(file->attempt, file->sn);
    }
    if (fd >= 0)
        close(fd);
    free(numbers);
    return status;
}
