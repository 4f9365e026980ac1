/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Messages that describe themselves: source, destination, tag, a sequence number and a
 * checkable body, so that a lost, doubled, reordered or damaged message is noticed by
 * whoever receives it.
 */
#ifndef TESTS_MPI_MESSAGE_H
#define TESTS_MPI_MESSAGE_H

#include "check.h"

struct message_head {
    int32_t source, dest, tag, n_bytes;
    uint64_t seq;
};

#define MESSAGE_MAX (4 << 20)

/* Sizes around the limits of the eager and rendezvous protocols (vader: 4, 32 KiB). */
static const int message_sizes[] CHECK_UNUSED = {
    0,     1,     7,     24,     100,    1000,   2048,    4000,    4072,
    4096,  4097,  5000,  8192,   16384,  32000,  32768,   32769,   65535,
    65536, 65537, 70000, 131072, 262144, 524288, 1048576, 2097152, MESSAGE_MAX};
#define MESSAGE_N_SIZES ((int)(sizeof message_sizes / sizeof message_sizes[0]))

static inline uint64_t message_seed(const struct message_head *head)
{
    return check_hash4((uint64_t)head->source << 32 | (uint32_t)head->dest,
                       (uint64_t)(uint32_t)head->tag, head->seq, (uint64_t)head->n_bytes);
}

/** A mostly small, sometimes large size. */
static inline int message_size(uint64_t *state)
{
    int limit = check_below(state, 40) == 0 ? MESSAGE_N_SIZES : 20;
    return message_sizes[check_below(state, limit)];
}

/** Write a message of n_bytes (the head only as far as it fits). */
static inline void message_make(void *buffer, int n_bytes, int source, int dest, int tag,
                                uint64_t seq)
{
    struct message_head head = {source, dest, tag, n_bytes, seq};
    size_t n_head = sizeof head;

    if ((size_t)n_bytes < n_head) {
        check_fill(buffer, (size_t)n_bytes, message_seed(&head));
        return;
    }
    memcpy(buffer, &head, n_head);
    check_fill((char *)buffer + n_head, (size_t)n_bytes - n_head, message_seed(&head));
}

static inline void message_check_at(const void *buffer, int n_bytes, int source, int dest,
                                    int tag, uint64_t seq, const char *file, int line)
{
    struct message_head head = {source, dest, tag, n_bytes, seq}, found;
    size_t n_head = sizeof head;

    if ((size_t)n_bytes < n_head) {
        check_same_at(buffer, (size_t)n_bytes, message_seed(&head), file, line,
                      "message");
        return;
    }
    memcpy(&found, buffer, n_head);
    if (memcmp(&found, &head, n_head) != 0)
        check_fail(
            file, line, "message",
            "found %d->%d tag %d seq %llu bytes %d, expected %d->%d tag %d seq %llu "
            "bytes %d",
            found.source, found.dest, found.tag, (unsigned long long)found.seq,
            found.n_bytes, source, dest, tag, (unsigned long long)seq, n_bytes);
    check_same_at((const char *)buffer + n_head, (size_t)n_bytes - n_head,
                  message_seed(&head), file, line, "message body");
}

/** Check that the buffer holds exactly this message. */
#define MESSAGE_CHECK(buffer, n_bytes, source, dest, tag, seq)                           \
    message_check_at(buffer, n_bytes, source, dest, tag, seq, __FILE__, __LINE__)

static inline void message_status_at(const MPI_Status *status, int n_bytes, int source,
                                     int tag, const char *file, int line)
{
    int count = -1, cancelled = -1;

    MPI_Get_count(status, MPI_BYTE, &count);
    MPI_Test_cancelled(status, &cancelled);
    if (status->MPI_SOURCE != source || status->MPI_TAG != tag || count != n_bytes ||
        cancelled != 0)
        check_fail(
            file, line, "status",
            "found source %d tag %d bytes %d cancelled %d, expected source %d tag %d "
            "bytes %d",
            status->MPI_SOURCE, status->MPI_TAG, count, cancelled, source, tag, n_bytes);
}

/** Check source, tag and byte count of a status. */
#define MESSAGE_STATUS(status, n_bytes, source, tag)                                     \
    message_status_at(status, n_bytes, source, tag, __FILE__, __LINE__)

#endif
