/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which of its files a rank has to keep: it remembers in which lines each of them is.  A
 * line takes a rank's file over from the line before, until the rank is saved again.  An
 * increment needs its parent, the file saved before it, whatever the lines have.
 * Lower half; the memory is in the upper half, so it survives restarts.
 */
#ifndef CRMPI_ENGINE_KEPT_H
#define CRMPI_ENGINE_KEPT_H

#include <stddef.h>
#include <stdint.h>

/* A file, and the lines that may have it; more of them is safe. */
struct crmpi_kept_file {
    uint64_t sn;
    uint64_t first, last; /* numbers of lines */
    uint64_t is_alone;    /* of no line yet, saved alone */
    uint64_t parent;      /* number of another file that it cannot be read without; 0: none */
};

/* All zero: none. */
struct crmpi_kept {
    struct crmpi_kept_file *files; /* in the upper heap, by ascending sn */
    uint64_t n, capacity;
};

/** This process was restored from file @p sn, which line @p line has. */
void crmpi_kept_restored(struct crmpi_kept *kept, uint64_t sn, uint64_t line);

/** Line @p line was committed, with file @p sn of this rank; of its newest file before if it
 * is an increment. */
void crmpi_kept_committed(struct crmpi_kept *kept, uint64_t sn, uint64_t line,
                          int is_increment);

/** File @p sn was saved alone; likewise. */
void crmpi_kept_saved(struct crmpi_kept *kept, uint64_t sn, int is_increment);

/** Forget files that none of the lines has, and those saved alone that are older than the
 * newest of the lines; but no parents of those that stay. */
void crmpi_kept_forget(struct crmpi_kept *kept, const uint64_t *lines, size_t n);

/** Tell whether the file of this rank in a line is among those remembered. */
int crmpi_kept_knows(const struct crmpi_kept *kept, uint64_t line);

/** Take the oldest file that was saved alone, has a number below @p sn and is no parent out
 * of the list; 0: there is none. */
uint64_t crmpi_kept_take_alone(struct crmpi_kept *kept, uint64_t sn);

#endif
