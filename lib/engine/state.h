/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The state of the engine in one rank, for the files of lib/engine only.  Lower half.
 */
#ifndef CRMPI_ENGINE_STATE_H
#define CRMPI_ENGINE_STATE_H

#include <semaphore.h>
#include <stdint.h>
#include "base/clock.h"
#include "engine/engine.h"
#include "engine/kept.h"
#include "engine/statistics.h"
#include "job/stopped.h"
#include "net/tree.h"
#include "policy/daly.h"
#include "policy/policy.h"
#include "policy/rank.h"
#include "storage/container.h"

/* What outlives a restart, in the upper half: crmpi_control->engine. */
struct crmpi_engine_saved {
    uint64_t ordinal; /* calls of CRMPI_Checkpoint() in this rank */
    struct crmpi_kept kept;
    struct crmpi_cost cost; /* of this rank's checkpoints */
    struct crmpi_statistics statistics;
};

/* Times of a checkpoint, in seconds of the monotonic clock; saved: in its leader. */
struct crmpi_engine_times {
    double begun, parked, quiet, saved;
    double resumed; /* the threads have gone on, while data are written still; or 0 */
    int alone; /* of this rank alone */
};

/* An event leads to one or two. */
#define CRMPI_TODO_MAX 8

struct crmpi_engine {
    /* set before the protocol thread starts */
    struct crmpi_job job;
    struct crmpi_tree tree;
    struct crmpi_policy *policy;
    const struct crmpi_policy_ops *policy_ops;
    int tracks; /* not all ranks are always saved together: accesses to windows have to be
                   known to the owners */
    int wake[2]; /* a pipe: whoever writes to it wakes the protocol thread */
    int lock;    /* rank 0: of DIR/control */
    char *launcher;
    size_t launcher_bytes;

    /* the protocol thread's own */
    struct crmpi_action todo[CRMPI_TODO_MAX]; /* that may block, or have a result */
    unsigned n_todo;
    struct crmpi_rank rank; /* the phase is the worker's while that is at it */
    int finished;   /* all ranks are in MPI_Finalize */
    enum crmpi_stop stop; /* rank 0: the job ends with the next checkpoint of all */
    int broken;     /* a connection of the tree has ended: no more checkpoints */
    int demanded;      /* from outside, of this rank: rank 0 waits for the outcome */
    int demanded_late; /* of the next one: threads have gone on after this one */
    char given_up[512]; /* why an attempt that this rank led was given up */
    uint64_t attempt;  /* of the drain that came before: no other in the job has it */
    uint64_t saved_sn; /* number of the rank file written in this attempt; 0: none */
    uint64_t saved_digest, saved_bytes;
    struct crmpi_figures saved_figures; /* of that file */
    char connection[512]; /* to another job, for which this rank was refused; "": none */
    int connection_told;  /* rank 0 knows of it */
    uint32_t n_connected; /* rank 0: so many ranks have told of one */
    struct crmpi_engine_times times, over; /* of the attempt under way, the last one */
    int64_t interval_ms; /* when to ask for the next one by the clock */

    /* shared with the application's threads: atomics */
    int alive;              /* the protocol thread serves */
    int finishing;          /* this rank is in MPI_Finalize */
    int unconnected;        /* by crmpi_engine_unconnected() */
    int wanted;             /* by crmpi_engine_request() */
    int wanted_by_signal;
    int stop_by_signal;
    uint64_t wanted_ordinal; /* by CRMPI_Checkpoint() */
    uint64_t committed;      /* newest line */
    uint64_t n_gone_on;      /* times threads have gone on after a checkpoint, or while it
                                is written: names one by what it was before */
    uint64_t n_ended;        /* what it was after that for the newest that is over,
                                committed or not */
    uint64_t completed_ordinal; /* served by the newest one that was written so */
    uint64_t n_opened;       /* times the gates were opened */
    int last_failed;
    int64_t committed_ms;    /* when threads went on after the newest that is, or may be,
                                committed; 0: not by this process */
    uint64_t served;         /* highest ordinal that it served */
    sem_t gone;              /* posted when the protocol thread has ended */
};

extern struct crmpi_engine crmpi_engine;

/** Tell whether a line was committed a moment ago: the signals and calls of several ranks
 * that belong together do not come at exactly the same time. */
int crmpi_engine_just_committed(void);

/** Threads are about to go on. */
void crmpi_engine_gone_on(void);

/** Wake the protocol thread; async-signal-safe, touches no thread-local data. */
void crmpi_engine_wake(void);

/** The protocol thread serves.  From any thread. */
int crmpi_engine_is_alive(void);

/** What this rank does changes (policy/rank.h).  If that cannot be, the engine is broken: the
 * job goes on without checkpoints. */
void crmpi_engine_enter(enum crmpi_rank_phase phase);
void crmpi_engine_write(enum crmpi_rank_writing file);

/** The leader has the reports of all who take part. */
void crmpi_engine_all_saved(void);

/** What checkpoints of this rank have cost, as far as is known. */
struct crmpi_cost *crmpi_engine_cost(void);

/* ask.c */

/** A thread of the application waits a little, and may park. */
void crmpi_engine_wait(unsigned *turn);

/* action.c */
enum crmpi_status crmpi_action_copy(struct crmpi_action *copy_out,
                                    const struct crmpi_action *action);
void crmpi_action_fini(struct crmpi_action *action);
/** Free what a result points to. */
void crmpi_event_fini(struct crmpi_event *event);

/* phases.c: what the policy wants done. */

/** Note an action; what neither blocks nor has a result is done at once. */
void crmpi_phase_act(void *context, const struct crmpi_action *action);
/** Tell whether an action is for the worker. */
int crmpi_phase_takes_time(enum crmpi_action_kind kind);
/** Do a noted action.  Returns 1 and fills @p result_out if it has a result. */
int crmpi_phase_do(const struct crmpi_action *action, struct crmpi_event *result_out);
/** A step of SETTLE; 1 and the result if there is one. */
int crmpi_phase_settle_on(struct crmpi_event *result_out);
int crmpi_phase_drain_on(struct crmpi_event *result_out); /* likewise */
/* connection.c: see there. */
struct crmpi_letter;

/** Tell whether a connection to another job is the reason why a checkpoint is refused. */
int crmpi_connection_is_why(const char *why);
/** This rank has been refused for this reason, whatever it is.  With threads parked. */
void crmpi_connection_refused(const char *why);
/** Tell rank 0 of it, and of its end. */
void crmpi_connection_tell(void);
/** Rank 0 is told. */
void crmpi_connection_take(const struct crmpi_letter *letter);

/* saving.c */
struct crmpi_event crmpi_saving_do(const struct crmpi_action *action);
/** After CAPTURED: the file has to be completed, or only what other nodes keep of it. */
int crmpi_saving_is_taken(void);
struct crmpi_event crmpi_saving_complete(void);
/** The same for a checkpoint that has been given up; the file is of no use. */
void crmpi_saving_abandon(void);

/* release.c */

/** After a restart: the rank's file is known. */
void crmpi_release_restored(const struct crmpi_job *job);
void crmpi_release(const struct crmpi_action *action);
/** Let the threads go on without knowing the outcome: the tree has come apart. */
void crmpi_release_let_go(void);
/** Let them go on while the file is being written. */
void crmpi_release_resume(const struct crmpi_action *action);
/** A file has been completed after its checkpoint was given up. */
void crmpi_release_abandoned(void);
/** Drop what a line that is never given up has made useless. */
void crmpi_release_trim(const struct crmpi_action *action);

/* commit.c: rank 0's part. */

/** @param next_sn  the number that a line may have */
enum crmpi_status crmpi_commit_start(uint64_t next_sn);
void crmpi_commit_stop(void);
struct crmpi_event crmpi_commit_do(const struct crmpi_action *action);
/** What saving the files of the newest commit was like: sums over the ranks, and the
 * longest times. */
const struct crmpi_figures *crmpi_commit_figures(void);
/** Size of all files that the newest line has. */
double crmpi_commit_bytes(void);
/** Number of the line that was committed last. */
uint64_t crmpi_commit_newest(void);

/* times.c */

/** When to ask for the first checkpoint by the clock. */
void crmpi_times_start(void);
/** A phase begins. */
void crmpi_times_note(const struct crmpi_action *action);
/** Tell people how the checkpoint went. */
void crmpi_times_report(const struct crmpi_action *action);
/** The threads go on, and what they had in memory is written meanwhile. */
void crmpi_times_resumed(void);
/** This rank's part is over. */
void crmpi_times_released(const struct crmpi_action *action);

/* loop.c */
extern const struct crmpi_policy_env crmpi_loop_env;
void *crmpi_loop_run(void *unused);

#endif
