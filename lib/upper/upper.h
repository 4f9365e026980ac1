/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the parts of libcrmpi.so (upper half) know of each other: assembly, generated stubs
 * and C.
 */
#ifndef CRMPI_UPPER_UPPER_H
#define CRMPI_UPPER_UPPER_H

#include "boundary/control.h"
#include "boundary/entries.h"

/* switch.S */
extern const char crmpi_stub_begin[] __attribute__((visibility("hidden")));
extern const char crmpi_stub_end[] __attribute__((visibility("hidden")));
void crmpi_resume(struct crmpi_thread *thread) __attribute__((visibility("hidden")));

/* generated from wrappers/mpi-calls.txt */
extern void *const crmpi_predefined_upper[] __attribute__((visibility("hidden")));

/* By call number: where PMPI_X is; where MPI_X goes on, which tools.c may change; NULL: there
 * is no such name. */
extern void *const crmpi_here[] __attribute__((visibility("hidden")));
extern void *crmpi_next[] __attribute__((visibility("hidden")));

/* enter.c */
extern int crmpi_is_split __attribute__((visibility("hidden"))); /* there is a lower half */
extern __thread struct crmpi_thread *crmpi_self
    __attribute__((tls_model("initial-exec"), visibility("hidden")));

/* application.c: the function that stands in for a call of crmpi.h in a process that is not
 * split; NULL if it is a call of MPI. */
void *crmpi_application_without(const char *call) __attribute__((visibility("hidden")));

/* idle.c, before other libraries begin: those that do nothing in this half need not */
void crmpi_idle_libraries(void) __attribute__((visibility("hidden")));

/* redirect.c: let Open MPI's Fortran functions be those here, in a process that is split */
void crmpi_redirect_start(void) __attribute__((visibility("hidden")));

/* The symbols of a library that is mapped, and may not be relocated yet; the address of a
 * function that it defines, NULL if it does not; and how the first instructions of that become
 * a jump. */
struct link_map;
struct crmpi_symbols {
    const void *symbols;
    const char *names;
    const uint32_t *hashes; /* DT_GNU_HASH */
};
#define CRMPI_JUMP_BYTES 12
int crmpi_symbols_get(const struct link_map *map, struct crmpi_symbols *symbols_out)
    __attribute__((visibility("hidden")));
unsigned char *crmpi_symbol_find(const struct link_map *map, const struct crmpi_symbols *s,
                                 const char *name) __attribute__((visibility("hidden")));
void crmpi_jump_make(unsigned char *code, const void *to)
    __attribute__((visibility("hidden")));
int crmpi_code_open(const unsigned char *first, const unsigned char *end)
    __attribute__((visibility("hidden")));
void crmpi_code_close(const unsigned char *first, const unsigned char *end)
    __attribute__((visibility("hidden")));

/* tools.c: let functions that libraries put in front of MPI's be called. */
void crmpi_tools_find(void) __attribute__((visibility("hidden")));

/* signal.c */
void crmpi_signal_entry(int signal, void *info, void *context)
    __attribute__((visibility("hidden")));

/* transfer.c: note where libc makes calls of which a part may be done */
void crmpi_transfer_places_find(void) __attribute__((visibility("hidden")));

/* transfer.c: where the rest of a transfer is done, and behind the system call there */
extern const char crmpi_transfer_entry[] __attribute__((visibility("hidden")));
extern const char crmpi_transfer_behind_call[] __attribute__((visibility("hidden")));

/* called by switch.S */
uint64_t crmpi_after(struct crmpi_thread *thread, uint64_t result)
    __attribute__((visibility("hidden")));
void *crmpi_enter(int call) __attribute__((visibility("hidden")));

#endif
