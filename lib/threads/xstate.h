/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where the kernel keeps a thread's vector registers, and what else XSAVE saves, in the frame of
 * a signal: which parts there are depends on the processor, and where they lie.  It silently
 * restores nothing but x87 and SSE from a frame that it does not take for its own.  So frames of
 * another layout are converted.  Lower half.
 */
#ifndef CRMPI_THREADS_XSTATE_H
#define CRMPI_THREADS_XSTATE_H

#include <stddef.h>
#include <stdint.h>
#include <ucontext.h>
#include "base/status.h"

#define CRMPI_XSTATE_PARTS 32

struct crmpi_xstate {
    uint64_t parts; /* bits: those that a frame has */
    uint32_t bytes; /* of a frame's XSAVE area */
    uint32_t padding;
    struct {
        uint32_t offset, bytes;
    } part[CRMPI_XSTATE_PARTS];
};

/** The layout here.
 * @param also  parts for which a permission will be asked for (AMX), where the processor has them */
void crmpi_xstate_get(struct crmpi_xstate *here_out, uint64_t also);

/** Tell whether frames that were made with one layout can be used with another: as they are, or
 * converted; if not, say why. */
int crmpi_xstate_suits(const struct crmpi_xstate *saved, const struct crmpi_xstate *here,
                       char *why, size_t why_bytes);

/** Whether frames have to be converted. */
int crmpi_xstate_differs(const struct crmpi_xstate *saved,
                         const struct crmpi_xstate *here);

/** The bytes that a converted area needs; it has to begin at a multiple of 64. */
size_t crmpi_xstate_room(const struct crmpi_xstate *here);

/**
 * Convert the area of a frame, if it is of the other layout, and have the frame refer to the
 * converted one.  No libc.
 * @return 0 if a part is in use for which there is no room here
 */
int crmpi_xstate_convert(ucontext_t *context, const struct crmpi_xstate *saved,
                         const struct crmpi_xstate *here, void *area);

/**
 * The kernel puts the area close below the stack of what a signal interrupts, where frames of the
 * gate and of transfers come.  So a handler that makes one first has its signal's frame refer to a
 * copy, of so many bytes at a multiple of 64, which has to be there until the handler returns.
 */
size_t crmpi_xstate_bytes(const ucontext_t *context);
void crmpi_xstate_move(ucontext_t *context, void *area);

/** In a restarted process whose frames may be of another layout: what it was. */
void crmpi_xstate_start(const struct crmpi_xstate *saved);
int crmpi_xstate_is_foreign(void);

/** Convert the frame of a thread that has been saved in the parking signal's handler. */
enum crmpi_status crmpi_xstate_renew(ucontext_t *context);

/** Return from a signal's handler by a frame that may be of another layout.  In the trap. */
void crmpi_xstate_return(ucontext_t *context) __attribute__((noreturn));

#endif
