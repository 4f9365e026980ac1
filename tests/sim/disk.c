/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What simulated jobs leave on disk, and the lines in that: see disk.h.  Test.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "recovery/history.h"
#include "sim/disk.h"
#include "sim/sim.h"

#define CHOICES_TRIED 20000

struct file {
    uint64_t sn;
    struct traffic_rank state;
    struct crmpi_dependencies dependencies;
    int is_trimmed, is_lost;
};

struct folder {
    struct file *files; /* alone, by number */
    size_t n_files;
    struct file line;     /* what the newest line has */
    struct file together; /* not committed yet; sn = 0: none */
};

/* What a restart can choose from, for one rank: the line's, and newer ones, ascending. */
struct choices {
    const struct file **files;
    size_t n;
};

static struct {
    const struct traffic_program *program;
    uint32_t n_ranks;
    uint64_t line_number, highest;
    int is_drained; /* the newest line */
    struct folder folders[TRAFFIC_RANKS];
    struct choices choices[TRAFFIC_RANKS]; /* listed anew whenever they are needed */
    size_t lag;
    int lag_is_known;
} disk;

static void file_fini(struct file *file)
{
    traffic_rank_fini(&file->state);
    crmpi_dependencies_fini(&file->dependencies);
    memset(file, 0, sizeof *file);
}

void disk_init(const struct traffic_program *program)
{
    memset(&disk, 0, sizeof disk);
    disk.program = program;
    disk.n_ranks = program->n_ranks;
}

void disk_fini(void)
{
    for (uint32_t r = 0; r < disk.n_ranks; r++) {
        disk_drop_before(r, UINT64_MAX);
        free(disk.folders[r].files);
        file_fini(&disk.folders[r].line);
        file_fini(&disk.folders[r].together);
        free(disk.choices[r].files);
    }
}

uint64_t disk_line_number(void)
{
    return disk.line_number;
}

void disk_load(uint32_t r, struct traffic_rank *rank_out)
{
    traffic_rank_copy(rank_out, &disk.folders[r].line.state);
}

/* ---- writing and dropping ---- */

static void file_make(struct file *file, uint64_t sn, const struct traffic_rank *rank,
                      struct crmpi_dependencies *dependencies)
{
    *file = (struct file){.sn = sn, .dependencies = *dependencies};
    traffic_rank_copy(&file->state, rank);
    memset(dependencies, 0, sizeof *dependencies);
    disk.highest = sn > disk.highest ? sn : disk.highest;
    disk.lag_is_known = 0;
}

void disk_write_together(uint32_t r, const struct traffic_rank *rank,
                         struct crmpi_dependencies *dependencies)
{
    file_fini(&disk.folders[r].together);
    file_make(&disk.folders[r].together, dependencies->sn, rank, dependencies);
}

void disk_write_alone(uint32_t r, const struct traffic_rank *rank,
                      struct crmpi_dependencies *dependencies)
{
    struct folder *folder = &disk.folders[r];

    folder->files = realloc(folder->files, (folder->n_files + 1) * sizeof *folder->files);
    if (folder->files == NULL)
        abort();
    file_make(&folder->files[folder->n_files++], dependencies->sn, rank, dependencies);
}

int disk_commit(uint64_t sn)
{
    for (uint32_t r = 0; r < disk.n_ranks; r++) {
        const struct folder *folder = &disk.folders[r];
        if (folder->together.sn != sn || sn <= disk.line_number ||
            (folder->n_files > 0 && folder->files[folder->n_files - 1].sn >= sn))
            return -1;
    }
    for (uint32_t r = 0; r < disk.n_ranks; r++) {
        struct folder *folder = &disk.folders[r];
        file_fini(&folder->line);
        folder->line = folder->together;
        memset(&folder->together, 0, sizeof folder->together);
        traffic_committed(&folder->line.state, sn);
    }
    disk.line_number = sn;
    disk.is_drained = 1;
    disk.lag_is_known = 0;
    return 0;
}

uint64_t disk_newest(uint32_t r)
{
    const struct folder *folder = &disk.folders[r];
    return folder->n_files > 0 ? folder->files[folder->n_files - 1].sn : 0;
}

size_t disk_n_files(uint32_t r)
{
    const struct folder *folder = &disk.folders[r];
    size_t n = 0;

    for (size_t i = 0; i < folder->n_files; i++)
        n += !folder->files[i].is_trimmed;
    return n;
}

void disk_drop_before(uint32_t r, uint64_t sn)
{
    struct folder *folder = &disk.folders[r];
    size_t n = 0;

    while (n < folder->n_files && folder->files[n].sn < sn)
        file_fini(&folder->files[n++]);
    folder->n_files -= n;
    if (n > 0)
        memmove(folder->files, folder->files + n,
                folder->n_files * sizeof *folder->files);
    disk.lag_is_known = 0;
}

void disk_trim(uint32_t r, uint64_t sn)
{
    struct folder *folder = &disk.folders[r];

    for (size_t i = 0; i < folder->n_files && folder->files[i].sn < sn; i++)
        folder->files[i].is_trimmed = 1;
}

unsigned disk_lose_some(void)
{
    unsigned n = 0;

    for (uint32_t r = 0; r < disk.n_ranks; r++)
        for (size_t i = 0; i < disk.folders[r].n_files; i++) {
            struct file *file = &disk.folders[r].files[i];
            if (file->sn <= disk.line_number || file->is_trimmed || !sim_chance(0.3))
                continue;
            file->is_lost = 1;
            n++;
        }
    return n;
}

/* ---- the line ---- */

/* All there are: a job may run long without another checkpoint of all. */
static const struct choices *choices_list(enum disk_what what)
{
    for (uint32_t r = 0; r < disk.n_ranks; r++) {
        const struct folder *folder = &disk.folders[r];
        struct choices *choices = &disk.choices[r];

        choices->files =
            realloc(choices->files, (folder->n_files + 1) * sizeof *choices->files);
        if (choices->files == NULL)
            abort();
        choices->files[0] = &folder->line;
        choices->n = 1;
        for (size_t i = 0; i < folder->n_files; i++) {
            const struct file *file = &folder->files[i];
            if (file->sn > disk.line_number && !file->is_lost &&
                (what == DISK_ALL || !file->is_trimmed))
                choices->files[choices->n++] = file;
        }
    }
    return disk.choices;
}

/* Which of two states forces the other one back; bits: 1: i has to go back, 2: j. */
static int conflict(const struct file *a, uint32_t i, const struct file *b, uint32_t j)
{
    int back = 0;

    for (unsigned tag = 0; tag < TRAFFIC_TAGS; tag++) {
        const struct traffic_stream *out = &a->state.streams[j][tag];
        const struct traffic_stream *in = &b->state.streams[i][tag];
        back |= in->received > out->sent ? 2 : 0;
        back |= out->unlogged > in->received ? 1 : 0;
    }
    for (unsigned c = 0; c < TRAFFIC_COMMS; c++)
        if ((disk.program->members[c] >> i & 1) && (disk.program->members[c] >> j & 1) &&
            a->state.counts[c] != b->state.counts[c])
            back |= a->state.counts[c] > b->state.counts[c] ? 1 : 2;
    if (b->state.origins[i] > a->sn)
        back |= 2;
    return back;
}

static void newest_line(const struct choices *choices, size_t *chosen)
{
    int moved = 1;

    for (uint32_t r = 0; r < disk.n_ranks; r++)
        chosen[r] = choices[r].n - 1;
    while (moved) {
        moved = 0;
        for (uint32_t i = 0; i < disk.n_ranks; i++)
            for (uint32_t j = 0; j < disk.n_ranks; j++) {
                int back = i == j ? 0
                                  : conflict(choices[i].files[chosen[i]], i,
                                             choices[j].files[chosen[j]], j);
                moved |= back;
                chosen[i] -= (back & 1) && chosen[i] > 0;
                chosen[j] -= (back & 2) && chosen[j] > 0;
            }
    }
}

void disk_line(uint64_t *sn_out, enum disk_what what)
{
    const struct choices *choices = choices_list(what);
    size_t chosen[TRAFFIC_RANKS];

    newest_line(choices, chosen);
    for (uint32_t r = 0; r < disk.n_ranks; r++)
        sn_out[r] = choices[r].files[chosen[r]]->sn;
}

size_t disk_lag(void)
{
    const struct choices *choices;
    size_t chosen[TRAFFIC_RANKS];

    if (disk.lag_is_known)
        return disk.lag;
    choices = choices_list(DISK_ALL);
    newest_line(choices, chosen);
    disk.lag = 0;
    for (uint32_t r = 0; r < disk.n_ranks; r++)
        if (disk.lag < choices[r].n - 1 - chosen[r])
            disk.lag = choices[r].n - 1 - chosen[r];
    disk.lag_is_known = 1;
    return disk.lag;
}

/* ---- checking a line ---- */

static int is_consistent(const struct choices *choices, const size_t *chosen)
{
    for (uint32_t i = 0; i < disk.n_ranks; i++)
        for (uint32_t j = 0; j < disk.n_ranks; j++)
            if (i != j &&
                conflict(choices[i].files[chosen[i]], i, choices[j].files[chosen[j]], j))
                return 0;
    return 1;
}

/* The largest of all choices that are consistent, of each rank: -1 if there are too many
 * to try. */
static int try_all(const struct choices *choices, size_t *best)
{
    size_t chosen[TRAFFIC_RANKS] = {0}, n = 1;
    uint32_t r = 0;

    for (r = 0; r < disk.n_ranks; r++) {
        n *= choices[r].n;
        best[r] = 0;
        if (n > CHOICES_TRIED)
            return -1;
    }
    for (size_t k = 0; k < n; k++) {
        size_t left = k;
        for (r = 0; r < disk.n_ranks; r++) {
            chosen[r] = left % choices[r].n;
            left /= choices[r].n;
        }
        if (!is_consistent(choices, chosen))
            continue;
        for (r = 0; r < disk.n_ranks; r++)
            if (best[r] < chosen[r])
                best[r] = chosen[r];
    }
    return 0;
}

static enum crmpi_status add_file(struct crmpi_history *history, uint32_t r,
                                  const struct file *file)
{
    const struct crmpi_checkpoint about = {.sn = file->sn};
    struct crmpi_dependencies copy;
    void *packed;
    size_t n_bytes;
    enum crmpi_status status = CRMPI_ERR_NOMEM;

    if (crmpi_dependencies_pack(&file->dependencies, &packed, &n_bytes) != 0)
        return status;
    if (crmpi_dependencies_unpack(&copy, packed, n_bytes) == 0) {
        status = crmpi_history_add(history, r, &about, &copy);
        crmpi_dependencies_fini(&copy);
    }
    free(packed);
    return status;
}

/* The line that lib/recovery finds. */
static int computed_line(const struct choices *choices, uint64_t *sn_out)
{
    uint64_t line[TRAFFIC_RANKS];
    struct crmpi_history history;
    struct crmpi_recovery_line found;
    enum crmpi_status status = crmpi_history_init(&history, disk.n_ranks);

    for (uint32_t r = 0; r < disk.n_ranks; r++)
        line[r] = disk.line_number;
    if (status == CRMPI_OK)
        status = crmpi_history_add_line(&history, disk.line_number, line);
    for (uint32_t r = 0; r < disk.n_ranks; r++)
        for (size_t i = 0; i < choices[r].n && status == CRMPI_OK; i++)
            status = add_file(&history, r, choices[r].files[i]);
    if (status == CRMPI_OK)
        status = crmpi_history_link(&history);
    if (status == CRMPI_OK)
        status = crmpi_recovery_line(&history, NULL, NULL, NULL, &found);
    if (status == CRMPI_OK) {
        memcpy(sn_out, found.sn, disk.n_ranks * sizeof *sn_out);
        crmpi_recovery_line_fini(&found);
    }
    crmpi_history_fini(&history);
    return status == CRMPI_OK ? 0 : -1;
}

static const char *check_logs(const struct choices *choices, const size_t *chosen)
{
    for (uint32_t i = 0; i < disk.n_ranks; i++) {
        const struct traffic_rank *sender = &choices[i].files[chosen[i]]->state;
        for (uint32_t j = 0; j < disk.n_ranks; j++)
            for (int32_t tag = 0; tag < TRAFFIC_TAGS && j != i; tag++) {
                const struct traffic_rank *receiver = &choices[j].files[chosen[j]]->state;
                uint64_t received = receiver->streams[i][tag].received;
                uint64_t late = sender->streams[j][tag].sent - received, n = 0;
                for (size_t k = 0; k < sender->log.n; k++)
                    n += sender->log.items[k].to == j &&
                         sender->log.items[k].tag == tag &&
                         sender->log.items[k].index > received;
                if (n != late)
                    return "a message that is needed is in no log";
            }
    }
    return NULL;
}

const char *disk_check_line(const uint64_t *sn)
{
    const struct choices *choices = choices_list(DISK_LEFT);
    size_t chosen[TRAFFIC_RANKS], best[TRAFFIC_RANKS];
    uint64_t computed[TRAFFIC_RANKS];

    newest_line(choices, chosen);
    if (!is_consistent(choices, chosen))
        return "the line is not consistent";
    if (try_all(choices, best) == 0 &&
        memcmp(best, chosen, disk.n_ranks * sizeof *best) != 0)
        return "the line is not the newest one";
    if (disk.is_drained && computed_line(choices, computed) != 0)
        return "no line can be computed";
    if (disk.is_drained && memcmp(computed, sn, disk.n_ranks * sizeof *sn) != 0)
        return "the line that is computed is not the newest one";
    return check_logs(choices, chosen);
}

void disk_make_line(const uint64_t *sn)
{
    for (uint32_t r = 0; r < disk.n_ranks; r++) {
        struct folder *folder = &disk.folders[r];
        struct file line = folder->line;
        for (size_t i = 0; i < folder->n_files; i++)
            if (folder->files[i].sn == sn[r]) {
                line = folder->files[i];
                folder->files[i] = folder->line;
            }
        folder->line = line;
        folder->line.sn = disk.highest + 1;
        disk_drop_before(r, UINT64_MAX);
        file_fini(&folder->together);
    }
    disk.is_drained = 0;
    disk.line_number = ++disk.highest;
    disk.lag_is_known = 0;
}
