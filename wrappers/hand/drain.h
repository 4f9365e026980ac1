/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The parts of a drain (lower half): drain.c says who has sent how much to whom, held.c
 * takes messages out of the library, pending.c looks at requests.  All of it is run by
 * crmpi's own threads, one at a time, while all of the application's are parked.
 */
#ifndef CRMPI_WRAPPERS_HAND_DRAIN_H
#define CRMPI_WRAPPERS_HAND_DRAIN_H

#include "wrappers/hand/cut.h"
#include "wrappers/hand/p2p.h"

/* A synchronous send that is not complete, as its sender tells it to the receiver. */
struct crmpi_announced {
    uint64_t comm;
    uint64_t serial; /* the sender's number of it, never that of another */
    uint64_t later;  /* so many messages of the same stream have been sent after it */
    int32_t source;  /* the sender's rank in the communicator, as the receiver has it */
    int32_t tag;
};

/*
 * drain.c
 */

/** The calling thread is crmpi's own: wrappers find a thread's state, in which it never
 * parks and calls no function of the application. */
void crmpi_drain_enter(void);

/*
 * held.c
 */

/** Take messages that no receive was waiting for out of the library, in their order, and
 * hold them: those of world ranks that @p is_wanted, or all if it is NULL.  Returns how
 * many; -1: it failed, which has been logged. */
int crmpi_held_take(int (*is_wanted)(int world_rank));

/** All messages from a rank are here, received or held: find those of its @p n synchronous
 * ones that are held (1 in @p is_held_out); of the others the receive has begun. */
void crmpi_held_resolve(const struct crmpi_announced *announced, size_t n,
                        uint8_t *is_held_out);

/** After that: begin to receive all that is held of this rank and not synchronous; go on
 * with it.  The latter returns how many have not come yet; -1: it failed. */
int crmpi_held_receive(int world_rank);
int crmpi_held_progress(void);
/** The drain has ended, or was given up: what is arriving goes on by itself. */
void crmpi_held_forget(void);

/** Whether all messages taken out are saved, or synchronous and held. */
int crmpi_held_is_settled(void);

/** In a restarted process, when synchronous messages have been sent again: take those out
 * of the library that were held.  Waits for them; returns an MPI error code. */
int crmpi_held_again(void);

/** Outside of a drain: see to what arrives of one that was given up; 0: it failed. */
int crmpi_held_poll(void);

/** Whether a probe of the application has matched a message that is not saved. */
int crmpi_held_is_matched(void);

/*
 * pending.c
 */

/** Note which requests are complete and count what they received.
 * @param n_pending_out  those that have to complete before a cut
 * @param n_counted_out  how many were noted now
 * @return 0: an MPI call failed */
int crmpi_pending_note(int *n_pending_out, int *n_counted_out);

/** Call for each synchronous send that is not known to be received.  @p world is its
 * receiver; the call returns 0 to end, and so does this. */
int crmpi_pending_sends(int (*call)(struct crmpi_request *r, int world));

/** What to tell the receiver of it; 0: its place in its stream is not known. */
int crmpi_pending_describe(const struct crmpi_request *r,
                           struct crmpi_announced *announced_out);

/** Counting goes on from what was counted before: @p n_before of the stream. */
void crmpi_pending_shift(uint64_t comm,
                         uint64_t (*n_before)(void *context, int peer, int tag),
                         void *context);

/*
 * repost.c
 */

/** Count again what was received when receives were posted, as counting begins anew. */
void crmpi_repost_count(void);

/** Post a synchronous send again in a restarted process; returns an MPI error code. */
int crmpi_send_again(struct crmpi_request *r);

/*
 * settle.c
 */

/** It has ended, or was given up. */
void crmpi_settle_forget(void);

#endif
