/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The journal of files: what becomes of files between checkpoints, so that a restart can
 * undo it.  Lower half.
 *
 * Files that are open at a checkpoint are saved with it (inodes.h).  A program also writes
 * files that it opens, and closes, between two checkpoints: it appends to a log, renames a
 * new file over an old one, removes what it does not need any more.  When it is about to do
 * that to a name for the first time since its checkpoint, what is there is noted:
 *
 *   nothing                  a restart removes what has come
 *   a file, to be appended   its length: a restart cuts it
 *   a file, to be replaced   it is kept by a hard link, which costs nothing,
 *   or removed                 or as a copy if it is on another file system
 *   a file, to be written    it is kept as a copy, up to CRMPI_FILE_LIMIT in all
 *   a directory, a symbolic link   its mode; where it leads
 *
 *   DIR/ranks/RRRRRR/NNNNNN-EEEE.log       notes of rank R after its checkpoint N, in epoch
 *                                          E: one more than the number of restarts
 *   DIR/ranks/RRRRRR/NNNNNN-EEEE.KKKKKK    what is kept
 *   DIR/ranks/undone                       from which checkpoint on, of each rank, each
 *                                          restart has undone all notes until then
 *
 * Every note is for itself: that of the rank that came first to a name is what counts for
 * it, whatever came later, so the order in which names are restored does not matter.
 */
#ifndef CRMPI_FILES_JOURNAL_H
#define CRMPI_FILES_JOURNAL_H

#include <stddef.h>
#include <stdint.h>
#include "base/status.h"

#define CRMPI_NOTE_MAGIC 0x65746f6e70726d63 /* "cmrpnote" */

enum crmpi_note_kind {
    CRMPI_NOTE_ABSENT = 1,
    CRMPI_NOTE_LENGTH,    /* only appended to, or empty */
    CRMPI_NOTE_KEPT,      /* kept by a hard link */
    CRMPI_NOTE_COPIED,
    CRMPI_NOTE_SAVED,     /* the checkpoint has it, or what tells it */
    CRMPI_NOTE_DIRECTORY,
    CRMPI_NOTE_LINK,      /* its target is behind the name */
    CRMPI_NOTE_LOST,      /* it could not be kept */
};

/* A note; behind it the canonical name, ended by a NUL, and a link's target, likewise. */
struct crmpi_note {
    uint64_t magic;
    uint64_t digest;     /* XXH3-64 of all that follows */
    uint32_t bytes;      /* of all */
    uint32_t kind;       /* enum crmpi_note_kind */
    int64_t time_ns;     /* of day: names that several ranks touch belong to the first */
    uint64_t device, inode, size;
    int64_t modified_ns;
    uint32_t mode, kept; /* number of the kept file; 0: none */
    uint32_t error, name_bytes;
};

/* What is about to be done to a name. */
enum crmpi_touch {
    CRMPI_TOUCH_OPEN,    /* with open(2)'s flags: the file that the name leads to */
    CRMPI_TOUCH_TRUNCATE,
    CRMPI_TOUCH_REMOVE,  /* the name itself: removed, or moved away */
    CRMPI_TOUCH_REPLACE, /* the name itself: made, or what is there replaced */
};
#define CRMPI_TOUCH_MOVES 1 /* flags of CRMPI_TOUCH_REMOVE: the name is moved away; of
                               CRMPI_TOUCH_REPLACE: a folder is moved there */
#define CRMPI_TOUCH_BELOW (1l << 40) /* flags: the MPI library does it */

/** At the start of the host, before there are threads. */
void crmpi_journal_start(void);

/**
 * Begin to note, after checkpoint @p sn; with all threads parked.  What is older than the
 * oldest checkpoint that @p home has of this rank is dropped.
 * @param home  where its checkpoints are, as for crmpi_rank_path(); NULL: drop nothing
 * @param inodes  files that the checkpoint has
 */
struct crmpi_inodes;
void crmpi_journal_begin(const char *home, uint32_t world_rank, uint64_t sn,
                         const struct crmpi_inodes *inodes);

/**
 * Note what is at a name before that changes, if it has not been yet.  Called for system
 * calls of the application, on its TLS base with all signals blocked: no libc.
 * @param dir    that a relative name begins at, as for openat()
 * @param flags  of CRMPI_TOUCH_OPEN
 */
void crmpi_journal_touch(long dir, const char *path, enum crmpi_touch touch, long flags);

/** The same for both names of rename(), as for renameat(). */
void crmpi_journal_rename(long dir, const char *path, long to_dir, const char *to_path);

/** The same for a system call that may change what a name leads to, if it does: with its six
 * arguments. */
void crmpi_journal_call(long number, const long *arguments);

/** The same for what the MPI library does for the application; in an ordinary thread.  A
 * file that is too large to be kept is taken to be appended to. */
void crmpi_journal_touch_below(const char *path, enum crmpi_touch touch, long flags);

/**
 * Call back with what a name of the application leads to, and its canonical name of
 * @p bytes with its NUL, if there is such a thing.  As crmpi_journal_touch(); calls come one
 * at a time.
 */
struct stat;
void crmpi_journal_with_name(const char *path,
                             void (*call)(const struct stat *about, const char *name,
                                          size_t bytes));

/** DIR/ranks/RRRRRR/NNNNNN-EEEE, and what else; 0 if it fits. */
int crmpi_journal_path(char *path_out, size_t bytes, uint32_t world_rank, uint64_t sn,
                       uint64_t epoch, const char *suffix);

#endif
