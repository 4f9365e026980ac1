/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The server for demands from outside, in rank 0.  Lower half.  What clients are told is
 * sent without waiting: who does not read misses it.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/log.h"
#include "engine/requests.h"
#include "lower/thread.h"

#define CLIENTS_MAX 32
#define DEMAND_LIMIT_MS 5000
#define PROGRESS_GAP_MS 200

enum client_state { FREE = 0, READS, NEW, TAKEN };

/* Somebody who has proved to have the key. */

struct client {
    enum client_state state;
    int fd;
    size_t got;
    struct crmpi_demand demand;
    int64_t since_ms;
    int late; /* the checkpoint that is being written is not for this one */
};

static struct {
    pthread_mutex_t lock; /* of the clients */
    struct client clients[CLIENTS_MAX];
    struct crmpi_door door;
    int listener;
    int stop_pipe[2];
    unsigned char key[CRMPI_KEY_BYTES];
    void (*wake)(void);
    int late;
    int64_t progress_ms;
    sem_t ended;
    int running;
} server = {.lock = PTHREAD_MUTEX_INITIALIZER, .listener = -1, .stop_pipe = {-1, -1}};

static void say(const struct client *client, const char *text)
{
    ssize_t sent = send(client->fd, text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL);
    (void)sent; /* a client that is gone or does not read misses it */
}

static void drop(struct client *client)
{
    close(client->fd);
    *client = (struct client){.state = FREE};
}

static void accept_client(int fd)
{
    for (int i = 0; i < CLIENTS_MAX; i++) {
        if (server.clients[i].state != FREE)
            continue;
        server.clients[i] =
            (struct client){.state = READS, .fd = fd, .since_ms = crmpi_clock_ms()};
        return;
    }
    close(fd);
}

static void take_demand(struct client *client)
{
    const struct crmpi_demand *demand = &client->demand;

    if (memcmp(demand->magic, CRMPI_DEMAND_MAGIC, sizeof demand->magic) != 0) {
        drop(client);
        return;
    }
    say(client, "accepted\n");
    if (demand->kind != CRMPI_DEMAND_CHECKPOINT) {
        drop(client);
        return;
    }
    client->state = NEW;
    server.wake();
}

static void read_client(struct client *client)
{
    char rest[64];
    int reads = client->state == READS;
    ssize_t bytes = reads ? recv(client->fd, (char *)&client->demand + client->got,
                                 sizeof client->demand - client->got, 0)
                          : recv(client->fd, rest, sizeof rest, 0);

    if (bytes < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (bytes <= 0) {
        drop(client); /* a demand that was taken stands though nobody waits */
        return;
    }
    if (!reads)
        return;
    client->got += (size_t)bytes;
    if (client->got == sizeof client->demand)
        take_demand(client);
}

/* Fill in what to poll; returns the number of entries.  A NEW client is left alone. */
static nfds_t poll_list(struct pollfd *entries, struct client **clients)
{
    nfds_t n = 0;

    entries[n++] = (struct pollfd){.fd = server.stop_pipe[0], .events = POLLIN};
    entries[n++] = (struct pollfd){.fd = server.listener, .events = POLLIN};
    for (int i = 0; i < CLIENTS_MAX; i++) {
        struct client *client = &server.clients[i];
        if (client->state == READS && crmpi_clock_ms() - client->since_ms > DEMAND_LIMIT_MS)
            drop(client);
        if (client->state != READS && client->state != TAKEN)
            continue;
        clients[n] = client;
        entries[n++] = (struct pollfd){.fd = client->fd, .events = POLLIN};
    }
    return n; /* those at the door come behind */
}

static void *serve(void *unused)
{
    struct pollfd entries[CLIENTS_MAX + 2 + CRMPI_DOOR_MAX];
    struct client *clients[CLIENTS_MAX + 2];

    (void)unused;
    for (;;) {
        nfds_t n, at_door;
        uint32_t from;
        int fd;

        pthread_mutex_lock(&server.lock);
        n = poll_list(entries, clients);
        pthread_mutex_unlock(&server.lock);
        at_door = crmpi_door_poll(&server.door, entries + n);
        if (poll(entries, n + at_door, n + at_door > 2 ? DEMAND_LIMIT_MS : -1) < 0)
            continue;
        if (entries[0].revents)
            break;
        pthread_mutex_lock(&server.lock);
        for (nfds_t i = 2; i < n; i++)
            if (entries[i].revents && clients[i]->fd == entries[i].fd &&
                clients[i]->state != FREE)
                read_client(clients[i]);
        if (entries[1].revents)
            crmpi_door_accept(&server.door, server.listener);
        while ((fd = crmpi_door_open(&server.door, server.key, 0, &from)) >= 0)
            accept_client(fd);
        pthread_mutex_unlock(&server.lock);
    }
    sem_post(&server.ended);
    return NULL;
}

enum crmpi_status crmpi_requests_start(int listener, const unsigned char *key,
                                       void (*wake)(void))
{
    server.listener = listener;
    server.wake = wake;
    memcpy(server.key, key, sizeof server.key);
    if (fcntl(listener, F_SETFL, O_NONBLOCK) != 0 || sem_init(&server.ended, 0, 0) != 0 ||
        pipe2(server.stop_pipe, O_CLOEXEC) != 0) {
        crmpi_warn("requests from outside are not taken: %s", strerror(errno));
        return CRMPI_ERR_SYSTEM;
    }
    if (crmpi_lower_thread_start(serve, NULL, "crmpi-requests") != 0)
        return CRMPI_ERR_SYSTEM;
    server.running = 1;
    return CRMPI_OK;
}

int crmpi_requests_take(enum crmpi_stop *stop_out, uint32_t *of_out)
{
    int found = 0;

    pthread_mutex_lock(&server.lock);
    for (int i = 0; i < CLIENTS_MAX && !found; i++) {
        struct client *client = &server.clients[i];
        if (client->state != NEW)
            continue;
        client->state = TAKEN;
        client->late = server.late && client->demand.of == CRMPI_DEMAND_OF_ALL;
        *stop_out = client->demand.stop <= CRMPI_STOP_TIME
                        ? (enum crmpi_stop)client->demand.stop
                        : CRMPI_STOP_WISH;
        *of_out = client->demand.of;
        found = 1;
    }
    pthread_mutex_unlock(&server.lock);
    return found;
}

void crmpi_requests_progress(const char *text)
{
    int64_t now = crmpi_clock_ms();
    char line[128];

    if (!server.running || now - server.progress_ms < PROGRESS_GAP_MS)
        return;
    server.progress_ms = now;
    snprintf(line, sizeof line, "progress %s\n", text);
    pthread_mutex_lock(&server.lock);
    for (int i = 0; i < CLIENTS_MAX; i++)
        if (server.clients[i].state == TAKEN)
            say(&server.clients[i], line);
    pthread_mutex_unlock(&server.lock);
}

void crmpi_requests_resumed(void)
{
    server.late = 1;
}

void crmpi_requests_ended(void)
{
    server.late = 0;
    pthread_mutex_lock(&server.lock);
    for (int i = 0; i < CLIENTS_MAX; i++)
        server.clients[i].late = 0;
    pthread_mutex_unlock(&server.lock);
}

/* Of one rank, or of all: or everybody. */
static void tell(const uint32_t *of, const char *text)
{
    char line[700];

    snprintf(line, sizeof line, "%.690s\n", text);
    pthread_mutex_lock(&server.lock);
    for (int i = 0; i < CLIENTS_MAX; i++) {
        struct client *client = &server.clients[i];
        if (client->state == FREE ||
            (of != NULL && (client->state != TAKEN || client->demand.of != *of ||
                            client->late)))
            continue;
        say(client, line);
        drop(client);
    }
    pthread_mutex_unlock(&server.lock);
}

void crmpi_requests_report(uint32_t of, const char *text)
{
    if (server.running)
        tell(&of, text);
}

void crmpi_requests_stop(const char *why)
{
    char text[640];

    if (server.running) {
        ssize_t written = write(server.stop_pipe[1], "", 1);
        (void)written; /* one byte into an empty pipe */
        while (sem_wait(&server.ended) != 0)
            ;
        server.running = 0;
        snprintf(text, sizeof text, "failed %.600s", why);
        tell(NULL, text);
    }
    crmpi_door_close(&server.door);
    if (server.listener >= 0)
        close(server.listener);
    for (int i = 0; i < 2; i++)
        if (server.stop_pipe[i] >= 0)
            close(server.stop_pipe[i]);
    server.listener = server.stop_pipe[0] = server.stop_pipe[1] = -1;
}
