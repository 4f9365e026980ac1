/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How both ends of a connection prove to each other that they have the same key, which is
 * never sent.  Anybody on the network can connect to a rank, and anybody can have the port of
 * a job that has ended.
 *
 *   caller                                    called
 *   crmpi_hello: who, to whom, a number  -->
 *                                        <--  a number, proof
 *   proof                                -->
 *                                        <--  a word
 *
 * The word says that it has been heard: before, the caller may be sent away, and calls again.
 * The numbers are random, and the proof is HMAC-SHA256 (RFC 2104) of both hellos and of which
 * end it is, so none is of use a second time.  Lower half and tools; not thread safe.
 */
#ifndef CRMPI_NET_GREETING_H
#define CRMPI_NET_GREETING_H

#include <poll.h>
#include <stddef.h>
#include <stdint.h>

#define CRMPI_KEY_BYTES 16
#define CRMPI_PROOF_BYTES 32
#define CRMPI_GREETING_TOOL UINT32_MAX /* a caller that is no rank */

struct crmpi_hello {
    uint64_t magic;
    uint32_t from, to; /* ranks */
    unsigned char number[16];
};

struct crmpi_answer {
    unsigned char number[16];
    unsigned char proof[CRMPI_PROOF_BYTES];
};

/**
 * Call: prove that we have the key, and see that the other end has it.
 * @param fd  a blocking socket
 * @return 1 if it has; 0 with errno: ETIMEDOUT, or EPERM if somebody else is there
 */
int crmpi_greet(int fd, const unsigned char key[CRMPI_KEY_BYTES], uint32_t from,
                uint32_t to, int limit_ms);

/* ---- being called ---- */

#define CRMPI_DOOR_MAX 64

/* Connections that have not proved anything yet.  Nobody is waited for, and when there are too
 * many, the oldest goes, of those who have said nothing if there are any: so they keep nobody
 * out. */
struct crmpi_door {
    unsigned n;
    struct crmpi_visitor {
        int fd;
        int64_t since_ms;
        int is_answered; /* it has said hello, and its proof comes next */
        size_t got;
        struct crmpi_hello hello;
        struct crmpi_answer answer;
        unsigned char proof[CRMPI_PROOF_BYTES];
    } visitors[CRMPI_DOOR_MAX];
};

/** Take in who has connected to a nonblocking listener. */
void crmpi_door_accept(struct crmpi_door *door, int listener);

/** List what to poll; of @p entries there have to be CRMPI_DOOR_MAX. */
nfds_t crmpi_door_poll(const struct crmpi_door *door, struct pollfd *entries);

/**
 * Hear those who have something to say, and drop who has waited for too long; to be called until
 * there is none.
 * @param self          the rank that is called
 * @param[out] from_out  who calls
 * @return a nonblocking socket on which the other end has proved that it has the key; or -1
 */
int crmpi_door_open(struct crmpi_door *door, const unsigned char key[CRMPI_KEY_BYTES],
                    uint32_t self, uint32_t *from_out);

void crmpi_door_close(struct crmpi_door *door);

#endif
