/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A system call that was to transfer some bytes, and that a parking signal has ended with a
 * part of them; or one on a socket with a time limit.  The lower half, which knows which call it
 * was (lib/threads/interrupted.c), puts this on the thread's stack and has it go on in the upper
 * half (lib/upper/transfer.c), which does the rest and returns behind the call as if nothing had
 * been.
 */
#ifndef CRMPI_BOUNDARY_TRANSFER_H
#define CRMPI_BOUNDARY_TRANSFER_H

#include <stdint.h>
#include "boundary/control.h"

struct crmpi_transfer {
    int64_t arguments[6]; /* in the registers of the call; as the application gave them */
    uint64_t flags;       /* the processor's */
    int64_t number;
    int64_t done, bytes; /* bytes is 0 if the call may end with any number of them */
    int64_t interrupted; /* set by the parking signal when it ends a call in here, too */
    int64_t is_over;     /* a signal of the application's has come */
    int64_t end_ns;      /* of the wait, on the application's clock; 0: none */
    int64_t events;      /* of poll(2): what it waits for then */
    uint64_t unused[3];
    uint64_t back; /* behind the call */
    uint64_t red_zone[16];
};

_Static_assert(sizeof(struct crmpi_transfer) == CRMPI_F_BYTES, "as transfer.c has it");
_Static_assert(__builtin_offsetof(struct crmpi_transfer, back) == CRMPI_F_BACK,
               "as transfer.c has it");

#endif
