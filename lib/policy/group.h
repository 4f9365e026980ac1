/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A checkpoint that a group of ranks takes together: Chandy and Lamport's cut made
 * blocking, as the state machine of one rank.  The policies say who leads when, and what
 * it takes to commit.  Pure: runs in the lower half and in the simulator.
 *
 * A checkpoint is a chain of phases.  The leader starts each by a message down the tree
 * of the members (see members.h); each rank does its part, and reports up the tree when
 * it and its children have done theirs:
 *
 *   PARKING -> RUNNING_ON -> PARKING ... -> DRAINING -> QUIETING -> SAVING -> ENDING
 *      ^_______________________________________________________|       |        ^
 *                                                                  COMPLETING __|
 *
 * A member that knows of ranks outside of the group that its state depends on says so
 * when it is parked, and again when it is quiet.  The leader takes them in, and parking
 * begins again.  When that has been done often, or most ranks are in, it takes all: so
 * the number of rounds is logarithmic.
 *
 * If some member has only taken its memory in SAVING, and writes it while its threads go
 * on, all go on to COMPLETING together; there is nothing to do in it for those that have
 * saved themselves.
 *
 * The first failure in any member makes the leader send ABORT, from any phase to ENDING.
 * The leader's next attempt begins when every member has reported the end of the last, so
 * messages of two attempts do not mix.
 */
#ifndef CRMPI_POLICY_GROUP_H
#define CRMPI_POLICY_GROUP_H

#include "policy/members.h"
#include "policy/policy.h"
#include "policy/tally.h"

enum crmpi_group_phase {
    CRMPI_GROUP_IDLE,
    CRMPI_GROUP_PARKING,
    CRMPI_GROUP_RUNNING_ON,
    CRMPI_GROUP_DRAINING,
    CRMPI_GROUP_QUIETING,
    CRMPI_GROUP_SAVING,
    CRMPI_GROUP_COMPLETING,
    CRMPI_GROUP_ENDING,
    CRMPI_GROUP_PHASES,
};

struct crmpi_group;

/* What the group asks of its policy.  `saved` and `ended` are the last thing it does. */
struct crmpi_group_ops {
    /** The leader has the files of all members in `saved`: to be followed, now or later,
     * by crmpi_group_committed() or crmpi_group_abort(). */
    void (*saved)(struct crmpi_group *group, int64_t now_ms);
    /** Threads go on, and COMPLETING begins; NULL: nothing to do. */
    void (*resumed)(struct crmpi_group *group);
    /** The attempt is over in this rank and those below it; `committed` tells how. */
    void (*ended)(struct crmpi_group *group, int64_t now_ms);
    /** A PARK or ABORT of an attempt that this rank takes no part in has come while it is
     * in another one (PARK) or in any state (ABORT). */
    void (*stray)(struct crmpi_group *group, const struct crmpi_event *event);
};

struct crmpi_group {
    const struct crmpi_group_ops *ops;
    /* group.c: if all have done the phase, go on (the leader), or report */
    void (*gathered)(struct crmpi_group *group, int64_t now_ms);
    void *owner;
    struct crmpi_policy_env env;
    uint32_t world_rank, n_ranks;
    int64_t limit_ms;
    int grows;      /* takes in the neighbours of its members */
    uint64_t ordinal; /* highest one asked for, as far as this rank knows */
    int stop;       /* the job ends after the newest commit */
    int foreground; /* the leader: threads have to stand still until it is over */
    int committed;  /* the newest outcome */
    int fails;      /* this rank's own wish has failed with the newest attempt */
    int has_to_be_all; /* it would have been served if all ranks had taken part */

    enum crmpi_group_phase phase;
    struct crmpi_members members;
    uint32_t leader, attempt;
    uint32_t attempts_led, drains_led;
    uint32_t parent, children[CRMPI_MEMBER_CHILDREN];
    unsigned n_children;
    unsigned missing; /* who has not done the phase yet */
    uint64_t sn;      /* of the attempt */
    uint64_t used_sn; /* there may be files up to this number */
    int64_t deadline_ms; /* until when all has to be quiet */
    int64_t alarm_ms;    /* when to look whether it is past */
    int failed; /* this rank has reported a failure in this attempt */

    /* PARKING, QUIETING */
    struct crmpi_ranks outside; /* that members have to be saved with, as reported */
    unsigned n_grown;           /* times that the leader has taken some in */
    struct crmpi_census census;

    /* RUNNING_ON in the leader */
    int64_t gate_ms; /* when the gates are opened, or after a stir all are parked again */
    int64_t gate_gap_ms;
    int stir; /* all agree, but the members of some communicator are not complete: let the
                 ranks run for a moment.  Counts the times */
    int stir_open; /* the gates have to be opened in this stir */

    /* SAVING, COMPLETING */
    unsigned pending;     /* who has taken the memory only, or has such a rank below */
    uint64_t cut_ordinal; /* the highest one asked for before threads went on */
    struct crmpi_saved *saved;
    size_t n_saved;
};

/** @p limit_ms bounds the time until all is quiet. */
void crmpi_group_init(struct crmpi_group *group, const struct crmpi_group_ops *ops,
                      void *owner, uint32_t world_rank, uint32_t n_ranks,
                      int64_t limit_ms, const struct crmpi_policy_env *env);
void crmpi_group_fini(struct crmpi_group *group);

/** Lead an attempt, of this rank and whom it depends on or of all; in phase IDLE.
 * @param least_sn  the number is at least this, and above all that this rank has used
 * @return 0 if there is no memory */
int crmpi_group_begin(struct crmpi_group *group, int all, uint64_t least_sn,
                      int64_t now_ms);
/** Take an event, whatever it is: those that do not concern the group are ignored, and
 * FAILED and COMMITTED are left to the policy. */
void crmpi_group_event(struct crmpi_group *group, const struct crmpi_event *event);
/** This rank cannot go on; the first reason counts. */
void crmpi_group_fail(struct crmpi_group *group, const char *why, int64_t now_ms);
/** It cannot in time: members may wait for ranks outside, which stand still in another
 * group that waits for members of this one.  So it is tried again with all ranks. */
void crmpi_group_fail_in_time(struct crmpi_group *group, const char *why, int64_t now_ms);
/** The leader: rank @p world_rank has failed; FAILED, and its payload. */
void crmpi_group_member_failed(struct crmpi_group *group,
                               const struct crmpi_message *message, const char *why,
                               int64_t now_ms);

/** The leader: the line is written.
 * @param stop  all ranks are in it, and the job ends */
void crmpi_group_committed(struct crmpi_group *group, uint64_t line, int stop,
                           const uint64_t *kept, size_t n_kept, int64_t now_ms);
/** The leader: give up, because of @p world_rank.
 * @param why  NULL: it will be tried again, and nobody needs to know */
void crmpi_group_abort(struct crmpi_group *group, uint32_t world_rank, const char *why,
                       int64_t now_ms);

int crmpi_group_leads(const struct crmpi_group *group);
/** All from this rank downwards have their files, and there is no outcome yet. */
int crmpi_group_is_saved(const struct crmpi_group *group);
/** As in struct crmpi_policy_ops. */
int64_t crmpi_group_wakeup_ms(const struct crmpi_group *group);
int crmpi_group_may_leave(const struct crmpi_group *group, uint32_t world_rank);
const char *crmpi_group_words(const struct crmpi_group *group);
int crmpi_group_is_closed(const struct crmpi_group *group);

#endif
