/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Telling crmpi-restart how far loading is (see telling.h).  Lower half.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/clock.h"
#include "restart/telling.h"

#define GAP_MS 250

static struct {
    int fd; /* -1: nobody wants to know */
    struct sockaddr_in to[CRMPI_ADDRESSES_MAX];
    unsigned n;
    struct crmpi_told told;
    int64_t last_ms;
} telling = {.fd = -1};

static int read_key(const char *text)
{
    if (strlen(text) != 2 * CRMPI_KEY_BYTES ||
        strspn(text, "0123456789abcdef") != strlen(text))
        return 0;
    for (unsigned i = 0; i < CRMPI_KEY_BYTES; i++)
        sscanf(text + 2 * i, "%2hhx", &telling.told.key[i]);
    return 1;
}

/* On the tool's own host its other addresses are not needed. */
static void take_addresses(uint16_t port, const char *host, char *rest)
{
    char here[256] = "", *word;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};

    gethostname(here, sizeof here - 1);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (strcmp(here, host) == 0) {
        telling.to[telling.n++] = to;
        return;
    }
    while ((word = strsep(&rest, " ")) != NULL && telling.n < CRMPI_ADDRESSES_MAX)
        if (inet_pton(AF_INET, word, &to.sin_addr) == 1)
            telling.to[telling.n++] = to;
}

void crmpi_telling_begin(uint32_t world_rank)
{
    const char *text = getenv("CRMPI_RESTORING");
    char copy[1024], *rest = copy, *port, *key, *host;

    if (text == NULL)
        return;
    snprintf(copy, sizeof copy, "%s", text);
    port = strsep(&rest, " ");
    key = strsep(&rest, " ");
    host = strsep(&rest, " ");
    if (host == NULL || !read_key(key))
        return;
    take_addresses((uint16_t)strtoul(port, NULL, 10), host, rest);
    memcpy(telling.told.magic, CRMPI_TELLING_MAGIC, sizeof telling.told.magic);
    telling.told.world_rank = world_rank;
    telling.fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

static void tell(void)
{
    for (unsigned i = 0; telling.fd >= 0 && i < telling.n; i++) {
        ssize_t sent = sendto(telling.fd, &telling.told, sizeof telling.told, 0,
                              (struct sockaddr *)&telling.to[i], sizeof telling.to[i]);
        (void)sent; /* what is lost does no harm */
    }
}

void crmpi_telling_progress(void *unused, uint64_t done_bytes, uint64_t total_bytes)
{
    int64_t now = telling.fd >= 0 ? crmpi_clock_ms() : 0;

    (void)unused;
    telling.told.done_bytes = done_bytes;
    telling.told.total_bytes = total_bytes;
    if (telling.fd < 0 || now - telling.last_ms < GAP_MS)
        return;
    telling.last_ms = now;
    tell();
}

void crmpi_telling_end(void)
{
    telling.told.done_bytes = telling.told.total_bytes;
    tell();
    if (telling.fd >= 0)
        close(telling.fd);
    telling.fd = -1;
}
