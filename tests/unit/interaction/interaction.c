/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Unit tests of the queue of saved messages, the tables of streams, the log of messages and
 * the targets of collectives.  The former lie in crmpi's own heap, for which the control
 * page has to be there.
 */
#include <check.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "boundary/control.h"
#include "interaction/log.h"
#include "interaction/saved.h"
#include "interaction/streams.h"
#include "interaction/targets.h"
#include "../main.h"

static struct crmpi_saved_queue queue;

static void setup(void)
{
    void *page = mmap((void *)CRMPI_U0, CRMPI_CONTROL_BYTES, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

    ck_assert_ptr_eq(page, (void *)CRMPI_U0);
    queue = (struct crmpi_saved_queue){0};
}

/* The tag tells the messages apart. */
static void save(uint64_t comm_id, int source, int tag)
{
    struct crmpi_saved_message *message = crmpi_saved_create(comm_id, source, tag, 8);

    ck_assert_ptr_nonnull(message);
    crmpi_saved_append(&queue, message);
}

static void expect(uint64_t comm_id, int source, int tag, int found_tag)
{
    struct crmpi_saved_message envelope;
    struct crmpi_saved_message *message;

    ck_assert_int_eq(crmpi_saved_peek(&queue, comm_id, source, tag, &envelope),
                     found_tag >= 0);
    message = crmpi_saved_take(&queue, comm_id, source, tag);
    if (found_tag < 0) {
        ck_assert_ptr_null(message);
        return;
    }
    ck_assert_ptr_nonnull(message);
    ck_assert_int_eq(message->tag, found_tag);
    ck_assert_int_eq(envelope.tag, found_tag);
    ck_assert_uint_eq(envelope.bytes, 8);
    crmpi_saved_destroy(message);
}

START_TEST(test_saved_matching)
{
    ck_assert(crmpi_saved_is_empty(&queue));
    save(7, 0, 10);
    save(7, 1, 11);
    save(8, 0, 12);
    save(7, 0, 13);
    expect(9, CRMPI_SAVED_ANY, CRMPI_SAVED_ANY, -1);
    expect(7, 2, CRMPI_SAVED_ANY, -1);
    expect(7, 1, 10, -1);
    expect(7, -2, 10, -1); /* MPI_PROC_NULL */
    expect(8, CRMPI_SAVED_ANY, CRMPI_SAVED_ANY, 12);
    expect(7, 0, 13, 13);
    expect(7, CRMPI_SAVED_ANY, 11, 11);
    expect(7, 0, CRMPI_SAVED_ANY, 10);
    ck_assert(crmpi_saved_is_empty(&queue));
    ck_assert_ptr_null(queue.first);
    ck_assert_ptr_null(queue.last);
}
END_TEST

START_TEST(test_saved_order)
{
    for (int tag = 0; tag < 100; tag++)
        save(7, tag % 3, tag);
    for (int tag = 0; tag < 100; tag += 3)
        expect(7, 0, CRMPI_SAVED_ANY, tag);
    for (int tag = 0; tag < 100; tag++)
        if (tag % 3 != 0)
            expect(7, CRMPI_SAVED_ANY, CRMPI_SAVED_ANY, tag);
    ck_assert(crmpi_saved_is_empty(&queue));
}
END_TEST

/* A receive that fails gives its message back, between those that came before and after. */
START_TEST(test_saved_return)
{
    struct crmpi_saved_message *message;

    for (int tag = 0; tag < 5; tag++)
        save(7, 0, tag);
    for (int tag = 0; tag < 5; tag += 2) {
        message = crmpi_saved_take(&queue, 7, 0, tag);
        crmpi_saved_return(&queue, message);
    }
    for (int tag = 0; tag < 5; tag++)
        expect(7, CRMPI_SAVED_ANY, CRMPI_SAVED_ANY, tag);
    ck_assert(crmpi_saved_is_empty(&queue));
}
END_TEST

START_TEST(test_saved_too_large)
{
    struct crmpi_saved_message *message = crmpi_saved_create(7, 0, 0, UINT64_MAX - 8);

    ck_assert(!crmpi_saved_make_room(message));
    ck_assert(crmpi_saved_is_held(message));
    crmpi_saved_destroy(message);
}
END_TEST

static const struct crmpi_collective_count counts[] = {
    {.comm_id = 2, .count = 5}, /* freed */
    {.comm_id = 4, .count = 7, .members = 2},
    {.comm_id = 9, .count = 0, .members = 2}};

START_TEST(test_targets)
{
    struct crmpi_targets targets = {0};
    const struct crmpi_collective_count wanted[] = {{.comm_id = 2, .count = 5},
                                                    {.comm_id = 3, .count = 50},
                                                    {.comm_id = 9, .count = 2}};

    ck_assert(crmpi_targets_allow(&targets, 2, 5)); /* none set */
    ck_assert_int_eq(crmpi_targets_set(&targets, wanted, 3, counts, 3), CRMPI_OK);
    ck_assert_uint_eq(targets.n_below, 1);          /* 9; 3 does not exist here */
    ck_assert(crmpi_targets_allow(&targets, 2, 5)); /* excused by 9 */
    crmpi_targets_note(&targets, 9, 1);
    ck_assert(crmpi_targets_allow(&targets, 2, 5));
    ck_assert(crmpi_targets_allow(&targets, 9, 1));
    crmpi_targets_note(&targets, 9, 2);
    ck_assert_uint_eq(targets.n_below, 0);
    ck_assert(!crmpi_targets_allow(&targets, 9, 2));
    ck_assert(!crmpi_targets_allow(&targets, 2, 5));
    ck_assert(crmpi_targets_allow(&targets, 4, 7)); /* has no limit */
    crmpi_targets_note(&targets, 2, 6);             /* let through: beyond is not below */
    ck_assert_uint_eq(targets.n_below, 0);
    ck_assert_uint_eq(targets.n_freed, 1);
    ck_assert_int_eq(crmpi_targets_set(&targets, NULL, 0, counts, 3), CRMPI_OK);
    ck_assert_uint_eq(targets.n_freed, 0);
    ck_assert(crmpi_targets_allow(&targets, 2, 100));
    free(targets.items);
}
END_TEST

/* Counts of many streams stay apart while the table grows; all tags and peers will do. */
START_TEST(test_streams)
{
    struct crmpi_stream_table table = {0};
    const int n_peers = 70, n_tags = 90;

    for (int round = 1; round <= 3; round++)
        for (int i = 0; i < n_peers * n_tags; i++) {
            int peer = i % n_peers, tag = i / n_peers - 3;
            struct crmpi_stream_slot *slot =
                crmpi_stream_at(&table, crmpi_stream_key(peer, tag));

            ck_assert_ptr_nonnull(slot);
            ck_assert_int_eq(crmpi_stream_peer(slot), peer);
            ck_assert_int_eq(crmpi_stream_tag(slot), tag);
            ck_assert_uint_eq(slot->sent, (uint64_t)(round - 1) * (unsigned)i);
            slot->sent += (uint64_t)i;
        }
    ck_assert_uint_eq(table.n, n_peers * n_tags);
    crmpi_streams_fini(&table);
    ck_assert_uint_eq(crmpi_stream_room(&table), 0);
}
END_TEST

/* A full table gives no new stream, and keeps those it has. */
START_TEST(test_streams_full)
{
    struct crmpi_stream_table table = {0};

    for (unsigned i = 0; i < CRMPI_STREAMS_MAX; i++)
        ck_assert_ptr_nonnull(crmpi_stream_at(&table, crmpi_stream_key((int)i, 7)));
    ck_assert_ptr_null(crmpi_stream_at(&table, crmpi_stream_key(0, 8)));
    ck_assert_ptr_nonnull(crmpi_stream_at(&table, crmpi_stream_key(0, 7)));
    crmpi_streams_fini(&table);
}
END_TEST

START_TEST(test_log)
{
    struct crmpi_log log = {0};
    struct crmpi_logged *messages[5];

    for (int i = 0; i < 5; i++) {
        messages[i] = crmpi_logged_create((uint64_t)i);
        ck_assert_ptr_nonnull(messages[i]);
        crmpi_log_append(&log, messages[i]);
    }
    ck_assert_uint_eq(log.bytes, 10);
    crmpi_log_remove(&log, messages[0]);
    crmpi_log_remove(&log, messages[4]);
    crmpi_log_remove(&log, messages[2]);
    ck_assert_uint_eq(log.bytes, 4);
    ck_assert_ptr_eq(log.first, messages[1]);
    ck_assert_ptr_eq(log.first->next, messages[3]);
    ck_assert_ptr_eq(log.last->prev, messages[1]);
    crmpi_log_clear(&log);
    ck_assert_ptr_null(log.first);
    ck_assert_ptr_null(log.last);
    ck_assert_uint_eq(log.bytes, 0);
    ck_assert_ptr_null(crmpi_logged_create(UINT64_MAX - 8));
}
END_TEST

UNIT_TESTS("interaction")
{
    CASE("saved", .setup = setup);
    TEST(test_saved_matching);
    TEST(test_saved_order);
    TEST(test_saved_return);
    TEST(test_saved_too_large);
    TEST(test_streams);
    TEST(test_streams_full);
    TEST(test_log);
    CASE("targets");
    TEST(test_targets);
}
