/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Files of file systems, as a checkpoint knows them: which they are, and what is in them.
 * Descriptors (lib/descriptors) and shared mappings refer to them.  Lower half.
 *
 * A restart goes on with files that hold what they held at the checkpoint:
 *   - of those that the program can write, the contents are saved with its memory, up to
 *     CRMPI_FILE_LIMIT in all.  For that they are mapped into an address range of their own
 *     (CRMPI_FILES_ADDR), so they are surveyed, hashed, compressed and stored by the same
 *     means as memory;
 *   - of larger ones the first and the last block are saved, and a hash of every block:
 *     what has been appended since is cut, and a block that has changed is refused;
 *   - those that are only read have to be the same at the restart.
 */
#ifndef CRMPI_FILES_INODES_H
#define CRMPI_FILES_INODES_H

#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include "base/checksum.h"
#include "base/status.h"

#define CRMPI_RECORD_INODES "/task/inodes"
#define CRMPI_INODE_BLOCK ((uint64_t)1 << 20)
#define CRMPI_INODE_PARTS 2

enum crmpi_inode_kind {
    CRMPI_INODE_NAMED = 1,
    CRMPI_INODE_UNLINKED, /* its name is gone, or another file has it */
    CRMPI_INODE_MEMFD,
};
enum {
    CRMPI_INODE_WRITTEN = 1,  /* open, or mapped, for writing */
    CRMPI_INODE_WHOLE = 2,    /* all of its contents are saved */
    CRMPI_INODE_IN_PLACE = 4, /* larger, and has been seen to change before its end */
    CRMPI_INODE_MAPPED = 8,   /* there is a shared mapping of it */
    CRMPI_INODE_BY_MPI = 16,  /* the MPI library has it: saved whole, or just cut by it */
};

/* One file; record /task/inodes is their number (u64), an array of these, and the hashes
 * of the blocks of each. */
struct crmpi_inode {
    int32_t kind; /* enum crmpi_inode_kind */
    uint32_t flags;
    uint32_t mode, user, group;
    uint32_t seals;           /* of a memfd */
    uint64_t device, inode;   /* only within one process: on other nodes they differ */
    uint64_t file_system[2];  /* type and id, as statfs() tells */
    uint64_t bytes;
    int64_t modified_ns, changed_ns; /* times of contents and of the inode */
    uint64_t n_blocks;        /* hashes of its blocks, if its contents are not saved */
    uint32_t n_parts, unused; /* what of its contents is saved, and at which address */
    struct {
        uint64_t offset, bytes, address;
    } parts[CRMPI_INODE_PARTS];
    char path[4096]; /* named: absolute.  Else what the kernel calls it */
};

/* How its contents can be reached now. */
struct crmpi_inode_source {
    uint64_t device, inode; /* those of the list, which is much larger, to be searched */
    int fd;             /* a descriptor of the application, or -1: by name */
    int is_readable;    /* through that one */
    uint64_t start, end; /* a mapping of it, as /proc/self/maps has it; 0, 0: none */
};

struct crmpi_inodes {
    size_t n, room;
    struct crmpi_inode *list;
    struct crmpi_inode_source *sources;
    struct crmpi_hash **hashes; /* of each, from malloc(); NULL if it has none */
};

/** Whether files of this type keep what is written to them, and have a place: those of
 * /proc, of message queues and their like are no such files. */
int crmpi_file_system_keeps(int fd, uint64_t id_out[2]);

/** The name of a file system's type for messages: "procfs", or its number. */
const char *crmpi_file_system_name(uint64_t type, char text_out[32]);

/**
 * Take a file into the list, once; @p fd is a descriptor of it.
 * @param about   fstat()'s
 * @param path    what /proc/self/fd says
 * @param flags   CRMPI_INODE_*, added to those it has
 * @param[out] index_out  its place
 * @param[out] what  on CRMPI_ERR_UNSUPPORTED: what it is
 */
enum crmpi_status crmpi_inodes_add(struct crmpi_inodes *inodes, int fd,
                                   const struct stat *about, const char *path,
                                   uint32_t flags, size_t *index_out, char *what,
                                   size_t what_bytes);

/**
 * Take an MPI file into the list, which the MPI library has open in several processes; if
 * its contents are the same on all nodes, as far as its file system is known to see to
 * that.  A file that is not there is passed over.
 */
enum crmpi_status crmpi_inodes_add_shared(struct crmpi_inodes *inodes, const char *path,
                                          uint32_t flags);

/** Take the files of the application's shared mappings into the list. */
enum crmpi_status crmpi_inodes_add_mapped(struct crmpi_inodes *inodes, char *why,
                                          size_t why_bytes);

/**
 * Map what is to be saved of the files' contents, and hash what is not; with all threads
 * parked.  Every rank says once of each file that a restart could not bring back.
 * crmpi_inodes_release() takes the mappings away.
 */
enum crmpi_status crmpi_inodes_contents(struct crmpi_inodes *inodes, char *why,
                                        size_t why_bytes);
void crmpi_inodes_release(void);

/** Whether the memory of a shared mapping need not be saved: the contents of its file are,
 * which /proc/self/maps calls so. */
int crmpi_inodes_has(uint64_t inode, const char *name);

/** The record, from malloc(). */
enum crmpi_status crmpi_inodes_pack(const struct crmpi_inodes *inodes, void **data_out,
                                    size_t *bytes_out);

/** Check a record, and take it apart; the list is a copy. */
enum crmpi_status crmpi_inodes_unpack(const void *data, size_t bytes,
                                      struct crmpi_inodes *inodes_out);

void crmpi_inodes_fini(struct crmpi_inodes *inodes);

#endif
