/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The HDF5 container: one file per rank and checkpoint, one file per recovery line.
 * doc/format.md describes what lies in it.  This directory is the sole user of hdf5.h.
 * Lower half and tools; every function logs the cause of its failure once.  Several
 * threads may work at the same time, each on a writer or reader of its own: HDF5 is used
 * by one of them at a time, whether it is built thread safe or not; it never sees the
 * bytes of memory, which whoever has them writes and reads by plain system calls.
 */
#ifndef CRMPI_STORAGE_CONTAINER_H
#define CRMPI_STORAGE_CONTAINER_H

#include <stdint.h>
#include <stddef.h>
#include <sys/uio.h>
#include "base/figures.h"
#include "base/status.h"
#include "interaction/dependencies.h"
#include "recovery/history.h"

#define CRMPI_FORMAT_VERSION 5
#define CRMPI_RANKS_MAX (1u << 24)
#define CRMPI_SEGMENTS_MAX ((size_t)1 << 16)
#define CRMPI_NAMED_MAX ((size_t)1 << 12)
#define CRMPI_CHAIN_MAX ((size_t)256) /* files: a full checkpoint and its increments */
#define CRMPI_DATA_OFFSET ((uint64_t)8192)    /* in a file: where the data area begins */
#define CRMPI_BLOCK_BYTES ((uint64_t)1 << 20) /* of data, in a block: at most */

/* What a mapped region has beyond its protection: the numbers are those of the file. */
enum {
    CRMPI_REGION_LOCKED = 1,          /* mlock */
    CRMPI_REGION_LOCKED_ON_FAULT = 2, /* the pages that are there: mlock2 */
    CRMPI_REGION_HUGEPAGE = 4,        /* madvise(2)'s, up to RANDOM */
    CRMPI_REGION_NOHUGEPAGE = 8,
    CRMPI_REGION_DONTFORK = 16,
    CRMPI_REGION_DONTDUMP = 32,
    CRMPI_REGION_WIPEONFORK = 64,
    CRMPI_REGION_MERGEABLE = 128,
    CRMPI_REGION_SEQUENTIAL = 256,
    CRMPI_REGION_RANDOM = 512,
    CRMPI_REGION_GROWSDOWN = 1024, /* mmap(2)'s, up to HUGETLB */
    CRMPI_REGION_NORESERVE = 2048,
    CRMPI_REGION_DROPPABLE = 4096,
    CRMPI_REGION_HUGETLB = 8192,
    CRMPI_REGION_MAY_WRITE = 16384, /* it is or could be made writable */
    CRMPI_REGION_SEALED = 32768,    /* mseal */
    CRMPI_REGION_IN_FILE = 65536,   /* what it shows is saved with its file (lib/files) */
};
#define CRMPI_REGION_ATTRIBUTES 131071u /* all of them */
#define CRMPI_POLICY_NODES 256

/* A mapped region of the upper half. */
struct crmpi_region {
    uint64_t start, bytes;
    uint32_t prot;  /* PROT_* */
    uint32_t flags; /* MAP_PRIVATE or MAP_SHARED, MAP_ANONYMOUS */
    uint64_t file_offset;
    uint64_t device, inode;  /* of what is mapped, as /proc/self/maps says; 0, 0: nothing.
                                Shared anonymous memory has a number, too */
    uint64_t file_bytes;     /* of a private mapping: what the file was like, */
    int64_t file_mtime_ns;   /* if its name was still its own; else 0, 0 */
    uint32_t attributes;     /* CRMPI_REGION_* */
    uint32_t huge_page_kib;  /* of HUGETLB */
    uint64_t policy;         /* of NUMA, MPOL_*; 0: none of its own */
    uint64_t nodes[CRMPI_POLICY_NODES / 64];
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
                                           apart; they need not be whole pages.  A writer
                                           is told by a struct crmpi_content instead */
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

/* Progress of a long save or load; called now and then with bytes so far and in all. */
typedef void (*crmpi_progress_fn)(void *context, uint64_t done_bytes,
                                  uint64_t total_bytes);

/* Registered filters of HDF5, each after its byte shuffle (codec.h). */
enum crmpi_compression {
    CRMPI_COMPRESSION_NONE,
    CRMPI_COMPRESSION_LZ4,
    CRMPI_COMPRESSION_ZSTD,
};

/*
 * The content of the task, of a segment or of a named region: what was in its memory, as
 * far as it was not zero.  The data that a file has of it lie, one after the other, in a
 * dataset `memory`, which is cut into blocks; these were written anywhere in the file's
 * data area.  All else is found in the parent's chain:
 *
 *   addresses   | stored |      | kept |  | stored |   |kept|      what is not there: zero
 *   memory      | stored | stored |                                 raw_bytes
 *   blocks      |    0    |  1    |
 */
struct crmpi_stored_extent {
    uint64_t start, bytes;
    uint64_t offset; /* in memory */
};
struct crmpi_block {
    uint64_t offset, bytes; /* in memory: at most CRMPI_BLOCK_BYTES */
    uint64_t file_offset;
    uint64_t stored_bytes; /* as many as bytes: they are as they were in memory */
    uint64_t checksum;     /* XXH3-64 of the bytes in memory */
};
/*
 * Stored extents are ascending and apart by start, anywhere within memory, and apart
 * there; kept ones are ascending and apart, and apart from those.  Blocks are ascending
 * and leave no gap.  Of plain content (CRMPI_COMPRESSION_NONE) they lie in the file one
 * behind the other, in order; else all have CRMPI_BLOCK_BYTES, and so what of memory is in
 * no extent is zero.
 */
struct crmpi_content {
    const struct crmpi_stored_extent *stored;
    size_t n_stored;
    const struct crmpi_extent *kept;
    size_t n_kept;
    const struct crmpi_block *blocks;
    size_t n_blocks;
    uint64_t raw_bytes;
    enum crmpi_compression compression;
};

/* Elements of a named region. */
enum crmpi_named_type {
    CRMPI_NAMED_INT8 = 1,
    CRMPI_NAMED_UINT8,
    CRMPI_NAMED_INT16,
    CRMPI_NAMED_UINT16,
    CRMPI_NAMED_INT32,
    CRMPI_NAMED_UINT32,
    CRMPI_NAMED_INT64,
    CRMPI_NAMED_UINT64,
    CRMPI_NAMED_FLOAT,
    CRMPI_NAMED_DOUBLE,
};

/* Memory that the application has given a name: it is the dataset /task/named/NAME. */
struct crmpi_named {
    char name[64];
    uint64_t start, bytes;
    uint32_t type;    /* enum crmpi_named_type */
    uint32_t n_dims;  /* 0: one element */
    uint64_t dims[8]; /* of arrays in the order of C; none is 0 */
};

/** Bytes of an element; 0 if there is no such type. */
size_t crmpi_named_type_bytes(uint32_t type);

/* The checkpoint of the same rank that has what an increment has kept. */
struct crmpi_parent {
    uint64_t sn; /* 0: there is none */
    uint64_t digest;
};

/*
 * Writing a rank file.  Create; write blocks by crmpi_file_write() or otherwise to the
 * descriptor, from CRMPI_DATA_OFFSET on; say of what they are; close.  The file is written
 * as PATH.tmp and renamed to PATH by a successful close; abort removes it.
 */
struct crmpi_writer;
/** @p parent  NULL, or with number 0: there is none */
enum crmpi_status crmpi_writer_create(const char *path, const struct crmpi_job *job,
                                      const struct crmpi_parent *parent,
                                      struct crmpi_writer **writer_out);
int crmpi_writer_descriptor(const struct crmpi_writer *writer);
/** Have the file system set aside the first @p bytes of the file, see
 * crmpi_output_reserve(). */
enum crmpi_status crmpi_writer_reserve(struct crmpi_writer *writer, uint64_t bytes);
/** Write all bytes to the file at @p offset; 0 or an errno.  Nothing is logged or
 * allocated, so it can be used anywhere; fault point storage.write. */
int crmpi_file_write(int fd, const struct iovec *iov, size_t n, uint64_t offset);
/** Log an errno that writing to the descriptor has ended with, and let the writer fail. */
enum crmpi_status crmpi_writer_failed(struct crmpi_writer *writer, int error);
/* Say what there is, in this order: the task once, then segments and named regions.  All
 * is checked as it will be when it is read.  Arrays of a content, and those of regions,
 * are the caller's, and have to stay until close or abort. */
enum crmpi_status crmpi_writer_task(struct crmpi_writer *writer,
                                    const struct crmpi_region *regions, size_t n_regions,
                                    const struct crmpi_content *content);
/* Views are apart from the regions and from each other; a segment without one has no
 * content (NULL). */
enum crmpi_status crmpi_writer_segment(struct crmpi_writer *writer,
                                       const struct crmpi_segment *segment,
                                       const struct crmpi_content *content);
/* A named region is stored whole, plain, as one extent, and lies within one of the regions
 * if there are any.  It may be part of the task's content, too. */
enum crmpi_status crmpi_writer_named(struct crmpi_writer *writer,
                                     const struct crmpi_named *named,
                                     const struct crmpi_content *content);
/* Store a block of bytes (at most 2 GiB), of which a copy is kept, as dataset @p name, such
 * as "/task/threads" or "/channel/state" (missing groups are made), with a checksum
 * attribute. */
enum crmpi_status crmpi_writer_record(struct crmpi_writer *writer, const char *name,
                                      const void *data, size_t bytes);
/* Store what the checkpoint depends on, of which a copy is kept, as the group
 * /dependencies.  At most once. */
enum crmpi_status
crmpi_writer_dependencies(struct crmpi_writer *writer,
                          const struct crmpi_dependencies *dependencies);
/* The writer is gone afterwards, also on failure; what was at PATH before is then
 * intact.
 * @param data_end  behind the last block; CRMPI_DATA_OFFSET if there is none
 * @param sync  whether to return only when file and name are on the disk (fsync)
 * @param[out] digest_out  of the seal; may be NULL */
enum crmpi_status crmpi_writer_close(struct crmpi_writer *writer, uint64_t data_end,
                                     int sync, uint64_t *file_bytes_out,
                                     uint64_t *digest_out);
void crmpi_writer_abort(struct crmpi_writer *writer);

/*
 * Reading a rank file, with the parents that have what it kept: these are looked for next
 * to it.  Opening checks ownership, mode, format and every size and offset of all of them,
 * and that there is a place for every byte.
 */
struct crmpi_reader;
enum crmpi_status crmpi_reader_open(const char *path, struct crmpi_reader **reader_out);
const struct crmpi_job *crmpi_reader_job(const struct crmpi_reader *reader);
/* Regions, and the extents that have data, stored in the file or kept: arrays owned by the
 * reader; they were checked when it was opened, so this cannot fail. */
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
/* The named regions by their names, likewise. */
void crmpi_reader_named(const struct crmpi_reader *reader,
                        const struct crmpi_named **named_out, size_t *n_out);
/* The parent; its number is 0 if there is none. */
struct crmpi_parent crmpi_reader_parent(const struct crmpi_reader *reader);

struct crmpi_sizes {
    uint64_t data_bytes;   /* that are in memory after a load, those not zero */
    uint64_t raw_bytes;    /* of them and of padding, in this file, before compression */
    uint64_t stored_bytes; /* after it */
    size_t n_files;        /* that a load reads: this one and its parents */
    enum crmpi_compression compression; /* of the task */
};
struct crmpi_sizes crmpi_reader_sizes(const struct crmpi_reader *reader);

/* Check the checksum of every block that a load would read, without loading it. */
enum crmpi_status crmpi_reader_verify(struct crmpi_reader *reader,
                                      crmpi_progress_fn progress, void *context);
/* Load all extents, those of the segments and, if there are regions, named ones too, into
 * memory at their own addresses, which the caller has mapped writable, checking every
 * block's checksum as it comes in (each block is read once). */
enum crmpi_status crmpi_reader_load(struct crmpi_reader *reader,
                                    crmpi_progress_fn progress, void *context);
/* Read a named region, the @p index-th, to anywhere. */
enum crmpi_status crmpi_reader_named_read(struct crmpi_reader *reader, size_t index,
                                          void *to);
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
    struct crmpi_figures figures;
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
 * commit.  @p sync as in crmpi_writer_close(). */
enum crmpi_status crmpi_line_write(const char *dir, const struct crmpi_line *line,
                                   int sync);
enum crmpi_status crmpi_line_read(const char *dir, uint64_t number,
                                  struct crmpi_line *line_out);
/* Open the file that a line has of a rank, if it is that file: of the line's job, with
 * the line's sn, size, digest and incarnation; else CRMPI_ERR_MISMATCH. */
enum crmpi_status crmpi_line_open_rank(const char *dir, const struct crmpi_line *line,
                                       uint32_t world_rank,
                                       struct crmpi_reader **reader_out);
void crmpi_line_free(struct crmpi_line *line);
/* The levels that the files of all ranks have: of enum crmpi_level. */
unsigned crmpi_line_levels(const struct crmpi_line *line);
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
 * kept, then the newest that were given up by a restart from an older one.  Lines of other
 * jobs are not counted, and stay.  A line that cannot be read is dropped when there are @p keep newer
 * ones.  The newest line of which all files are in the directory stays, too, and the one
 * numbered @p needed (0: none). */
enum crmpi_status crmpi_lines_drop(const char *dir, unsigned keep, uint64_t needed);
/* Drop what DIR/ranks/RRRRRR of one rank has of checkpoints older than the newest in @p
 * keep that are not in @p keep, and no parents of those; looks into that folder only, so
 * that each rank of a large job does its own.  Nothing is dropped with n = 0, or if the
 * parents of a file that is there cannot be told. */
enum crmpi_status crmpi_rank_prune(const char *dir, uint32_t world_rank,
                                   const uint64_t *keep, size_t n);
/* Both, for all ranks: the lines first, then the rank files that none of the remaining
 * lines refers to.  Rank files stay if one of the remaining lines cannot be read. */
enum crmpi_status crmpi_lines_prune(const char *dir, unsigned keep);

#endif
