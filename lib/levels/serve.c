/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Taking in what other ranks send of their files (see serve.h, exchange.h).  Lower half.
 *
 * One thread, which waits for nobody.  What cannot be kept is read all the same, and then
 * answered: a connection that is closed before may take the answer with it.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "levels/serve.h"
#include "lower/thread.h"

#define PEERS_MAX 512
#define STALL_LIMIT_MS 600000 /* of a share that lacks a stream */
#define LOOK_MS 1000
#define PIPE_BYTES (1 << 20)

enum state { HEAD, NUMBERS, BYTES, WAITS };

struct peer {
    int fd;
    enum state state;
    uint32_t from;
    size_t got; /* of what is being read: a head, numbers, a piece */
    struct crmpi_exchange_head head;
    uint64_t *numbers;
    enum crmpi_status status; /* not OK: its bytes are thrown away */
    uint64_t left;            /* bytes of the copy, or of a piece */
    struct crmpi_copy copy;
    unsigned member; /* of the group */
    uint64_t cursor;
    struct crmpi_erasure_piece piece;
    unsigned char *piece_bytes;
};

static struct {
    struct crmpi_serve_setup setup;
    unsigned char key[CRMPI_KEY_BYTES];
    struct crmpi_door door;
    struct peer *peers[PEERS_MAX];
    unsigned n_peers;
    int wake[2], pipe[2]; /* the second one: between a socket and a file */
    int running, stop;
    sem_t ended;
    pthread_mutex_t lock; /* of what follows */
    int has_flushed;
    uint64_t flushed_sn;
    enum crmpi_status flushed_status;
} server = {.wake = {-1, -1}, .pipe = {-1, -1}, .lock = PTHREAD_MUTEX_INITIALIZER};

static int is_stream(const struct peer *peer)
{
    return peer->head.kind == CRMPI_EXCHANGE_STREAM;
}

/* ---- peers ---- */

static void accept_peer(int fd, uint32_t from)
{
    struct peer *peer = server.n_peers < PEERS_MAX && from < server.setup.n_ranks
                            ? calloc(1, sizeof *peer)
                            : NULL;

    if (peer == NULL) {
        close(fd);
        return;
    }
    peer->fd = fd;
    peer->from = from;
    peer->copy.output.fd = -1;
    server.peers[server.n_peers++] = peer;
}

/* Forget a peer; what it has brought so far is of no use. */
static void drop(struct peer *peer)
{
    if (peer->state == BYTES && is_stream(peer) && peer->status == CRMPI_OK &&
        peer->head.attempt == server.setup.assembly->attempt)
        crmpi_assembly_fail(server.setup.assembly, CRMPI_ERR_IO);
    crmpi_copy_abandon(&peer->copy);
    close(peer->fd);
    peer->fd = -1; /* the list is cleaned up later */
}

static void clean_up(void)
{
    unsigned n = 0;

    for (unsigned i = 0; i < server.n_peers; i++) {
        struct peer *peer = server.peers[i];

        if (peer->fd >= 0) {
            server.peers[n++] = peer;
            continue;
        }
        free(peer->numbers);
        free(peer->piece_bytes);
        free(peer);
    }
    server.n_peers = n;
}

static void answer(struct peer *peer, enum crmpi_status status)
{
    struct crmpi_exchange_answer text = {
        .sn = peer->head.sn, .kind = peer->head.kind, .status = status};

    if (send(peer->fd, &text, sizeof text, MSG_NOSIGNAL) != sizeof text)
        crmpi_debug("rank %u does not wait for its answer", peer->from);
    peer->state = HEAD; /* the other side ends it */
    peer->got = 0;
}

/* ---- what comes, piece by piece ---- */

/* Read into a buffer; 1 when it is full. */
static int fill(struct peer *peer, void *buffer, size_t bytes)
{
    ssize_t got;

    if (peer->got == bytes)
        return 1;
    got = recv(peer->fd, (char *)buffer + peer->got, bytes - peer->got, 0);
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
        drop(peer);
    else if (got > 0)
        peer->got += (size_t)got;
    return peer->fd >= 0 && peer->got == bytes;
}

/* All has come of a copy or stream. */
static void finish(struct peer *peer)
{
    if (is_stream(peer)) {
        peer->state = WAITS;
        if (peer->status == CRMPI_OK)
            crmpi_assembly_end(server.setup.assembly, peer->member);
        return;
    }
    if (peer->status == CRMPI_OK)
        peer->status = crmpi_copy_finish(&peer->copy);
    answer(peer, peer->status);
}

/* Go to the next piece of a stream; 0: that was the last one. */
static int next_piece(struct peer *peer)
{
    const struct crmpi_assembly *assembly = server.setup.assembly;

    if (!crmpi_erasure_next(&assembly->code, peer->member, assembly->self,
                            peer->head.file_bytes, &peer->cursor, &peer->piece))
        return 0;
    peer->left = peer->piece.bytes;
    peer->got = 0;
    return 1;
}

static int find_member(uint32_t world_rank)
{
    const struct crmpi_assembly *assembly = server.setup.assembly;

    for (unsigned i = 0; assembly != NULL && i < assembly->n; i++)
        if (assembly->members[i] == world_rank)
            return (int)i;
    return -1;
}

/* STREAM or MISSING. */
static void begin_stream(struct peer *peer)
{
    int member = find_member(peer->from);

    if (member < 0 || peer->head.attempt == 0) {
        drop(peer);
        return;
    }
    peer->member = (unsigned)member;
    peer->cursor = 0;
    peer->status = crmpi_assembly_begin(server.setup.assembly, peer->member, &peer->head);
    if (!is_stream(peer)) {
        answer(peer, CRMPI_OK);
        return;
    }
    if (peer->piece_bytes == NULL)
        peer->piece_bytes = malloc(CRMPI_ERASURE_BLOCK_BYTES);
    if (peer->piece_bytes == NULL) {
        drop(peer);
        return;
    }
    peer->state = BYTES;
    if (!next_piece(peer))
        finish(peer);
}

static void begin(struct peer *peer)
{
    switch (peer->head.kind) {
    case CRMPI_EXCHANGE_COPY:
        peer->status = crmpi_copy_begin(&peer->copy, server.setup.home, peer->from,
                                        &peer->head, peer->numbers);
        peer->left = peer->head.file_bytes;
        peer->state = BYTES;
        break;
    case CRMPI_EXCHANGE_FLUSH:
        if (server.setup.flush(peer->head.sn))
            peer->state = WAITS;
        else
            answer(peer, CRMPI_ERR_UNSUPPORTED);
        break;
    default:
        begin_stream(peer);
        break;
    }
}

static void take_numbers(struct peer *peer)
{
    if (fill(peer, peer->numbers, peer->head.n_numbers * sizeof *peer->numbers))
        begin(peer);
}

static void take_head(struct peer *peer)
{
    const struct crmpi_exchange_head *head = &peer->head;

    if (!fill(peer, &peer->head, sizeof peer->head))
        return;
    if (head->kind < CRMPI_EXCHANGE_COPY || head->kind > CRMPI_EXCHANGE_FLUSH ||
        head->n_numbers > CRMPI_EXCHANGE_NUMBERS_MAX || head->sn == 0 ||
        head->file_bytes > CRMPI_ERASURE_FILE_MAX ||
        (head->kind == CRMPI_EXCHANGE_COPY && head->file_bytes == 0)) {
        drop(peer);
        return;
    }
    free(peer->numbers);
    peer->numbers = calloc(head->n_numbers + 1, sizeof *peer->numbers);
    if (peer->numbers == NULL) {
        drop(peer);
        return;
    }
    peer->state = NUMBERS;
    peer->got = 0;
    take_numbers(peer); /* if there are none nothing more may come */
}

/* What nobody can use. */
static void throw_away(struct peer *peer)
{
    ssize_t gone = recv(peer->fd, NULL, peer->left < PIPE_BYTES ? peer->left : PIPE_BYTES,
                        MSG_TRUNC);

    if (gone == 0 || (gone < 0 && errno != EAGAIN && errno != EINTR)) {
        drop(peer);
        return;
    }
    peer->left -= gone > 0 ? (uint64_t)gone : 0;
    if (peer->left == 0 && !(is_stream(peer) && next_piece(peer)))
        finish(peer);
}

static void take_copy(struct peer *peer)
{
    size_t taken;
    int ended = 0;

    peer->status = crmpi_copy_take(&peer->copy, peer->fd, server.pipe, &taken, &ended);
    peer->left -= taken;
    if (ended)
        drop(peer);
    else if (peer->left == 0)
        finish(peer);
}

static void take_stream(struct peer *peer)
{
    int error = crmpi_fault("levels.receive");

    if (error != 0) {
        crmpi_error("cannot receive from rank %u: %s", peer->from, strerror(error));
        crmpi_assembly_fail(server.setup.assembly, crmpi_file_status(error));
        return;
    }
    if (!fill(peer, peer->piece_bytes, peer->piece.bytes))
        return;
    crmpi_assembly_add(server.setup.assembly, &peer->piece, peer->piece_bytes);
    if (!next_piece(peer))
        finish(peer);
}

static void take_bytes(struct peer *peer)
{
    if (peer->status == CRMPI_OK && is_stream(peer) &&
        server.setup.assembly->attempt != peer->head.attempt)
        peer->status = CRMPI_ERR_NOTFOUND; /* that share is no longer made */
    else if (peer->status == CRMPI_OK && is_stream(peer))
        peer->status = server.setup.assembly->status;
    if (peer->status != CRMPI_OK && is_stream(peer) && peer->got > 0) {
        peer->left -= peer->got; /* the rest of this piece */
        peer->got = 0;
    }
    if (peer->status != CRMPI_OK)
        throw_away(peer);
    else if (is_stream(peer))
        take_stream(peer);
    else
        take_copy(peer);
}

static void serve_peer(struct peer *peer)
{
    char unexpected;

    switch (peer->state) {
    case HEAD:
        take_head(peer);
        break;
    case NUMBERS:
        take_numbers(peer);
        break;
    case BYTES:
        take_bytes(peer);
        break;
    case WAITS:
        if (recv(peer->fd, &unexpected, 1, 0) >= 0 || (errno != EAGAIN && errno != EINTR))
            drop(peer);
        break;
    }
}

/* ---- who waits ---- */

static void answer_streams(void)
{
    struct crmpi_assembly *assembly = server.setup.assembly;

    if (assembly == NULL)
        return;
    if (assembly->is_open && crmpi_clock_ms() - assembly->moved_ms > STALL_LIMIT_MS)
        crmpi_assembly_fail(assembly, CRMPI_ERR_TIMEOUT);
    for (unsigned i = 0; i < server.n_peers; i++) {
        struct peer *peer = server.peers[i];

        if (peer->fd < 0 || peer->state != WAITS || !is_stream(peer))
            continue;
        if (peer->status == CRMPI_OK && peer->head.attempt != assembly->attempt)
            answer(peer, CRMPI_ERR_NOTFOUND);
        else if (peer->status == CRMPI_OK && assembly->is_complete)
            answer(peer, CRMPI_OK);
        else if (peer->status != CRMPI_OK || assembly->status != CRMPI_OK)
            answer(peer, peer->status != CRMPI_OK ? peer->status : assembly->status);
    }
}

static void answer_flushed(void)
{
    enum crmpi_status status;
    uint64_t sn;
    int has;

    pthread_mutex_lock(&server.lock);
    has = server.has_flushed;
    sn = server.flushed_sn;
    status = server.flushed_status;
    server.has_flushed = 0;
    pthread_mutex_unlock(&server.lock);
    for (unsigned i = 0; has && i < server.n_peers; i++) {
        struct peer *peer = server.peers[i];

        if (peer->fd >= 0 && peer->state == WAITS && peer->head.sn == sn &&
            peer->head.kind == CRMPI_EXCHANGE_FLUSH)
            answer(peer, status);
    }
}

void crmpi_serve_flushed(uint64_t sn, enum crmpi_status status)
{
    ssize_t written;

    pthread_mutex_lock(&server.lock);
    server.has_flushed = 1;
    server.flushed_sn = sn;
    server.flushed_status = status;
    pthread_mutex_unlock(&server.lock);
    written = write(server.wake[1], "", 1);
    (void)written; /* if the pipe is full the server wakes up anyway */
}

/* ---- the thread ---- */

static void *serve(void *unused)
{
    struct pollfd *entries = unused;
    char drained[64];

    while (!__atomic_load_n(&server.stop, __ATOMIC_ACQUIRE)) {
        unsigned n = server.n_peers;
        uint32_t from;
        int fd;

        entries[0] = (struct pollfd){.fd = server.wake[0], .events = POLLIN};
        entries[1] = (struct pollfd){.fd = server.setup.listener, .events = POLLIN};
        for (unsigned i = 0; i < n; i++)
            entries[2 + i] = (struct pollfd){.fd = server.peers[i]->fd, .events = POLLIN};
        if (poll(entries, 2 + n + crmpi_door_poll(&server.door, entries + 2 + n), LOOK_MS) >
            0) {
            if (entries[0].revents)
                while (read(server.wake[0], drained, sizeof drained) == sizeof drained)
                    ;
            if (entries[1].revents)
                crmpi_door_accept(&server.door, server.setup.listener);
            for (unsigned i = 0; i < n; i++)
                if (entries[2 + i].revents)
                    serve_peer(server.peers[i]);
        }
        while ((fd = crmpi_door_open(&server.door, server.key, server.setup.self, &from)) >= 0)
            accept_peer(fd, from);
        answer_streams();
        answer_flushed();
        clean_up();
    }
    free(entries);
    sem_post(&server.ended);
    return NULL;
}

static void close_pipe(int pipe[2])
{
    for (int i = 0; i < 2; i++) {
        if (pipe[i] >= 0)
            close(pipe[i]);
        pipe[i] = -1;
    }
}

enum crmpi_status crmpi_serve_start(const struct crmpi_serve_setup *setup)
{
    struct pollfd *entries = malloc((2 + PEERS_MAX + CRMPI_DOOR_MAX) * sizeof *entries);

    server.setup = *setup;
    memcpy(server.key, setup->key, sizeof server.key);
    server.stop = 0;
    server.has_flushed = 0;
    if (entries != NULL && pipe2(server.wake, O_CLOEXEC | O_NONBLOCK) == 0 &&
        pipe2(server.pipe, O_CLOEXEC) == 0 && sem_init(&server.ended, 0, 0) == 0) {
        fcntl(server.pipe[1], F_SETPIPE_SZ, PIPE_BYTES); /* a small one does, too */
        server.running = crmpi_lower_thread_start(serve, entries, "crmpi-shares") == 0;
        if (server.running)
            return CRMPI_OK;
    }
    free(entries);
    close_pipe(server.wake);
    close_pipe(server.pipe);
    return CRMPI_ERR_SYSTEM;
}

void crmpi_serve_stop(void)
{
    ssize_t written;

    if (!server.running)
        return;
    __atomic_store_n(&server.stop, 1, __ATOMIC_RELEASE);
    written = write(server.wake[1], "", 1);
    (void)written;
    while (sem_wait(&server.ended) != 0)
        ;
    for (unsigned i = 0; i < server.n_peers; i++)
        if (server.peers[i]->fd >= 0)
            drop(server.peers[i]);
    clean_up();
    crmpi_door_close(&server.door);
    close(server.setup.listener);
    close_pipe(server.wake);
    close_pipe(server.pipe);
    server.running = 0;
}
