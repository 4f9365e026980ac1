/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Greetings (see greeting.h).  Lower half and tools.
 */
#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/hmac.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/clock.h"
#include "net/greeting.h"

#define HELLO_MAGIC 0x3230656572747263 /* "crtree02" */
#define VISIT_LIMIT_MS 5000
#define ACCEPT_AT_ONCE 64

enum end { CALLER = 'c', CALLED = 's' };

static int proof_make(const unsigned char *key, enum end end,
                      const struct crmpi_hello *hello, const unsigned char number[16],
                      unsigned char proof_out[CRMPI_PROOF_BYTES])
{
    unsigned char text[1 + sizeof *hello + 16];
    unsigned n = 0;

    text[0] = (unsigned char)end;
    memcpy(text + 1, hello, sizeof *hello);
    memcpy(text + 1 + sizeof *hello, number, 16);
    return HMAC(EVP_sha256(), key, CRMPI_KEY_BYTES, text, sizeof text, proof_out, &n) !=
               NULL &&
           n == CRMPI_PROOF_BYTES;
}

/* In a time that does not depend on where they differ. */
static int proof_is(const unsigned char *key, enum end end,
                    const struct crmpi_hello *hello, const unsigned char number[16],
                    const unsigned char proof[CRMPI_PROOF_BYTES])
{
    unsigned char wanted[CRMPI_PROOF_BYTES];

    return proof_make(key, end, hello, number, wanted) &&
           CRYPTO_memcmp(wanted, proof, sizeof wanted) == 0;
}

static int send_all(int fd, const void *bytes, size_t n)
{
    return send(fd, bytes, n, MSG_NOSIGNAL) == (ssize_t)n;
}

/* ---- calling ---- */

static int receive_all(int fd, void *bytes, size_t n, int64_t deadline_ms)
{
    size_t got = 0;

    while (got < n) {
        struct pollfd entry = {.fd = fd, .events = POLLIN};
        int64_t left = deadline_ms - crmpi_clock_ms();
        int ready = poll(&entry, 1, left > 0 ? (int)left : 0);
        ssize_t more;

        if (ready < 0 && errno == EINTR)
            continue;
        if (ready <= 0) {
            errno = ETIMEDOUT;
            return 0;
        }
        more = recv(fd, (char *)bytes + got, n - got, MSG_DONTWAIT);
        if (more == 0 || (more < 0 && errno != EAGAIN && errno != EINTR)) {
            errno = EPERM; /* it does not talk to us */
            return 0;
        }
        got += more > 0 ? (size_t)more : 0;
    }
    return 1;
}

int crmpi_greet(int fd, const unsigned char key[CRMPI_KEY_BYTES], uint32_t from,
                uint32_t to, int limit_ms)
{
    struct crmpi_hello hello = {.magic = HELLO_MAGIC, .from = from, .to = to};
    struct crmpi_answer answer;
    unsigned char proof[CRMPI_PROOF_BYTES];
    int64_t deadline_ms = crmpi_clock_ms() + limit_ms;
    char word;

    if (getrandom(hello.number, sizeof hello.number, 0) != sizeof hello.number ||
        !send_all(fd, &hello, sizeof hello) ||
        !receive_all(fd, &answer, sizeof answer, deadline_ms))
        return 0;
    if (!proof_is(key, CALLED, &hello, answer.number, answer.proof) ||
        !proof_make(key, CALLER, &hello, answer.number, proof)) {
        errno = EPERM;
        return 0;
    }
    return send_all(fd, proof, sizeof proof) &&
           receive_all(fd, &word, sizeof word, deadline_ms);
}

/* ---- being called ---- */

static void visitor_forget(struct crmpi_door *door, struct crmpi_visitor *visitor)
{
    struct crmpi_visitor *last = &door->visitors[--door->n];

    memmove(visitor, visitor + 1, (size_t)(last - visitor) * sizeof *visitor);
}

static void visitor_drop(struct crmpi_door *door, struct crmpi_visitor *visitor)
{
    close(visitor->fd);
    visitor_forget(door, visitor);
}

static struct crmpi_visitor *most_useless(struct crmpi_door *door)
{
    for (unsigned i = 0; i < door->n; i++)
        if (!door->visitors[i].is_answered)
            return &door->visitors[i];
    return &door->visitors[0];
}

void crmpi_door_accept(struct crmpi_door *door, int listener)
{
    for (int i = 0; i < ACCEPT_AT_ONCE; i++) {
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

        if (fd < 0)
            return;
        if (door->n == CRMPI_DOOR_MAX)
            visitor_drop(door, most_useless(door));
        door->visitors[door->n++] =
            (struct crmpi_visitor){.fd = fd, .since_ms = crmpi_clock_ms()};
    }
}

nfds_t crmpi_door_poll(const struct crmpi_door *door, struct pollfd *entries)
{
    for (unsigned i = 0; i < door->n; i++)
        entries[i] = (struct pollfd){.fd = door->visitors[i].fd, .events = POLLIN};
    return door->n;
}

/* What comes next; 1 if it is all there, -1 if nothing more comes. */
static int hear(struct crmpi_visitor *visitor, void *bytes, size_t n)
{
    ssize_t more = recv(visitor->fd, (char *)bytes + visitor->got, n - visitor->got, 0);

    if (more == 0 || (more < 0 && errno != EAGAIN && errno != EINTR))
        return -1;
    visitor->got += more > 0 ? (size_t)more : 0;
    return visitor->got == n;
}

/* 1: it has the key; -1: it has not; 0: not yet. */
static int visitor_turn(struct crmpi_visitor *visitor, const unsigned char *key,
                        uint32_t self)
{
    struct crmpi_answer *answer = &visitor->answer;
    int heard;

    if (!visitor->is_answered) {
        heard = hear(visitor, &visitor->hello, sizeof visitor->hello);
        if (heard <= 0)
            return heard;
        if (visitor->hello.magic != HELLO_MAGIC || visitor->hello.to != self ||
            getrandom(answer->number, sizeof answer->number, 0) !=
                sizeof answer->number ||
            !proof_make(key, CALLED, &visitor->hello, answer->number, answer->proof) ||
            !send_all(visitor->fd, answer, sizeof *answer))
            return -1;
        visitor->is_answered = 1;
        visitor->got = 0;
    }
    heard = hear(visitor, visitor->proof, sizeof visitor->proof);
    if (heard <= 0)
        return heard;
    return proof_is(key, CALLER, &visitor->hello, answer->number, visitor->proof) &&
                   send_all(visitor->fd, "", 1)
               ? 1
               : -1;
}

int crmpi_door_open(struct crmpi_door *door, const unsigned char key[CRMPI_KEY_BYTES],
                    uint32_t self, uint32_t *from_out)
{
    for (unsigned i = 0; i < door->n;) {
        struct crmpi_visitor *visitor = &door->visitors[i];
        int turn = visitor_turn(visitor, key, self), fd = visitor->fd;

        if (turn > 0) {
            *from_out = visitor->hello.from;
            visitor_forget(door, visitor);
            return fd;
        }
        if (turn < 0 || crmpi_clock_ms() - visitor->since_ms > VISIT_LIMIT_MS)
            visitor_drop(door, visitor);
        else
            i++;
    }
    return -1;
}

void crmpi_door_close(struct crmpi_door *door)
{
    while (door->n > 0)
        visitor_drop(door, &door->visitors[door->n - 1]);
}
