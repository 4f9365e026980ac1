/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a policy is: a state machine of one rank that turns events into actions.  It does
 * no I/O, knows no MPI and reads no clock, so the same code runs in the engine and in the
 * simulator (tests/sim).  Not thread safe.
 *
 * A policy may send to any rank; what one rank sends to another arrives in order.  The
 * connections form a binary tree over all ranks, the parent of rank r being (r-1)/2, and
 * messages to others pass through the ranks between: so a policy that talks to many sends
 * along a tree.
 */
#ifndef CRMPI_POLICY_POLICY_H
#define CRMPI_POLICY_POLICY_H

#include <stdint.h>
#include <stddef.h>
#include "base/figures.h"
#include "base/policies.h"
#include "base/status.h"
#include "base/tree.h"
#include "interaction/cut.h"
#include "interaction/dependencies.h"

enum crmpi_message_kind {
    /* from parent to children */
    CRMPI_MESSAGE_PARK = 1,
    CRMPI_MESSAGE_RUN_ON,
    CRMPI_MESSAGE_OPEN_GATE,
    CRMPI_MESSAGE_DRAIN,
    CRMPI_MESSAGE_QUIET,
    CRMPI_MESSAGE_SAVE,
    CRMPI_MESSAGE_RESUME,
    CRMPI_MESSAGE_COMMITTED,
    CRMPI_MESSAGE_ABORT,
    CRMPI_MESSAGE_FINISH,
    /* from child to parent, for all ranks from the child downwards; but a request or a
     * failure is that of one rank */
    CRMPI_MESSAGE_REQUEST,
    CRMPI_MESSAGE_PARKED,
    CRMPI_MESSAGE_AT_TARGETS,
    CRMPI_MESSAGE_DRAINED,
    CRMPI_MESSAGE_QUIESCED,
    CRMPI_MESSAGE_CAPTURED,
    CRMPI_MESSAGE_SAVED,
    CRMPI_MESSAGE_DONE,
    CRMPI_MESSAGE_FAILED,
    CRMPI_MESSAGE_FINISHING,
    /* between the leader of a group and rank 0, which writes lines */
    CRMPI_MESSAGE_REGISTER,
    CRMPI_MESSAGE_REGISTERED,
    CRMPI_MESSAGE_GIVEN_UP, /* the reason is the payload */
    /* between ranks of groups that want the same rank */
    CRMPI_MESSAGE_BUSY,
    CRMPI_MESSAGE_YIELD,
    /* between a rank that saves alone and rank 0, which knows the line */
    CRMPI_MESSAGE_SAVED_ALONE, /* with what the checkpoint depends on */
    CRMPI_MESSAGE_NOT_ALONE, /* the reason why a rank asks for a checkpoint of all */
    CRMPI_MESSAGE_TRIM,
    CRMPI_MESSAGE_KINDS,
};

/* The part of a message before its payload; as it is on the wire. */
struct crmpi_message {
    uint32_t kind;       /* enum crmpi_message_kind */
    uint32_t attempt;    /* counts the checkpoints tried by the leader */
    uint32_t leader;     /* world rank that leads the attempt */
    uint32_t world_rank; /* FAILED: of the rank that failed */
    uint32_t stop;       /* COMMITTED: the job ends; SAVE: it is to end after this */
    uint32_t all;        /* PARK: all ranks take part, those in the list first; REGISTER:
                            all have; REQUEST: for all ranks */
    uint64_t sn;         /* the checkpoint's number; PARKED: the least it can have;
                            SAVED_ALONE: of the
                            rank's own; TRIM: of the rank's own that is never given up */
    uint64_t ordinal;    /* REQUEST: the highest one asked for; COMMITTED: served;
                            RESUME: if it is committed */
    uint64_t value;      /* PARK: limit in ms; PARKED: 1 if counts disagree; DRAIN: a name
                            for this one; FAILED: 1 if with all ranks it may not;
                            COMMITTED, REGISTERED: the line's number (0: why not is the
                            payload); TRIM: the base that its counts begin at */
};

enum crmpi_event_kind {
    CRMPI_EVENT_TICK,       /* time has passed */
    CRMPI_EVENT_MESSAGE,    /* from any rank */
    CRMPI_EVENT_REQUEST,    /* a checkpoint is wanted, asked for at this rank */
    CRMPI_EVENT_PARKED,     /* the results of actions: */
    CRMPI_EVENT_AT_TARGETS,
    CRMPI_EVENT_DRAINED,
    CRMPI_EVENT_QUIESCED,
    CRMPI_EVENT_CAPTURED,
    CRMPI_EVENT_SAVED,
    CRMPI_EVENT_COMMITTED,
    CRMPI_EVENT_FAILED,
    CRMPI_EVENT_FINISHING,  /* this rank is in MPI_Finalize */
    CRMPI_EVENT_SETTLED,    /* the result of SETTLE */
};

struct crmpi_event {
    enum crmpi_event_kind kind;
    int64_t now_ms;                       /* any clock that only goes forward */
    uint32_t from;                        /* MESSAGE: world rank */
    const struct crmpi_message *message;  /* MESSAGE */
    const void *payload;                  /* MESSAGE */
    size_t payload_bytes;
    const struct crmpi_collective_count *counts; /* PARKED: sorted by comm_id */
    size_t n_counts;
    const uint32_t *neighbours;           /* PARKED, QUIESCED: ranks outside of the group
                                             that this one interacted with since its last
                                             checkpoint; ascending */
    size_t n_neighbours;
    uint64_t interval;                    /* PARKED: the open one, of this rank */
    uint64_t file_bytes, digest;          /* SAVED */
    struct crmpi_figures figures;         /* SAVED */
    const void *dependencies;             /* SAVED alone: packed */
    size_t dependencies_bytes;
    uint64_t line;                        /* COMMITTED: its number */
    const uint64_t *kept;                 /* COMMITTED: the lines there are now */
    size_t n_kept;
    uint64_t ordinal;                     /* REQUEST: see the engine; 0: none */
    int stop;                             /* REQUEST: end the job after it; rank 0 only */
    int all;                              /* REQUEST: of the whole job; rank 0 only */
    uint32_t of;                          /* REQUEST: of this rank and whom it has to be
                                             saved with; rank 0 only, others ask for
                                             themselves */
    const char *why;                      /* FAILED */
};

enum crmpi_action_kind {
    CRMPI_ACTION_PARK,      /* stop all threads, within limit_ms: PARKED or FAILED */
    CRMPI_ACTION_RUN_ON,    /* let them run with these targets: AT_TARGETS */
    CRMPI_ACTION_OPEN_GATE, /* let a thread that waits at the gate pass */
    CRMPI_ACTION_DRAIN,     /* exchange bookmarks and drain: DRAINED or FAILED; and make
                               progress until QUIET */
    CRMPI_ACTION_QUIET,     /* stop progress, note requests: QUIESCED or FAILED */
    CRMPI_ACTION_SAVE,      /* write the rank file sn: SAVED or FAILED; or only take what
                               it has to hold: CAPTURED, then RESUME and COMPLETE follow */
    CRMPI_ACTION_RESUME,    /* let the threads go: what they do from here on belongs to the
                               next interval, or to the same one if it is not committed */
    CRMPI_ACTION_COMPLETE,  /* the rest of SAVE, while threads run: SAVED or FAILED */
    CRMPI_ACTION_COMMIT,    /* rank 0: write the line sn: COMMITTED or FAILED */
    CRMPI_ACTION_RELEASE,   /* let the threads go, if they do not run yet; keep the rank
                               file or remove it */
    CRMPI_ACTION_REPORT,    /* rank 0: a checkpoint is committed or was given up, whoever
                               led it; alone: nothing has ended, see there.  Policy none:
                               any rank that was asked */
    CRMPI_ACTION_END,       /* end the process: the job was to be stopped */
    CRMPI_ACTION_FINISH,    /* all ranks are in MPI_Finalize: end the engine */
    CRMPI_ACTION_SETTLE,    /* instead of DRAIN and QUIET, alone: SETTLED or FAILED; it may
                               be cut short by RELEASE */
    CRMPI_ACTION_TRIM,      /* drop logged messages that have arrived for good, and what
                               this rank saved alone before number sn; at any time */
};

/* A rank file, as it travels in SAVED. */
struct crmpi_saved {
    uint64_t world_rank, file_bytes;
    uint64_t digest; /* of its seal: no other file has it */
    uint64_t sn;
    struct crmpi_figures figures;
};

struct crmpi_action {
    enum crmpi_action_kind kind;
    int64_t limit_ms;                             /* PARK */
    const uint32_t *group;                        /* PARK, DRAIN: the ranks that take */
    size_t n_group;                               /* part, ascending; NULL: all */
    const struct crmpi_member *cohort;            /* SAVE: with the intervals that end;
                                                     NULL: all, all the same, or alone */
    size_t n_cohort;
    int foreground;                               /* SAVE: nothing is to go on before it
                                                     is over */
    int alone;                                    /* PARK, SAVE, RESUME, COMPLETE,
                                                     RELEASE: without the others.  If such a RELEASE is not
                                                     committed, whoever waits goes on
                                                     waiting: a checkpoint of all has been
                                                     asked for.  REPORT: just say why
                                                     world_rank has asked for that, or
                                                     with `all` why all ranks are to be
                                                     saved */
    const struct crmpi_stream *arrived;           /* TRIM: counts of what need not be */
    size_t n_arrived;                             /* logged any more */
    uint64_t attempt;                             /* DRAIN: no other drain in the job has
                                                     this number, and all of the group do */
    uint64_t line;                                /* RELEASE, REPORT: its number */
    const struct crmpi_collective_count *targets; /* RUN_ON */
    size_t n_targets;
    uint64_t sn;                                  /* SAVE, COMMIT, RELEASE, REPORT, TRIM */
    const struct crmpi_saved *saved;              /* COMMIT: of the group, in any order; */
    size_t n_saved;                               /* the other ranks stay in the line */
    uint32_t leader;                              /* COMMIT, REPORT: of the attempt */
    int all;                                      /* COMMIT, REPORT: every rank is in it */
    int committed;                                /* RELEASE, REPORT */
    int retried;                                  /* RELEASE, not committed: what was asked
                                                     for at this rank will be tried again,
                                                     so whoever waits goes on waiting */
    const uint64_t *kept;                         /* RELEASE: after a commit, the lines */
    size_t n_kept;                                /* there are now */
    uint64_t ordinal;                             /* RELEASE: requests served; RESUME: if
                                                     it is committed */
    uint32_t world_rank;                          /* REPORT: the rank that failed */
    const char *why;                              /* REPORT: for what reason */
};

/*
 * What a policy needs of the world.  What actions point to is valid during the call only.
 *
 * Actions are done in their order, before any further event is given.  PARK, QUIET, SAVE
 * and COMMIT have a result, which is the next event; a policy never asks for two of them
 * at once, so it knows whose FAILED it is.  Rank 0 may be asked to COMMIT at any time,
 * for a leader elsewhere: while its threads run, are parked, run on, or are drained; the
 * COMMIT leaves them as they are.
 *
 * COMPLETE takes its time, and other events come meanwhile; no PARK, QUIET or SAVE is
 * asked for before its result or RELEASE.
 *
 * In partial checkpoints PARK may also come in a rank that is parked already, from
 * PARKED, AT_TARGETS or QUIESCED on, with a larger group: the threads stay parked (or
 * park again, if they run on), and the answer is made anew for that group.  After
 * QUIESCED the rank goes back to where it was before DRAIN.  RELEASE may come at any
 * time, also instead of the result of RUN_ON, DRAIN or COMPLETE, which never comes then.
 */
struct crmpi_policy_env {
    void *context;
    void (*send)(void *context, uint32_t to, const struct crmpi_message *message,
                 const void *payload, size_t payload_bytes);
    void (*act)(void *context, const struct crmpi_action *action);
};

struct crmpi_policy_parameters {
    uint64_t next_sn; /* above the numbers of all checkpoints there are */
    int64_t limit_ms; /* until all is quiet */
    unsigned domino;  /* checkpoints that the line may fall behind a rank: CRMPI_DOMINO */
};

struct crmpi_policy;

struct crmpi_policy_ops {
    const char *name; /* as in CRMPI_POLICY */
    int timer_everywhere; /* each rank asks by its own clock, which begins anew at every
                             RELEASE; 0: rank 0 does for all */
    /** Create the machine of one rank; NULL if there is no memory.  The parameters are
     * the same in all ranks. */
    struct crmpi_policy *(*create)(uint32_t world_rank, uint32_t n_ranks,
                                   const struct crmpi_policy_parameters *parameters,
                                   const struct crmpi_policy_env *env);
    void (*destroy)(struct crmpi_policy *policy);
    void (*event)(struct crmpi_policy *policy, const struct crmpi_event *event);
    /** When a TICK is wanted next; INT64_MAX: not at all. */
    int64_t (*wakeup_ms)(const struct crmpi_policy *policy);
    /** Tell whether this rank's link to @p world_rank may end: the job ends after the
     * checkpoint that has been committed, and that rank has done its part. */
    int (*may_leave)(const struct crmpi_policy *policy, uint32_t world_rank);
    /** The phase of a checkpoint under way, in words for people; NULL: there is none. */
    const char *(*phase)(const struct crmpi_policy *policy);
    /** Tell whether this rank's memory may be saved from now on, so that others must not
     * begin to access it; NULL: never asked. */
    int (*is_closed)(const struct crmpi_policy *policy);
};

#define CRMPI_POLICY_DECLARE(name)                                                       \
    extern const struct crmpi_policy_ops crmpi_policy_##name;
CRMPI_POLICIES(CRMPI_POLICY_DECLARE)
#undef CRMPI_POLICY_DECLARE

#endif
