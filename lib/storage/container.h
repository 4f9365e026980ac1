/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The HDF5 container: one file per rank and checkpoint, one file per recovery line.
 * doc/format.md describes what lies in it.  This directory is the sole user of hdf5.h.
 * Lower half and tools; every function logs the cause of its failure once.  Several
 * threads may work at the same time, each on a writer or reader of its own: HDF5 is used
 * by one of them at a time, whether it is built thread safe or not; while the bytes of
 * memory are written or read it is left to the others.
 */
#ifndef CRMPI_STORAGE_CONTAINER_H
#define CRMPI_STORAGE_CONTAINER_H

#include <stdint.h>
#include <stddef.h>
#include "base/status.h"
#include "interaction/dependencies.h"
#include "recovery/history.h"

#define CRMPI_FORMAT_VERSION 3
#define CRMPI_SEGMENTS_MAX ((size_t)1 << 16)

/* A mapped region of the upper half. */
struct crmpi_region {
    uint64_t start, bytes;
    uint32_t prot;  /* PROT_* */
    uint32_t flags; /* MAP_PRIVATE or MAP_SHARED, MAP_ANONYMOUS, MAP_GROWSDOWN, ... */
    uint64_t file_offset;
    char name[256]; /* what /proc/self/maps says: a path, or "" */
};

/* Pages of a region that hold data; all others are zero (or absent). */
struct crmpi_extent {
    uint64_t start, bytes;
};

/** How many bytes extents have. */
uint64_t crmpi_extents_bytes(const struct crmpi_extent *extents, size_t n);

/* How a window got its memory: MPI_WIN_FLAVOR_*, with numbers of our own. */
enum crmpi_flavor {
    CRMPI_FLAVOR_CREATE = 1,
    CRMPI_FLAVOR_ALLOCATE,
    CRMPI_FLAVOR_SHARED,
    CRMPI_FLAVOR_DYNAMIC,
};

/* This rank's segment of a window.  Its bytes lie in a view: a mapping apart from the
 * regions, of whole pages, that may hold other ranks' segments too.  Without a view the
 * memory is the application's own, within the regions. */
struct crmpi_segment {
    uint64_t window; /* its id: not twice in a file */
    uint64_t start, bytes;
    uint64_t view_start, view_bytes; /* 0, 0: no view */
    enum crmpi_flavor flavor;
    uint32_t disp_unit;
    uint32_t n_members, rank; /* of the window's group */
    char name[64];
    const struct crmpi_extent *extents; /* bytes of it that are not zero, ascending and
                                           apart; they need not be whole pages */
    size_t n_extents;
};

/** "create", "allocate", ...; NULL if it is none. */
const char *crmpi_flavor_text(enum crmpi_flavor flavor);

/* What /job holds in rank files and lines. */
struct crmpi_job {
    char job_id[64]; /* random, made at the job's first start; the same after restarts */
    uint32_t n_ranks;
    uint32_t world_rank;  /* rank files only */
    uint64_t sn;          /* number of the checkpoint; for a line: of the line */
    uint64_t incarnation; /* how many restarts lie behind this run */
    uint64_t restored;    /* the line that this incarnation was restarted from; 0: none */
    double time;          /* seconds since 1970 when the checkpoint was begun */
    char host[256];
    char program[4096]; /* path of the executable */
    char policy[32];
    char mpi_version[256]; /* of the lower MPI */
    char cpu[512];         /* features the program may rely on: restart checks them */
};

/* What saving a rank's checkpoint was like. */
enum {
    CRMPI_HOW_INCREMENT = 1,
    CRMPI_HOW_BACKGROUND = 2,
    CRMPI_HOW_LZ4 = 4,
    CRMPI_HOW_ZSTD = 8,
    CRMPI_HOW_PAGEMAP = 16,
    CRMPI_HOW_HASH = 32,
};
struct crmpi_figures {
    uint64_t memory_bytes;  /* data in memory and segments */
    uint64_t changed_bytes; /* of these, what was looked at or known to have changed */
    uint64_t raw_bytes;     /* of these, what is stored; before compression */
    uint32_t blocked_us;    /* that the threads could not run */
    uint32_t save_us;       /* until the file was in its place */
    uint32_t how;           /* CRMPI_HOW_* */
    uint32_t level;
};

/* Progress of a long save or load; called now and then with bytes so far and in all. */
typedef void (*crmpi_progress_fn)(void *context, uint64_t done_bytes,
                                  uint64_t total_bytes);

/*
 * Writing a rank file: create, memory, then any number of segments and records, close.
 * The file is written
 * as PATH.tmp and renamed to PATH by a successful close; abort removes it.
 */
struct crmpi_writer;
enum crmpi_status crmpi_writer_create(const char *path, const struct crmpi_job *job,
                                      struct crmpi_writer **writer_out);
/* Store the regions, and the extents' bytes straight from the memory at their addresses,
 * at the speed of write(2), with one checksum (XXH3-64) per block of 1 MiB.  Regions are
 * ascending and apart, extents likewise and each within one region.  Once per file. */
enum crmpi_status
crmpi_writer_memory(struct crmpi_writer *writer, const struct crmpi_region *regions,
                    size_t n_regions, const struct crmpi_extent *extents,
                    size_t n_extents, crmpi_progress_fn progress, void *context);
/* Store a segment: its description, and the bytes of its extents as those of the memory
 * are.  Views are apart from the regions and from each other. */
enum crmpi_status crmpi_writer_segment(struct crmpi_writer *writer,
                                       const struct crmpi_segment *segment,
                                       crmpi_progress_fn progress, void *context);
/* Store a block of bytes (at most 2 GiB) as dataset @p name, such as "/task/threads" or
 * "/channel/state" (missing groups are made), with a checksum attribute. */
enum crmpi_status crmpi_writer_record(struct crmpi_writer *writer, const char *name,
                                      const void *data, size_t bytes);
/* Store what the checkpoint depends on, as the group /dependencies.  At most once. */
enum crmpi_status
crmpi_writer_dependencies(struct crmpi_writer *writer,
                          const struct crmpi_dependencies *dependencies);
/* The writer is gone afterwards, also on failure; what was at PATH before is then
 * intact.
 * @param[out] digest_out  of the seal; may be NULL */
enum crmpi_status crmpi_writer_close(struct crmpi_writer *writer,
                                     uint64_t *file_bytes_out, uint64_t *digest_out);
void crmpi_writer_abort(struct crmpi_writer *writer);

/*
 * Reading a rank file.  Opening checks ownership, mode, format and every size and offset.
 */
struct crmpi_reader;
enum crmpi_status crmpi_reader_open(const char *path, struct crmpi_reader **reader_out);
const struct crmpi_job *crmpi_reader_job(const struct crmpi_reader *reader);
/* Arrays owned by the reader; they were checked when it was opened, so this cannot
 * fail. */
enum crmpi_status crmpi_reader_memory(struct crmpi_reader *reader,
                                      const struct crmpi_region **regions_out,
                                      size_t *n_regions_out,
                                      const struct crmpi_extent **extents_out,
                                      size_t *n_extents_out);
/* The segments by ascending window, likewise. */
void crmpi_reader_segments(const struct crmpi_reader *reader,
                           const struct crmpi_segment **segments_out, size_t *n_out);
/* What the checkpoint depends on, checked; for crmpi_dependencies_fini().  Of a file that
 * does not tell: that all ranks took it together. */
enum crmpi_status crmpi_reader_dependencies(struct crmpi_reader *reader,
                                            struct crmpi_dependencies *dependencies_out);
uint64_t crmpi_reader_digest(const struct crmpi_reader *reader);
/* Check the checksum of every block of memory and segments without loading it. */
enum crmpi_status crmpi_reader_verify(struct crmpi_reader *reader,
                                      crmpi_progress_fn progress, void *context);
/* Load all extents, those of the segments too, into memory at their own addresses, which
 * the caller has mapped writable, checking every block's checksum as it comes in (one
 * read of the file). */
enum crmpi_status crmpi_reader_load(struct crmpi_reader *reader,
                                    crmpi_progress_fn progress, void *context);
/* A record: a block from malloc(), the caller frees it; checked. */
enum crmpi_status crmpi_reader_record(struct crmpi_reader *reader, const char *name,
                                      void **data_out, size_t *bytes_out);
/* Call back for every record, in the order of their names. */
typedef void (*crmpi_record_fn)(void *context, const char *name, uint64_t bytes);
enum crmpi_status crmpi_reader_records(struct crmpi_reader *reader, crmpi_record_fn call,
                                       void *context);
void crmpi_reader_close(struct crmpi_reader *reader);

/*
 * Recovery lines, and the checkpoint directory.
 */
struct crmpi_line_rank {
    uint64_t sn; /* the rank's checkpoint in this line */
    uint64_t file_bytes;
    uint64_t digest;      /* of its file's seal: no other file has it */
    uint64_t incarnation; /* that the checkpoint was taken in */
};
struct crmpi_line {
    struct crmpi_job job;
    struct crmpi_line_rank *ranks; /* job.n_ranks of them */
    uint32_t
        in_transit; /* 1: messages between the checkpoints are in the senders' logs */
    double save_seconds; /* request to commit */
    char *launcher;      /* launcher's words, each ended by \0; may be NULL */
    size_t launcher_bytes;
};
/* Make DIR, DIR/ranks, DIR/lines (mode 0700); refuse a directory that others may
 * write.  The directory DIR is in has to exist.  Any number of processes may do so at
 * once. */
enum crmpi_status crmpi_directory_create(const char *dir);
/* "DIR/ranks/000003/000012.h5"; makes the rank's folder if @p make. */
enum crmpi_status crmpi_rank_path(const char *dir, uint32_t world_rank, uint64_t sn,
                                  int make, char *path_out, size_t path_bytes);
/* Write DIR/lines/NNNNNN.h5 with its external links and rename it into place: the
 * commit. */
enum crmpi_status crmpi_line_write(const char *dir, const struct crmpi_line *line);
enum crmpi_status crmpi_line_read(const char *dir, uint64_t number,
                                  struct crmpi_line *line_out);
/* Open the file that a line has of a rank, if it is that file: of the line's job, with
 * the line's sn, size, digest and incarnation; else CRMPI_ERR_MISMATCH. */
enum crmpi_status crmpi_line_open_rank(const char *dir, const struct crmpi_line *line,
                                       uint32_t world_rank,
                                       struct crmpi_reader **reader_out);
void crmpi_line_free(struct crmpi_line *line);
/* Numbers of the complete lines, ascending; from malloc().  Reads the names in DIR/lines
 * only. */
enum crmpi_status crmpi_lines_list(const char *dir, uint64_t **numbers_out,
                                   size_t *n_out);

/*
 * The history that a directory holds: of the job of its newest line, the checkpoints in
 * all lines that can be read, and those that ranks took alone after the newest; what was
 * left behind by a restart from an older line does not belong to it.  A file that is
 * missing or damaged is there as lost.
 */
enum crmpi_status crmpi_history_read(const char *dir, struct crmpi_history *history_out);

struct crmpi_rank_file {
    uint32_t world_rank;
    uint64_t sn;
};
/* The same, where these files have turned out to be damaged inside. */
enum crmpi_status crmpi_history_read_without(const char *dir,
                                             const struct crmpi_rank_file *damaged,
                                             size_t n_damaged,
                                             struct crmpi_history *history_out);
/* Whether ranks have taken checkpoints alone after the newest line; @p world_rank only, or
 * all if that is UINT32_MAX. */
enum crmpi_status crmpi_history_has_alone(const char *dir, uint32_t world_rank,
                                          int *has_out);

/*
 * Make a line of checkpoints of a directory's history, to be written: of its newest
 * incarnation, and numbered above all lines and files there are.
 * @param sn  of each rank
 */
enum crmpi_status crmpi_line_compose(const char *dir, const struct crmpi_history *history,
                                     const uint64_t *sn, struct crmpi_line *line_out);
/* Give a line that was read a number above all lines and files there are, and the
 * incarnation of a job that was restarted from it, and is newer than the history's. */
enum crmpi_status crmpi_line_renew(const char *dir, const struct crmpi_history *history,
                                   struct crmpi_line *line);

/*
 * Dropping old lines.  Not while a checkpoint is being saved or restored.  A number that
 * once had a line must not be used for another one: number a new checkpoint higher than
 * all lines.
 */
/* Drop all lines but @p keep (at least 1) that can be read, and what unfinished commits
 * left in DIR/lines; rank files stay.  Kept are the newest line, and before each the
 * newest in which every rank has an older checkpoint: under a coordinated policy just the
 * newest ones.  If there are fewer of these, the oldest line of the same execution is
 * kept, then the newest that were given up by a restart from an older one, or that belong
 * to another job.  A line that cannot be read is dropped when there are @p keep newer
 * ones. */
enum crmpi_status crmpi_lines_drop(const char *dir, unsigned keep);
/* Drop what DIR/ranks/RRRRRR of one rank has of checkpoints older than the newest in @p
 * keep that are not in @p keep; looks into that folder only, so that each rank of a
 * large job does its own.  With n = 0 nothing is dropped. */
enum crmpi_status crmpi_rank_prune(const char *dir, uint32_t world_rank,
                                   const uint64_t *keep, size_t n);
/* Both, for all ranks: the lines first, then the rank files that none of the remaining
 * lines refers to.  Rank files stay if one of the remaining lines cannot be read. */
enum crmpi_status crmpi_lines_prune(const char *dir, unsigned keep);

#endif
