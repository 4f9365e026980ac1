/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The progress of a restart (see restoring.h).  Tools.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>
#include "restart/telling.h"
#include "tools/restoring.h"
#include "tools/tool.h"

#define BUFFER_BYTES (4 << 20)
#define SILENCE                                                                          \
    5 /* calls without news after which a rank's last word is taken for lost */

struct rank {
    uint64_t done, total;
    int told;
};

static struct {
    int fd;
    unsigned char key[CRMPI_KEY_BYTES];
    struct rank *ranks;
    uint32_t n_ranks;
    unsigned silent;
    int shown, over;
} restoring = {.fd = -1};

/* "PORT KEY HOST ADDRESS ..." */
static void tell_ranks(uint16_t port)
{
    uint32_t addresses[CRMPI_ADDRESSES_MAX];
    unsigned n = crmpi_addresses_list(addresses, CRMPI_ADDRESSES_MAX);
    char host[256] = "", text[1024];
    size_t used = (size_t)snprintf(text, sizeof text, "%u ", port);

    gethostname(host, sizeof host - 1);
    for (unsigned i = 0; i < CRMPI_KEY_BYTES; i++)
        used +=
            (size_t)snprintf(text + used, sizeof text - used, "%02x", restoring.key[i]);
    used += (size_t)snprintf(text + used, sizeof text - used, " %s", host);
    for (unsigned i = 0; i < n; i++) {
        char address[INET_ADDRSTRLEN];
        inet_ntop(AF_INET, &addresses[i], address, sizeof address);
        used += (size_t)snprintf(text + used, sizeof text - used, " %s", address);
    }
    setenv("CRMPI_RESTORING", text, 1);
}

void tool_restoring_open(void)
{
    struct sockaddr_in self = {.sin_family = AF_INET};
    socklen_t bytes = sizeof self;
    int buffer = BUFFER_BYTES;

    unsetenv("CRMPI_RESTORING");
    if (!isatty(STDERR_FILENO) ||
        getrandom(restoring.key, sizeof restoring.key, 0) != sizeof restoring.key)
        return;
    restoring.fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (restoring.fd < 0)
        return;
    setsockopt(restoring.fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
    if (bind(restoring.fd, (struct sockaddr *)&self, sizeof self) == 0 &&
        getsockname(restoring.fd, (struct sockaddr *)&self, &bytes) == 0)
        tell_ranks(ntohs(self.sin_port));
}

/* Take what has come; whether anything has. */
static int take(void)
{
    struct crmpi_told told;
    int news = 0;

    while (recv(restoring.fd, &told, sizeof told, MSG_TRUNC) == sizeof told) {
        if (memcmp(told.magic, CRMPI_TELLING_MAGIC, sizeof told.magic) != 0 ||
            memcmp(told.key, restoring.key, sizeof told.key) != 0 ||
            told.world_rank >= restoring.n_ranks || told.done_bytes > told.total_bytes)
            continue;
        restoring.ranks[told.world_rank] =
            (struct rank){told.done_bytes, told.total_bytes, 1};
        news = 1;
    }
    return news;
}

static void show(void *unused)
{
    int news = restoring.over ? 0 : take();
    double done = 0, total = 0;
    uint32_t n_done = 0;

    (void)unused;
    if (restoring.over)
        return;
    for (uint32_t i = 0; i < restoring.n_ranks; i++) {
        const struct rank *rank = &restoring.ranks[i];
        done += (double)rank->done;
        total += (double)rank->total;
        n_done += rank->told && rank->done == rank->total;
    }
    restoring.silent = news ? 0 : restoring.silent + 1;
    restoring.over =
        n_done == restoring.n_ranks || (restoring.shown && restoring.silent >= SILENCE);
    if (restoring.over && restoring.shown)
        fputs("\r\033[K", stderr); /* the terminal is the job's */
    if (restoring.over || !(done > 0 || restoring.shown))
        return;
    restoring.shown = 1;
    fprintf(stderr,
            "\r\033[Kcrmpi: restoring %.0f %%, %.2f of %.2f GB, %u of %u ranks done",
            100 * done / total, done / 1e9, total / 1e9, n_done, restoring.n_ranks);
}

void (*tool_restoring_expect(const struct crmpi_line *line))(void *)
{
    if (restoring.fd < 0)
        return NULL;
    free(restoring.ranks);
    restoring.n_ranks = line->job.n_ranks;
    restoring.ranks = tool_alloc(restoring.n_ranks, sizeof *restoring.ranks);
    restoring.silent = 0;
    restoring.shown = restoring.over = 0;
    for (uint32_t i = 0; i < restoring.n_ranks; i++) /* about; until they tell */
        restoring.ranks[i].total = line->ranks[i].file_bytes;
    return show;
}

void tool_restoring_close(void)
{
    free(restoring.ranks);
    restoring.ranks = NULL;
    if (restoring.fd >= 0)
        close(restoring.fd);
    restoring.fd = -1;
}
