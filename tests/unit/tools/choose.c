/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tests of the history of a checkpoint directory, and of choosing the line to go on from:
 * with files that were lost or damaged, and with checkpoints that ranks took alone.
 */
#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "../main.h"
#include "../storage/storage-fixture.h"
#include "tools/restart.h"

enum { N_MAX = 4 };

static char dir[512];

static void setup(void)
{
    folder_make();
    memory_map();
    snprintf(dir, sizeof dir, "%s/checkpoints", folder);
    ck_assert_int_eq(crmpi_directory_create(dir), CRMPI_OK);
    /* the pictures */
    require(freopen("/dev/null", "w", stderr) != NULL);
}

static const char *in_dir(const char *name)
{
    static char paths[4][768];
    static unsigned turn;
    char *path = paths[turn++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", dir, name);
    return path;
}

static const char *rank_file(uint32_t rank, uint64_t sn)
{
    static char path[1024];
    require(crmpi_rank_path(dir, rank, sn, 1, path, sizeof path) == CRMPI_OK);
    return path;
}

/* A job: what a test says of it before it saves. */
static struct crmpi_job job;
static struct crmpi_line_rank newest[N_MAX]; /* of each rank */

static void job_begin(uint32_t n_ranks)
{
    job = job_make(0, 1);
    job.n_ranks = n_ranks;
    job.incarnation = 0;
    job.restored = 0;
    memset(newest, 0, sizeof newest);
}

static void rank_save(struct crmpi_dependencies *depends, int is_silent)
{
    struct crmpi_job own = job;
    static struct saving saving;
    struct crmpi_line_rank *entry = &newest[depends->world_rank];

    own.world_rank = depends->world_rank;
    own.sn = depends->sn;
    memory_fill(small_extents, 1);
    require(saving_begin(&saving, rank_file(own.world_rank, own.sn), &own) == CRMPI_OK);
    require(saving_memory(&saving, regions, N_REGIONS, small_extents, N_EXTENTS) ==
            CRMPI_OK);
    if (!is_silent)
        require(crmpi_writer_dependencies(saving.writer, depends) == CRMPI_OK);
    entry->sn = own.sn;
    entry->incarnation = own.incarnation;
    require(saving_close(&saving, &entry->file_bytes, &entry->digest) == CRMPI_OK);
}

static void line_save(uint64_t number)
{
    struct crmpi_line line = {.job = job, .ranks = newest, .save_seconds = 1};
    line.job.sn = number;
    require(crmpi_line_write(dir, &line, 0) == CRMPI_OK);
}

static uint64_t n_collectives; /* instead of messages */

/* Ranks first to last, which all have exchanged messages since their last checkpoints,
 * take one together, and make a line of it. */
static void group_save(uint64_t sn, uint32_t first, uint32_t last)
{
    struct crmpi_stream streams[N_MAX];
    struct crmpi_member cohort[N_MAX];
    uint32_t members[N_MAX];
    struct crmpi_collectives collectives = {
        .comm = 9, .count = n_collectives, .n_members = last - first + 1};
    struct crmpi_dependencies depends = {.n_ranks = job.n_ranks,
                                         .sn = sn,
                                         .streams = streams,
                                         .collectives = &collectives,
                                         .n_collectives = n_collectives > 0,
                                         .members = members,
                                         .cohort = cohort};

    for (uint32_t rank = first; rank <= last; rank++) {
        uint64_t begin = newest[rank].sn > job.restored ? newest[rank].sn : job.restored;
        members[depends.n_members++] = rank;
        cohort[depends.n_cohort++] =
            (struct crmpi_member){.rank = rank, .interval = begin + 1};
    }
    for (uint32_t rank = first; rank <= last; rank++) {
        depends.world_rank = rank;
        depends.interval = cohort[rank - first].interval;
        depends.base = depends.interval - 1;
        depends.n_streams = 0;
        collectives.rank = rank - first;
        for (uint32_t peer = first; peer <= last; peer++)
            if (peer != rank && n_collectives == 0)
                streams[depends.n_streams++] = (struct crmpi_stream){
                    .comm = 1, .peer = peer, .sent = 1, .received = 1};
        rank_save(&depends, 0);
    }
    line_save(sn);
}

/* Rank takes a checkpoint alone, after so many messages to and from the others. */
static void alone_save(uint32_t rank, uint64_t sn, uint64_t base, const uint64_t *sent,
                       const uint64_t *received)
{
    struct crmpi_stream streams[N_MAX];
    struct crmpi_dependencies depends = {.world_rank = rank,
                                         .n_ranks = job.n_ranks,
                                         .sn = sn,
                                         .interval = newest[rank].sn + 1,
                                         .base = base,
                                         .is_alone = 1,
                                         .streams = streams};
    for (uint32_t peer = 0; peer < job.n_ranks; peer++)
        if (sent[peer] || received[peer])
            streams[depends.n_streams++] = (struct crmpi_stream){
                .comm = 1, .peer = peer, .sent = sent[peer], .received = received[peer]};
    rank_save(&depends, 0);
}

/* Choose, and tell the number of the line; 0 if there is none. */
static struct tool_choice choice;
static struct crmpi_line chosen;

static uint64_t choose(void)
{
    crmpi_line_free(&chosen);
    if (tool_line_choose(dir, &choice, &chosen) != CRMPI_OK)
        return 0;
    return chosen.job.sn;
}

static int chosen_has(uint64_t sn0, uint64_t sn1, uint64_t sn2, uint64_t sn3)
{
    const uint64_t sn[N_MAX] = {sn0, sn1, sn2, sn3};
    for (uint32_t rank = 0; rank < job.n_ranks; rank++)
        if (chosen.ranks[rank].sn != sn[rank])
            return 0;
    return 1;
}

/* The chosen line is there, and its files are those it says. */
static int chosen_is_whole(void)
{
    struct crmpi_line line;
    struct crmpi_reader *reader;
    int whole = crmpi_line_read(dir, chosen.job.sn, &line) == CRMPI_OK;

    for (uint32_t rank = 0; whole && rank < line.job.n_ranks; rank++) {
        whole = line.ranks[rank].sn == chosen.ranks[rank].sn &&
                crmpi_line_open_rank(dir, &line, rank, &reader) == CRMPI_OK;
        if (whole)
            crmpi_reader_close(reader);
    }
    crmpi_line_free(&line);
    return whole;
}

static void lose(uint32_t rank, uint64_t sn)
{
    require(unlink(rank_file(rank, sn)) == 0);
}

/* Damage the memory, of which opening the file sees nothing. */
static void damage(uint32_t rank, uint64_t sn)
{
    char byte = 1;
    int fd = open(rank_file(rank, sn), O_WRONLY);
    size_t bytes;
    unsigned char *data = file_get(rank_file(rank, sn), &bytes);
    uint64_t at = 4096;

    while (at < bytes && hole_end(data, at) == at)
        at++;
    require(at < bytes && fd >= 0);
    byte = (char)(data[at] ^ 1);
    require(pwrite(fd, &byte, 1, (off_t)at) == 1);
    close(fd);
    free(data);
}

START_TEST(the_newest_line_is_used_if_it_is_whole)
{
    job_begin(3);
    group_save(1, 0, 2);
    group_save(2, 0, 2);
    ck_assert_uint_eq(choose(), 2);
    ck_assert_uint_eq(log_lines, 0);
    choice.glance = 1;
    ck_assert_uint_eq(choose(), 2);
    ck_assert_uint_eq(log_lines, 0);
    choice.after = 2;
    ck_assert_uint_eq(choose(), 0);
}
END_TEST

START_TEST(without_a_file_all_who_depend_on_it_go_back)
{
    job_begin(3);
    group_save(1, 0, 2);
    group_save(2, 0, 2);
    group_save(3, 0, 2);
    lose(1, 3);
    ck_assert_uint_eq(choose(), 2);
    lose(0, 2);
    ck_assert_uint_eq(choose(), 1);
    ck_assert(folder_has(in_dir("lines"), "000001.h5 000002.h5 000003.h5"));
    lose(2, 1);
    log_reset();
    ck_assert_uint_eq(choose(), 0);
    ck_assert_uint_gt(log_lines, 0);
    ck_assert_ptr_nonnull(strstr(log_last, "has no recovery line to restart from"));
    ck_assert(folder_has(in_dir("lines"), "000001.h5 000002.h5 000003.h5"));
}
END_TEST

/* Their counts begin anew at every checkpoint of the group. */
START_TEST(collectives_tie_those_who_took_part)
{
    job_begin(3);
    n_collectives = 5;
    group_save(1, 0, 2);
    group_save(2, 0, 2);
    n_collectives = 3;
    group_save(3, 0, 2);
    n_collectives = 0;
    lose(1, 3);
    ck_assert_uint_eq(choose(), 2);
    lose(0, 2);
    ck_assert_uint_eq(choose(), 1);
}
END_TEST

/* Nothing is known of what they have done with each other. */
START_TEST(files_that_tell_nothing_belong_together)
{
    struct crmpi_dependencies depends = {.n_ranks = 3};
    job_begin(3);
    for (depends.sn = 1; depends.sn <= 2; depends.sn++) {
        depends.interval = depends.sn;
        for (depends.world_rank = 0; depends.world_rank < 3; depends.world_rank++)
            rank_save(&depends, 1);
        line_save(depends.sn);
    }
    lose(1, 2);
    ck_assert_uint_eq(choose(), 1);
    ck_assert(chosen_has(1, 1, 1, 0));
}
END_TEST

START_TEST(one_pair_falls_back_and_the_others_stay)
{
    job_begin(4);
    group_save(1, 0, 3);
    group_save(2, 0, 1);
    group_save(3, 2, 3);
    group_save(4, 0, 1);
    lose(3, 3);
    choice.dry = 1;
    ck_assert_uint_eq(choose(), 5);
    ck_assert(folder_has(in_dir("lines"), "000001.h5 000002.h5 000003.h5 000004.h5"));
    choice.dry = 0;
    ck_assert_uint_eq(choose(), 5);
    ck_assert(chosen_has(4, 4, 1, 1) && chosen_is_whole());
    ck_assert_uint_eq(chosen.in_transit, 0);
    ck_assert_uint_eq(chosen.job.incarnation, 0);
    log_reset();
    ck_assert_uint_eq(choose(), 5); /* now it is the newest, and whole */
    ck_assert_uint_eq(log_lines, 0);
    lose(1, 4);
    ck_assert_uint_eq(choose(), 2); /* which has just these */
    ck_assert(chosen_has(2, 2, 1, 1) && chosen_is_whole());
}
END_TEST

/* What was given up when a line was computed does not come back, though its numbers are
 * higher than those that went on. */
START_TEST(what_was_given_up_stays_given_up)
{
    job_begin(4);
    group_save(1, 0, 3);
    group_save(2, 0, 3);
    group_save(3, 0, 1);
    lose(1, 3);
    ck_assert_uint_eq(choose(), 2);
    job.incarnation = 1;
    job.restored = 2;
    for (uint32_t rank = 0; rank < 2; rank++)
        newest[rank].sn = 2;
    group_save(4, 2, 3); /* its line has what rank 0 has of line 2 */
    struct crmpi_line line;
    ck_assert_int_eq(crmpi_line_read(dir, 2, &line), CRMPI_OK);
    line.job.incarnation = 1;
    line.job.restored = 2;
    line.job.sn = 4;
    memcpy(line.ranks + 2, newest + 2, 2 * sizeof *newest);
    ck_assert_int_eq(crmpi_line_write(dir, &line, 0), CRMPI_OK);
    crmpi_line_free(&line);
    lose(2, 4);
    ck_assert_uint_eq(choose(), 2);
    ck_assert(chosen_has(2, 2, 2, 2));
}
END_TEST

START_TEST(damage_inside_is_found_when_it_is_looked_for)
{
    job_begin(4);
    group_save(1, 0, 3);
    group_save(2, 0, 1);
    group_save(3, 2, 3);
    damage(0, 2);
    ck_assert_uint_eq(choose(), 3);
    choice.verify = 1;
    ck_assert_uint_eq(choose(), 4);
    ck_assert(chosen_has(1, 1, 3, 3) && chosen_is_whole());
    damage(2, 3);
    ck_assert_uint_eq(choose(), 1);
    damage(0, 1);
    ck_assert_uint_eq(choose(), 0);
}
END_TEST

START_TEST(a_line_that_cannot_be_read_is_passed_over)
{
    job_begin(3);
    group_save(1, 0, 2);
    group_save(2, 0, 2);
    file_put(in_dir("lines/000002.h5"), "x", 1);
    ck_assert_uint_eq(choose(), 1);
    file_put(in_dir("lines/000001.h5"), "x", 1);
    ck_assert_uint_eq(choose(), 0);
}
END_TEST

/* Line 2 was not restarted from by anybody that is known: the lines before it are not of
 * the history, but each is consistent in itself. */
START_TEST(an_older_line_of_the_job_is_better_than_none)
{
    job_begin(3);
    group_save(1, 0, 2);
    job.incarnation = 2;
    job.restored = 2;
    group_save(4, 0, 2);
    lose(0, 4);
    ck_assert_uint_eq(choose(), 1);
    job.job_id[0] = 'x';
    job.incarnation = job.restored = 0;
    memset(newest, 0, sizeof newest);
    group_save(5, 0, 2);
    lose(0, 5);
    ck_assert_uint_eq(choose(), 0); /* line 1 is another job's */
}
END_TEST

/* ---- alone ---- */

START_TEST(checkpoints_alone_make_a_line)
{
    const uint64_t none[N_MAX] = {0}, one_to_1[N_MAX] = {0, 1}, one_from_0[N_MAX] = {1};
    job_begin(2);
    group_save(3, 0, 1);
    alone_save(0, 4, 3, none, none);
    alone_save(1, 4, 3, none, one_from_0); /* rank 0 has not saved that it sent it */
    ck_assert_uint_eq(choose(), 5);
    ck_assert(chosen_has(4, 3, 0, 0) && chosen_is_whole());
    ck_assert_uint_eq(chosen.in_transit, 1);

    /* a later run of the same directory */
    require(unlink(in_dir("lines/000005.h5")) == 0);
    alone_save(0, 6, 3, one_to_1, none);
    ck_assert_uint_eq(choose(), 7);
    ck_assert(chosen_has(6, 4, 0, 0) && chosen_is_whole());
    ck_assert_uint_eq(chosen.job.incarnation, 0);
    ck_assert_uint_eq(chosen.job.restored, 0);

    /* the job goes on from there, and was not alone for long */
    job.incarnation = 1;
    job.restored = 7;
    newest[0].sn = newest[1].sn = 7;
    alone_save(1, 8, 3, none, one_from_0);
    ck_assert_uint_eq(choose(), 9);
    ck_assert(chosen_has(6, 8, 0, 0) && chosen_is_whole());
    ck_assert_uint_eq(chosen.job.incarnation, 1);
    ck_assert_uint_eq(chosen.job.restored, 7);
}
END_TEST

START_TEST(files_of_nobody_are_left_alone)
{
    const uint64_t none[N_MAX] = {0};
    job_begin(2);
    group_save(3, 0, 1);
    struct crmpi_line_rank line[N_MAX];
    memcpy(line, newest, sizeof line);
    job.incarnation = 1;
    job.restored = 2; /* not from line 3 */
    alone_save(0, 4, 3, none, none);
    job.incarnation = job.restored = 0;
    job.job_id[0] = 'x';
    memcpy(newest, line, sizeof line);
    alone_save(0, 5, 3, none, none);
    job.job_id[0] = '0';
    memcpy(newest, line, sizeof line);
    struct crmpi_dependencies depends = {
        .world_rank = 1, .n_ranks = 2, .sn = 6, .interval = 4, .base = 3};
    rank_save(&depends, 0); /* of a line that was not committed */
    ck_assert_uint_eq(choose(), 3);
    ck_assert_uint_eq(log_lines, 0);
}
END_TEST

START_TEST(a_restart_from_just_that_line_ends_what_was_alone)
{
    const uint64_t none[N_MAX] = {0};
    int has;
    job_begin(2);
    group_save(1, 0, 1);
    group_save(3, 0, 1);
    alone_save(0, 4, 3, none, none);
    ck_assert_int_eq(crmpi_history_has_alone(dir, 0, &has), CRMPI_OK);
    ck_assert(has);
    ck_assert_int_eq(crmpi_history_has_alone(dir, 1, &has), CRMPI_OK);
    ck_assert(!has);
    choice.at = 1;
    ck_assert_uint_eq(choose(), 5);
    ck_assert(chosen_has(1, 1, 0, 0) && chosen_is_whole());
    ck_assert_uint_eq(chosen.job.incarnation, 1);
    ck_assert_uint_eq(chosen.job.restored, 1);
    choice.at = 0;
    ck_assert_uint_eq(choose(), 5);
    choice.at = 3;
    ck_assert_uint_eq(choose(), 3);
    choice.at = 2;
    ck_assert_uint_eq(choose(), 0);
}
END_TEST

START_TEST(under_a_launcher_no_line_is_computed)
{
    const uint64_t none[N_MAX] = {0};
    job_begin(2);
    group_save(3, 0, 1);
    alone_save(0, 4, 3, none, none);
    choice.glance = 1;
    choice.world_rank = 1;
    ck_assert_uint_eq(choose(), 3);
    choice.world_rank = 0;
    ck_assert_uint_eq(choose(), 0);
    ck_assert(folder_has(in_dir("lines"), "000003.h5"));
}
END_TEST

/* An execution of three ranks that send, receive and save themselves at random. */
enum { N = 3, SAVED_MAX = 6 };
struct state {
    uint64_t sn, sent[N_MAX], received[N_MAX];
    int lost;
};
struct execution {
    struct state saved[N][SAVED_MAX];
    int n[N];
};

static void execution_make(struct execution *all, unsigned *seed)
{
    struct state now[N] = {{0}};
    uint64_t sn = 1;

    job_begin(N);
    group_save(1, 0, N - 1);
    for (int rank = 0; rank < N; rank++) {
        all->n[rank] = 1;
        all->saved[rank][0] = (struct state){.sn = 1};
    }
    for (int i = 0; i < 60; i++) {
        int rank = rand_r(seed) % N, peer = (rank + 1 + rand_r(seed) % (N - 1)) % N;
        switch (rand_r(seed) % 5) {
        case 0:
        case 1:
            now[rank].sent[peer]++;
            break;
        case 2:
        case 3:
            if (now[rank].received[peer] < now[peer].sent[rank])
                now[rank].received[peer]++;
            break;
        default:
            if (all->n[rank] == SAVED_MAX)
                break;
            now[rank].sn = ++sn;
            all->saved[rank][all->n[rank]++] = now[rank];
            alone_save((uint32_t)rank, sn, 1, now[rank].sent, now[rank].received);
        }
    }
    for (int rank = 0; rank < N; rank++)
        for (int k = 1; k < all->n[rank]; k++)
            if (rand_r(seed) % 6 == 0) {
                all->saved[rank][k].lost = 1;
                lose((uint32_t)rank, all->saved[rank][k].sn);
            }
}

static int is_consistent(const struct execution *all, const int *at)
{
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++)
            if (all->saved[i][at[i]].lost ||
                all->saved[j][at[j]].received[i] > all->saved[i][at[i]].sent[j])
                return 0;
    return 1;
}

/* Of all consistent lines, which are closed under the maximum, the highest. */
static void brute_force(const struct execution *all, uint64_t *sn_out)
{
    int at[N], best = -1;
    for (at[0] = 0; at[0] < all->n[0]; at[0]++)
        for (at[1] = 0; at[1] < all->n[1]; at[1]++)
            for (at[2] = 0; at[2] < all->n[2]; at[2]++)
                if (at[0] + at[1] + at[2] > best && is_consistent(all, at)) {
                    best = at[0] + at[1] + at[2];
                    for (int rank = 0; rank < N; rank++)
                        sn_out[rank] = all->saved[rank][at[rank]].sn;
                }
}

START_TEST(the_line_is_what_brute_force_finds)
{
    unsigned seed = (unsigned)_i + 1;
    struct execution all;
    uint64_t sn[N] = {0};

    execution_make(&all, &seed);
    brute_force(&all, sn);
    ck_assert_uint_gt(choose(), 0);
    ck_assert_msg(
        chosen_has(sn[0], sn[1], sn[2], 0), "seed %d: %u %u %u instead of %u %u %u",
        _i + 1, (unsigned)chosen.ranks[0].sn, (unsigned)chosen.ranks[1].sn,
        (unsigned)chosen.ranks[2].sn, (unsigned)sn[0], (unsigned)sn[1], (unsigned)sn[2]);
    ck_assert(chosen_is_whole());
}
END_TEST

UNIT_TESTS("choose")
{
    CASE("all", .seconds = 60, .setup = setup, .teardown = folder_remove);
    TEST(the_newest_line_is_used_if_it_is_whole);
    TEST(without_a_file_all_who_depend_on_it_go_back);
    TEST(collectives_tie_those_who_took_part);
    TEST(files_that_tell_nothing_belong_together);
    TEST(one_pair_falls_back_and_the_others_stay);
    TEST(what_was_given_up_stays_given_up);
    TEST(damage_inside_is_found_when_it_is_looked_for);
    TEST(a_line_that_cannot_be_read_is_passed_over);
    TEST(an_older_line_of_the_job_is_better_than_none);
    TEST(checkpoints_alone_make_a_line);
    TEST(files_of_nobody_are_left_alone);
    TEST(a_restart_from_just_that_line_ends_what_was_alone);
    TEST(under_a_launcher_no_line_is_computed);
    LOOP(the_line_is_what_brute_force_finds, 0, 40);
}
