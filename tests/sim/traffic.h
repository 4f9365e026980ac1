/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A made-up application whose messages, collectives and accesses to a window show when one
 * is lost, doubled, or remembered though it never happened; with what crmpi's wrappers
 * count and log of it.  For simulated jobs that are killed and restarted.  Test.
 *
 * All ranks do one list of operations, each those that it is a member of, in order: so no
 * program blocks for ever.  What is sent is drawn anew at every execution, so an execution
 * that is repeated after a restart differs from the one that was lost; and some puts are
 * done by chance only.  Each rank folds what it has sent to, and received from, each other
 * one: at the end of a legal run the two agree.
 */
#ifndef CRMPI_TESTS_SIM_TRAFFIC_H
#define CRMPI_TESTS_SIM_TRAFFIC_H

#include <stddef.h>
#include <stdint.h>
#include "interaction/cut.h"
#include "interaction/dependencies.h"

#define TRAFFIC_RANKS 16
#define TRAFFIC_TAGS 3
#define TRAFFIC_TAG_WILD 2 /* received from any source */
#define TRAFFIC_COMMS 4
#define TRAFFIC_COMM_FENCE 3 /* its collectives are the fences of the window */
#define TRAFFIC_PUTS 3       /* of one origin to one target in an epoch, at most */
#define TRAFFIC_COMM_ID(c) (10 + (uint64_t)(c))
#define TRAFFIC_WINDOW 77

enum traffic_kind { TRAFFIC_MESSAGE, TRAFFIC_COLLECTIVE, TRAFFIC_FENCE, TRAFFIC_PUT };

struct traffic_operation {
    enum traffic_kind kind;
    uint32_t from, to; /* MESSAGE; PUT */
    int32_t tag;       /* MESSAGE */
    unsigned comm;     /* COLLECTIVE, FENCE */
    unsigned slot;     /* PUT */
    /* COLLECTIVE, FENCE: while it is under way */
    uint32_t n_entered;
    uint64_t sum;
};

struct traffic_program {
    uint32_t n_ranks;
    struct traffic_operation *operations;
    size_t n_operations;
    uint32_t members[TRAFFIC_COMMS]; /* bits */
};

struct traffic_setup {
    uint32_t n_ranks;
    size_t n_operations;
    double collectives, fences, puts; /* shares; the rest are messages */
};

void traffic_program_init(struct traffic_program *program,
                          const struct traffic_setup *setup);
void traffic_program_fini(struct traffic_program *program);
/** Forget collectives that are under way. */
void traffic_program_restart(struct traffic_program *program);
int traffic_is_member(const struct traffic_program *program, uint32_t rank,
                      const struct traffic_operation *operation);
uint32_t traffic_n_members(const struct traffic_program *program, unsigned comm);

/* A message, on its way or in a queue or in a log; `index` counts those of the stream
 * since the base, `number` since the program began. */
struct traffic_message {
    uint32_t from, to;
    int32_t tag;
    uint64_t index, number, content;
};

struct traffic_queue {
    struct traffic_message *items;
    size_t n, capacity;
};

/* What one rank keeps of one stream to and from a peer. */
struct traffic_stream {
    uint64_t sent, received, unlogged;       /* crmpi's, since the base */
    uint64_t n_out, n_in, fold_out, fold_in; /* the application's */
};

struct traffic_put {
    uint32_t target, slot;
    uint64_t epoch, content;
};

/* All that a checkpoint of a rank holds. */
struct traffic_rank {
    size_t position; /* in the list of operations */
    struct traffic_stream streams[TRAFFIC_RANKS][TRAFFIC_TAGS];
    uint64_t counts[TRAFFIC_COMMS]; /* collectives done */
    uint64_t counts_at_base[TRAFFIC_COMMS];
    uint64_t folds[TRAFFIC_COMMS]; /* of their results */
    struct traffic_queue log;      /* messages sent, for a replay */
    struct traffic_queue saved;    /* messages drained and not received yet */
    /* by origin, and in turns for even and odd epochs: who is in the next one already may
     * put while another rank still reads */
    struct traffic_put segment[TRAFFIC_RANKS][2][TRAFFIC_PUTS];
    uint64_t puts_out[TRAFFIC_RANKS], puts_in[TRAFFIC_RANKS]; /* folds */
    struct traffic_put *put_log;                              /* of the open epoch */
    size_t n_put_log;
    uint64_t touched_at[TRAFFIC_RANKS]; /* own interval that a target was told; 0: none */
    uint64_t origins[TRAFFIC_RANKS];    /* newest interval of those who put here since the
                                           base */
    uint64_t base, last_sn;             /* newest drained checkpoint, newest one */
};

void traffic_queue_add(struct traffic_queue *queue,
                       const struct traffic_message *message);
/** Take the first message from a rank (UINT32_MAX: any) with a tag (-1: any); 0: none. */
int traffic_queue_take(struct traffic_queue *queue, uint32_t from, int32_t tag,
                       struct traffic_message *message_out);

void traffic_rank_copy(struct traffic_rank *to, const struct traffic_rank *from);
void traffic_rank_fini(struct traffic_rank *rank);

/** The operation that a rank is at; NULL at the end. */
struct traffic_operation *traffic_next(struct traffic_program *program, uint32_t r,
                                       struct traffic_rank *rank);

/** Send: the message to be brought there, which is in the log now. */
struct traffic_message traffic_send(struct traffic_rank *rank, uint32_t r,
                                    const struct traffic_operation *operation,
                                    uint64_t content);
/** The application has received a message; 0, or -1 if it is not the one that it has to be.
 */
int traffic_received(struct traffic_rank *rank, const struct traffic_message *message);
struct traffic_put traffic_put(struct traffic_rank *rank,
                               const struct traffic_operation *operation,
                               uint64_t content);
/** A put arrives. */
void traffic_put_arrived(struct traffic_rank *target, uint32_t origin,
                         const struct traffic_put *put);
/** A collective is complete. */
void traffic_collective(struct traffic_rank *rank, unsigned comm, uint64_t sum);

/** Checkpoint @p sn of all is committed: counters and logs begin anew. */
void traffic_committed(struct traffic_rank *rank, uint64_t sn);
/** What was counted before a cut after which threads went on, and which failed. */
void traffic_put_back(struct traffic_rank *rank, const struct traffic_rank *at_cut);
/** As crmpi_log_trim(). */
void traffic_trim(struct traffic_rank *rank, const struct crmpi_stream *arrived,
                  size_t n);
/** As crmpi_dependencies_note(): for crmpi_dependencies_fini(). */
void traffic_dependencies(const struct traffic_program *program, uint32_t r,
                          const struct traffic_rank *rank, uint64_t sn, int alone,
                          struct crmpi_dependencies *dependencies_out);
/** As crmpi_cut_counts(). */
struct crmpi_collective_count *traffic_counts(const struct traffic_program *program,
                                              uint32_t r, const struct traffic_rank *rank,
                                              size_t *n_out);

/** What is wrong with the end of a run; NULL: nothing. */
const char *traffic_wrong(const struct traffic_program *program,
                          const struct traffic_rank *ranks);

#endif
