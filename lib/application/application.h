/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the application has told crmpi by crmpi.h: which of its memory need not be saved,
 * which has a name, what it wants to be called for.  It lies in crmpi's upper heap, so it
 * is saved and comes back.  Lower half.
 *
 * All lists are changed by threads of the application below, which do not park meanwhile.
 */
#ifndef CRMPI_APPLICATION_APPLICATION_H
#define CRMPI_APPLICATION_APPLICATION_H

#include <stddef.h>
#include <stdint.h>
#include "base/status.h"
#include "boundary/control.h"
#include "storage/container.h"

/* Who calls a function of the application: a thread, as long as it is that one. */
struct crmpi_hook_owner {
    struct crmpi_thread *thread; /* NULL: there is no function */
    uint32_t serial;
};

/* Memory that is zero after a restart, or is filled by a function. */
struct crmpi_excluded {
    struct crmpi_excluded *next;
    uint64_t start, bytes;
    struct crmpi_hook_owner owner;
    int (*refill)(void *start, size_t bytes, void *extra_state);
    void *extra_state;
    int32_t due; /* it has to be called */
};

/* Memory with a name. */
struct crmpi_name {
    struct crmpi_name *next;
    struct crmpi_named named;
};

/* A function that is called before or after a checkpoint, or after a restart. */
struct crmpi_hook {
    struct crmpi_hook *next;
    struct crmpi_hook_owner owner;
    int (*function)(int event, void *extra_state);
    void *extra_state;
    int32_t events; /* enum crmpi_hook_event */
    int32_t due;    /* those that it has to be called for */
};

/* crmpi_control->application; NULL until there is something in it. */
struct crmpi_application {
    int32_t lock; /* of the lists; never held where a thread may park */
    struct crmpi_excluded *excluded; /* in no order, apart from each other */
    struct crmpi_name *names;
    struct crmpi_hook *hooks; /* in the order in which they are called */
};

/** The root, made if it is not there; locked.  NULL: no memory. */
struct crmpi_application *crmpi_application_open(void);
void crmpi_application_close(struct crmpi_application *application);

/*
 * memory.c
 */

int crmpi_memory_overlaps(uint64_t start, uint64_t bytes, uint64_t other,
                          uint64_t other_bytes);

/** Say why some bytes are not the application's own memory; NULL if they are. */
const char *crmpi_memory_is_wrong(uint64_t start, uint64_t bytes);

/**
 * Leave memory out of checkpoints; it takes the place of exclusions it overlaps.
 * Refused, with a message: memory that is not the application's, that has a name, or that
 * holds the caller's stack.
 */
enum crmpi_status crmpi_memory_exclude(void *start, size_t bytes);

/** Take back the exclusion that begins at @p start; CRMPI_ERR_NOTFOUND: none does. */
enum crmpi_status crmpi_memory_include(void *start);

/** Whether all of some memory is there. */
int crmpi_memory_is_mapped(uint64_t start, uint64_t bytes);

/** Forget the exclusion that is at *@p at, in the open application. */
void crmpi_memory_excluded_remove(struct crmpi_excluded **at);

/** Whether memory lies wholly in a region that is excluded or has a name: it is not saved with
 * the rest. */
int crmpi_memory_is_left_out(uint64_t start, uint64_t bytes);

/** At the cut: forget exclusions of memory that the application has given back. */
void crmpi_memory_excluded_prune(void);

/** After the memory has been loaded, and is writable: zero what is excluded. */
void crmpi_memory_excluded_clear(void);

/** In the open application: whether some of the bytes have a name. */
int crmpi_memory_has_name(const struct crmpi_application *application, uint64_t start,
                          uint64_t bytes);

/*
 * names.c
 */

/**
 * Give memory a name, or give a name to other memory.  Refused, with a message, if others
 * would lose theirs, or it would not be saved.
 * @param dims  n_dims numbers of elements, in the order of C
 */
enum crmpi_status crmpi_memory_name(const char *name, void *start, int type, int n_dims,
                                    const size_t *dims);

/** Take a name back: CRMPI_ERR_NOTFOUND if there is none. */
enum crmpi_status crmpi_memory_unname(const char *name);

/*
 * wishes.c
 */

/** What the capture asks for (capture/wishes.h). */
struct crmpi_wishes;
enum crmpi_status crmpi_application_wishes(struct crmpi_wishes *wishes_out);

#endif
