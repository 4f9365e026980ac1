/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the wrappers of MPI objects (lower half) share: the recipes of the objects, which
 * lie in crmpi's upper heap, and how new lower objects are given handles.
 */
#ifndef CRMPI_WRAPPERS_OBJECTS_H
#define CRMPI_WRAPPERS_OBJECTS_H

#include "wrappers/layer.h"
#include "wrappers/window.h"

/* A group: world ranks, -1 for a process outside of the job. */
struct crmpi_group {
    int32_t n;
    int32_t is_dynamic; /* has processes outside of the job */
    int32_t *world_ranks;
};

/* A derived datatype: what MPI_Type_get_contents tells, and which constructor was
 * used. */
struct crmpi_type {
    struct crmpi_basic basic; /* first: libcrmpi looks at it */
    int32_t combiner; /* MPI_COMBINER_* */
    int32_t n_ints, n_addresses, n_types;
    int32_t is_committed;
    int64_t size; /* bytes of data */
    int64_t *ends; /* where in the data each block ends, if they differ; NULL: not needed
                      yet (slice.c) */
    int32_t n_owned; /* references that are the application's: with the last of them its
                        attributes go */
    int32_t *ints;
    MPI_Aint *addresses;
    MPI_Datatype *types; /* handles, each with a reference */
    char *name;
    struct crmpi_attribute *attributes;
};

struct crmpi_op {
    void *function;
    void *cxx; /* a fifth argument of the function, which the C++ bindings need */
    int32_t commute;
    int32_t is_fortran;
    int32_t thunk; /* renewed */
};

struct crmpi_errhandler {
    void *function;
    int32_t kind; /* CRMPI_COMM, CRMPI_WIN, CRMPI_FILE, CRMPI_SESSION */
    int32_t is_fortran;
};

struct crmpi_session {
    struct crmpi_handle *errhandler, *info; /* info: NULL if there is none */
    int32_t is_ending, is_last; /* it is counted as ended; when it was the last one */
};

struct crmpi_info_entry {
    char *key, *value;
};

struct crmpi_info {
    int32_t n;
    struct crmpi_info_entry *entries;
};

/* How a communicator's topology is made again: dims and periods, index and edges, or
 * sources and destinations with their weights. */
struct crmpi_topology {
    int32_t kind; /* MPI_CART, MPI_GRAPH, MPI_DIST_GRAPH */
    int32_t n_first, n_second, is_weighted;
    int *first, *second, *first_weights, *second_weights;
};

/* How often MPI_Comm_create_group was called with the same members and tag. */
struct crmpi_group_calls {
    struct crmpi_group_calls *next;
    uint64_t key, n;
};

/*
 * An open file, and how it is opened again.  All its collectives are counted, and its
 * members found, by a communicator of its own, which lives as long.
 */
struct crmpi_file {
    MPI_Comm comm;
    struct crmpi_thread *opener; /* MPI_File_open of this thread has made comm, and not
                                    opened the file; NULL: it is open */
    char *name;                  /* given to MPI_File_open */
    char *path;    /* for another open: a kind of file system and a colon, perhaps, and
                      the absolute path */
    size_t prefix; /* so many bytes of path are the former */
    int32_t amode, atomicity;
    int32_t uses_shared; /* the shared file pointer: it may not be at the beginning */
    struct crmpi_handle *errhandler;
    struct crmpi_handle *info; /* hints given; NULL: none */
    struct crmpi_handle *told; /* as of a communicator */
    MPI_Offset displacement;   /* of the view; its types are held */
    MPI_Datatype etype, filetype;
    char *datarep; /* NULL: there is no view but the first */
    int32_t split; /* the split collective that has begun (file_split.c); 0: none */
    MPI_Status split_status;
    /* at the cut; the shared pointer and the size as this rank sees them */
    MPI_Offset position, shared_position, size;
};

/* An attribute is a pointer (set in C), an INTEGER or an
 * INTEGER(KIND=MPI_ADDRESS_KIND). */
enum crmpi_attribute_how {
    CRMPI_ATTRIBUTE_C,
    CRMPI_ATTRIBUTE_INTEGER,
    CRMPI_ATTRIBUTE_AINT
};

struct crmpi_attribute {
    struct crmpi_attribute *next; /* newest first */
    int32_t keyval;
    int32_t how; /* enum crmpi_attribute_how */
    int64_t value;
};

/* A user's error class or code, in order of creation. */
struct crmpi_error_code {
    int32_t number;
    int32_t of_class; /* -1: it is a class itself */
    char *text;
};

#define CRMPI_COMM_ATTRIBUTES (MPI_UNIVERSE_SIZE + 1)

/* Whatever else a restart needs. */
struct crmpi_objects {
    uint64_t calls_hash; /* of the table the upper half's stubs were made from */
    struct crmpi_thread *main_thread; /* that called MPI_Init */
    int32_t thread_provided;
    int32_t n_tools_inits; /* MPI_T_init_thread calls without MPI_T_finalize */
    int32_t n_keyvals;
    struct crmpi_keyval *keyvals;
    struct crmpi_error_code *error_codes;
    int32_t n_error_codes;
    int32_t predefined_attributes[CRMPI_COMM_ATTRIBUTES]; /* as MPI_Init found them */
    int32_t has_predefined[CRMPI_COMM_ATTRIBUTES];
    struct crmpi_datarep *datareps;
    struct crmpi_handle *file_null_errhandler; /* of MPI_FILE_NULL: for MPI_File_open */
    struct crmpi_handle *parent;               /* MPI_Comm_get_parent, once asked for */
    int32_t pid, killed_pid; /* of this process, and before the restart */
    char job[64], killed_job[64]; /* the launcher's names of the job; "": none */
    int32_t mpi_version;   /* of Open MPI, where the job began: 401, 500 */
    int32_t n_sessions;    /* living */
    int32_t only_sessions; /* one of them has begun MPI; no MPI_Init yet */
    int32_t world_ended;   /* MPI_Finalize was called while there were sessions */
};
#define crmpi_objects_root (crmpi_root->objects)

/* The extra of the application's handle, NULL if that is not a living object. */
#define CRMPI_EXTRA(kind, handle)                                                        \
    ((struct crmpi_##kind *)crmpi_handle_extra((void *)(handle)))

static inline void *crmpi_handle_extra(const void *handle)
{
    const struct crmpi_handle *h = handle;
    return h && h->magic == CRMPI_HANDLE_MAGIC ? h->extra : NULL;
}

/*
 * What a constructor of the MPI library finds in its output.  If it fails it may leave
 * there something else: a null handle, or NULL.  That is what the application's variable
 * becomes then, or it stays as it was.  (shared.c)
 */
extern char crmpi_nothing[];
#define CRMPI_NOTHING(type) ((type)(void *)crmpi_nothing)
void crmpi_left_give(enum crmpi_kind kind, void *real, void *out);

extern int crmpi_finalize_begun;
extern int crmpi_n_tools_handles; /* misc.c */

/* Memory of the upper heap; ends the job if there is none. */
void *crmpi_upper_alloc(size_t bytes);
void *crmpi_upper_dup(const void *data, size_t bytes);
void *crmpi_upper_grow(void *old, size_t old_bytes, size_t bytes);

/*
 * The application's handle for a new lower object.
 */
MPI_Group crmpi_group_adopt(MPI_Group real);
/* A type made from the given types of the application; with n_types 0 a lower type that
 * the MPI library returned, whose parts are looked up or adopted, too. */
MPI_Datatype crmpi_type_adopt(MPI_Datatype real, int n_types, const MPI_Datatype *types);
MPI_Info crmpi_info_adopt(MPI_Info real);
/* May park: nothing of the new communicator is known above yet. */
MPI_Comm crmpi_comm_adopt(MPI_Comm real, MPI_Comm parent);
/* A duplicate of the application's communicator for crmpi's own use by all its members: a
 * restart makes it again, a cut counts and drains it.  Errors on it are returned. */
MPI_Comm crmpi_comm_adopt_own(MPI_Comm real, MPI_Comm comm);

/** The recipes of these objects, after a restart.  Return CRMPI_OK or say why not. */
enum crmpi_status crmpi_errors_rebuild(char *why, size_t why_bytes);
enum crmpi_status crmpi_types_rebuild(char *why, size_t why_bytes);
enum crmpi_status crmpi_ops_rebuild(char *why, size_t why_bytes);
enum crmpi_status crmpi_groups_rebuild(char *why, size_t why_bytes);
enum crmpi_status crmpi_datareps_rebuild(char *why, size_t why_bytes);
enum crmpi_status crmpi_comms_rebuild(char *why, size_t why_bytes);

enum crmpi_status crmpi_files_rebuild(char *why, size_t why_bytes);

/** Keep a lower communicator that was made again for the requests of other members, and that
 * this rank itself has freed, for crmpi_comm_lower(); an MPI error code.  It stays. */
int crmpi_comm_keep(uint64_t id, MPI_Comm real);

/**
 * Let the lower object's error handler follow the application's: errors that end the job
 * do so in the MPI library, with its own words; others are returned to the wrapper.
 */
void crmpi_comm_apply_errhandler(struct crmpi_handle *comm);
int crmpi_file_apply_errhandler(MPI_File file);
/** Have all lower objects return their errors, while threads are parked and crmpi makes calls on
 * its own behalf, whatever handlers the application has set: no job ends for one of those.  With 0
 * they have theirs again. */
void crmpi_errors_return(int all);
/** The same in a restarted process, whose objects are still to be made. */
void crmpi_errors_restart(void);

/** What the last release of a handle does. */
void crmpi_info_destroy(struct crmpi_handle *handle);
void crmpi_session_destroy(struct crmpi_handle *handle);
void crmpi_group_destroy(struct crmpi_handle *handle);
void crmpi_type_predefine(struct crmpi_handle *handle);
void crmpi_type_destroy(struct crmpi_handle *handle);
void crmpi_op_destroy(struct crmpi_handle *handle);
void crmpi_comm_destroy(struct crmpi_handle *handle);
void crmpi_win_destroy(struct crmpi_handle *handle);
void crmpi_file_destroy(struct crmpi_handle *handle);

/** The world ranks of a lower group of @p n processes; returns 1 if some are outside of
 * the job (-1 in the list), -1 without memory. */
int crmpi_group_world_ranks(MPI_Group real, int n, int32_t *world_ranks_out);

/** Before the library begins: let it see what the application has set in its environment. */
void crmpi_environment_take(void);

/** In MPI_Init: note the predefined attributes of MPI_COMM_WORLD. */
void crmpi_attributes_start(void);

/** Call the delete functions of all attributes, newest first, until one fails. */
int crmpi_settings_delete(int kind, void *handle, struct crmpi_attribute **list);
/** Take away those that are left, without a call. */
void crmpi_settings_drop(int kind, struct crmpi_attribute **list);
/** Ask the copy functions of all attributes, oldest first, until one fails. */
int crmpi_settings_copy(int kind, void *from, struct crmpi_attribute *from_list,
                          void *to, struct crmpi_attribute **to_list);

/** A lower info object with the entries of the application's; drop it after use. */
MPI_Info crmpi_info_make(MPI_Info info);
void crmpi_info_drop(MPI_Info real);
/** A copy; the entries of a lower object, or of @p info, added to one of ours. */
MPI_Info crmpi_info_copy(MPI_Info info);
/** Whether it is an info object, and not MPI_INFO_NULL. */
int crmpi_info_is(MPI_Info info);
void crmpi_info_read(MPI_Info real, struct crmpi_info *into);
void crmpi_info_merge(struct crmpi_handle **into, MPI_Info info);
/** What the library tells of hints may be another thing after a restart, where objects are made
 * in other ways.  So what was told once is kept, in @p told, a list of ours (NULL: nothing
 * was), and changes only by hints that are given: then the library is asked again, in @p real,
 * which is freed.  Keys in @p own (to a NULL), of which it was given something else, have the
 * value in @p given if it tells them at all. */
void crmpi_info_tell(struct crmpi_handle **told, MPI_Info given, MPI_Info real,
                     const char *const *own);
/** What MPI_..._get_info gives. */
int crmpi_info_used(struct crmpi_handle **told, int error, MPI_Info real, MPI_Info *out);
/** Hints were given to a communicator, with its making or later. */
void crmpi_comm_hint(MPI_Comm comm, MPI_Info info);

/**
 * Around a collective call of the MPI library that cannot be made again, such as one that
 * makes a window: all members meet, where a checkpoint may still be taken; once the call
 * has begun in some member, all do it before the cut.  It counts as a collective of @p
 * comm, also if it failed: perhaps it did so in this rank alone.
 */
void crmpi_meet_begin(MPI_Comm comm);
/** The second half: the members have met otherwise, and no thread has parked since. */
void crmpi_meet_enter(MPI_Comm comm);
void crmpi_meet_end(MPI_Comm comm);

/** Make the lower communicator of @p copy, a duplicate of @p comm with the hints @p info
 * (NULL: those of comm), without waiting; returns a lower request.
 * (wrappers/hand/comm_idup.c) */
MPI_Request crmpi_idup_begin(MPI_Comm comm, MPI_Info info, MPI_Comm copy);

/** End the use of a communicator, whose last collective has just been counted, without
 * waiting for the others.  No thread may have parked in between. */
void crmpi_comm_leave(struct crmpi_handle *comm);

/**
 * Around an access to a file that waits for nobody ("alone"): no thread parks in it.
 * Around a collective of the file ("joint"), which all members do before a cut or none.
 * Around a collective that is only initiated ("begun").  "shared" and "ordered" are alone
 * and joint, and use the shared file pointer.
 * (wrappers/hand/file.c)
 */
void crmpi_file_alone_begin(MPI_File file);
void crmpi_file_shared_begin(MPI_File file);
void crmpi_file_alone_end(MPI_File file);
void crmpi_file_joint_begin(MPI_File file);
void crmpi_file_ordered_begin(MPI_File file);
void crmpi_file_joint_end(MPI_File file);
void crmpi_file_begun_begin(MPI_File file);
void crmpi_file_begun_end(MPI_File file);

/** At the start and at a restart: note what the launcher calls this process. */
void crmpi_file_start(void);

/** At the cut, with all accesses complete: note what the restart needs of open files.
 * (wrappers/hand/file_cut.c) */
enum crmpi_status crmpi_file_note(void);

/** Say which open file forbids a checkpoint now; 0: none does. */
int crmpi_file_refusal(char *why, size_t why_bytes);

/** Before a file is opened in a restarted job: remove what the processes of the
 * checkpoint may have left beside it. */
void crmpi_file_sidecar_remove(MPI_Comm comm, const char *name);

/** Around a call that cannot be made again: threads park in it, but no checkpoint is
 * taken. */
void crmpi_once_begin(const char *function);
void crmpi_once_end(void);

/**
 * Something has come into use, is no more in use, that cannot be saved, for which
 * checkpoints are refused.
 * @param what  it is, in words: one constant.  (wrappers/hand/unsaved.c)
 */
void crmpi_unsaved_begin(const char *what);
void crmpi_unsaved_end(const char *what);
int crmpi_unsaved_refusal(char *why, size_t why_bytes);

/** Begin MPI for a session, if it has not begun; end it, which waits for all ranks: a call
 * that may be made again.  (wrappers/hand/init.c) */
int crmpi_world_begin(int thread_level);
int crmpi_world_end(void);

#if OMPI_MAJOR_VERSION >= 5
/** As crmpi_comm_error() for a session; set its error handler: an MPI error code. */
int crmpi_session_error(MPI_Session session, int error, const char *function);
int crmpi_session_set_errhandler(MPI_Session session, MPI_Errhandler errhandler);
#endif

/** A communicator or a group with processes of another job has come, or is gone.
 * (wrappers/hand/dynamic.c) */
void crmpi_dynamic_add(void);
void crmpi_dynamic_remove(void);

/** Around a blocking collective of @p comm that makes the communicator @p real, perhaps
 * MPI_COMM_NULL; end returns what the wrapper has to. */
void crmpi_make_begin(MPI_Comm comm);
int crmpi_make_end(MPI_Comm comm, int error, MPI_Comm real, MPI_Comm *newcomm,
                   const char *function);

/** Give MPI_COMM_WORLD or MPI_COMM_SELF what crmpi keeps of a communicator. */
void crmpi_comm_predefine(struct crmpi_handle *handle, uint64_t id);

/** Free the lower communicators that all members have freed. */
void crmpi_comm_reap(void);

/** Note the topology of a lower communicator; NULL if it has none. */
struct crmpi_topology *crmpi_topology_read(MPI_Comm real);
/** Make a communicator with the topology from @p real, with the same ranks. */
int crmpi_topology_apply(const struct crmpi_topology *topology, MPI_Comm real,
                         MPI_Comm *out);
void crmpi_topology_free(struct crmpi_topology *topology);

/** Call a user-defined operation: in becomes the left operand of inout.  In a thread of the
 * application. */
void crmpi_op_apply(const struct crmpi_handle *op, void *in, void *inout, int n,
                    struct crmpi_handle *type);

/** Wait, with a park point, until all members of the lower @p real are here. */
void crmpi_meet(MPI_Comm real);

#endif
