/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a kind of descriptor consists of (see descriptors.h).  Lower half; of this folder.
 */
#ifndef CRMPI_DESCRIPTORS_KIND_H
#define CRMPI_DESCRIPTORS_KIND_H

#include "descriptors/descriptors.h"

/* A descriptor that is looked at. */
struct crmpi_seen {
    int fd;
    int flags; /* O_* */
    struct stat about;
    uint64_t file_system[2]; /* type and id */
    const char *path;        /* what /proc/self/fd says */
};

/* The descriptors so far, and what is in them. */
struct crmpi_saving {
    struct crmpi_descriptor *list;
    size_t n;
    struct crmpi_inodes *inodes;
    int look; /* what is in them is not read */
    char *data;
    size_t data_bytes;
    char *why;
    size_t why_bytes;
};

struct crmpi_restoring {
    const struct crmpi_descriptor *list;
    size_t n;
};

struct crmpi_descriptor_kind {
    int number; /* enum crmpi_descriptor_number */
    int (*is)(const struct crmpi_seen *seen);
    /* All but the last are optional.  Describe it; its path, flags, offset and identity are
     * there. */
    enum crmpi_status (*save)(struct crmpi_saving *saving, const struct crmpi_seen *seen,
                              struct crmpi_descriptor *descriptor);
    /* 1 if the two are the ends of one thing: then both name each other. */
    int (*is_other_end)(const struct crmpi_descriptor *descriptor,
                        const struct crmpi_descriptor *other);
    /* When all have been described: add data, or refuse what lacks its other end. */
    enum crmpi_status (*contents)(struct crmpi_saving *saving,
                                  struct crmpi_descriptor *descriptor);
    /* At a restart, before anything is changed: a reason why it cannot come back; or 0. */
    const char *(*check)(const struct crmpi_descriptor *descriptor, const void *data);
    /* Open it, or be opened with its other end; crmpi_descriptor_place(). */
    enum crmpi_status (*restore)(const struct crmpi_restoring *restoring,
                                 const struct crmpi_descriptor *descriptor,
                                 const void *data);
    /* When all are in their places. */
    enum crmpi_status (*fill)(const struct crmpi_restoring *restoring,
                              const struct crmpi_descriptor *descriptor, const void *data);
    /* When all are filled. */
    void (*finish)(const struct crmpi_descriptor *descriptor, const void *data);
};

#define CRMPI_DESCRIPTOR_DECLARE(name, NAME, number)                                     \
    extern const struct crmpi_descriptor_kind crmpi_kind_##name;
CRMPI_DESCRIPTOR_KINDS(CRMPI_DESCRIPTOR_DECLARE)
#undef CRMPI_DESCRIPTOR_DECLARE

/** All kinds, the first that is() comes first; ended by NULL. */
extern const struct crmpi_descriptor_kind *const crmpi_descriptor_kinds[];

/** Note what the process was started with (crmpi_descriptors_start()). */
void crmpi_standard_start(void);
void crmpi_inherited_start(void);

/** The kind of a number; NULL if there is none. */
const struct crmpi_descriptor_kind *crmpi_descriptor_kind(int number);

/*
 * seen.c: to describe one
 */

/** Say by name that a descriptor cannot be saved; CRMPI_ERR_UNSUPPORTED. */
enum crmpi_status crmpi_descriptor_refuse(struct crmpi_saving *saving,
                                          const struct crmpi_descriptor *descriptor,
                                          const char *what);

/** Add to a descriptor's data. */
enum crmpi_status crmpi_descriptor_data(struct crmpi_saving *saving,
                                        struct crmpi_descriptor *descriptor,
                                        const void *data, size_t bytes);

/** The number behind "name:" in /proc/self/fdinfo/FD; UINT64_MAX if it has none. */
uint64_t crmpi_descriptor_info(int fd, const char *name, int base);

/** Whether it is the anonymous inode of this name, such as "eventfd". */
int crmpi_descriptor_is_anonymous(const struct crmpi_seen *seen, const char *name);

/*
 * place.c: to open it again
 */

/** Put @p fd (-1: errno says why there is none) under its number. */
enum crmpi_status crmpi_descriptor_place(const struct crmpi_descriptor *descriptor, int fd);

/** Say by name that it cannot come back; CRMPI_ERR_SYSTEM. */
enum crmpi_status crmpi_descriptor_cannot(const struct crmpi_descriptor *descriptor,
                                          const char *what);

/** The one with a number; NULL if there is none. */
const struct crmpi_descriptor *crmpi_descriptor_find(const struct crmpi_restoring *restoring,
                                                     int fd);

/** One that was made before with the same identity; NULL if this is the first. */
const struct crmpi_descriptor *crmpi_descriptor_twin(const struct crmpi_restoring *restoring,
                                                     const struct crmpi_descriptor *of);

#endif
