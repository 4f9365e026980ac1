/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The file DIR/control, and calling the job that wrote it.  Lower half and tools.
 *
 * A living job holds a write lock on its control file, so that two jobs never use one
 * directory.  Taking over the file of a dead job begins with locking that file; where the
 * file system has no locks, asking the address in it has to do.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include "engine/contact.h"

#define CONTROL_MAX_BYTES 4096
#define PATH_BYTES 4200
#define CALL_LIMIT_MS 5000

static void control_path(const char *dir, char *path_out)
{
    snprintf(path_out, PATH_BYTES, "%s/control", dir);
}

/* ---- the text of the file ---- */

static size_t encode(const struct crmpi_contact *contact, char *text, size_t bytes)
{
    size_t used =
        (size_t)snprintf(text, bytes, "crmpi control 1\njob %s\npid %d\nhost %s\n",
                         contact->job_id, contact->pid, contact->host);
    for (unsigned i = 0; i < contact->n_addresses; i++) {
        char address[INET_ADDRSTRLEN];
        inet_ntop(AF_INET, &contact->addresses[i], address, sizeof address);
        used += (size_t)snprintf(text + used, bytes - used, "address %s\n", address);
    }
    used += (size_t)snprintf(text + used, bytes - used, "port %u\nkey ", contact->port);
    for (unsigned i = 0; i < CRMPI_KEY_BYTES; i++)
        used += (size_t)snprintf(text + used, bytes - used, "%02x", contact->key[i]);
    used += (size_t)snprintf(text + used, bytes - used, "\n");
    return used;
}

static int decode_key(const char *text, unsigned char *key_out)
{
    if (strlen(text) != 2 * CRMPI_KEY_BYTES ||
        strspn(text, "0123456789abcdef") != strlen(text))
        return 0;
    for (unsigned i = 0; i < CRMPI_KEY_BYTES; i++)
        sscanf(text + 2 * i, "%2hhx", &key_out[i]);
    return 1;
}

static void decode_line(char *line, struct crmpi_contact *contact, int *has_key)
{
    char *value = strchr(line, ' ');

    if (value == NULL)
        return;
    *value++ = '\0';
    if (strcmp(line, "job") == 0)
        snprintf(contact->job_id, sizeof contact->job_id, "%.63s", value);
    else if (strcmp(line, "pid") == 0)
        contact->pid = atoi(value);
    else if (strcmp(line, "host") == 0)
        snprintf(contact->host, sizeof contact->host, "%.255s", value);
    else if (strcmp(line, "port") == 0)
        contact->port = (uint16_t)strtoul(value, NULL, 10);
    else if (strcmp(line, "key") == 0)
        *has_key = decode_key(value, contact->key);
    else if (strcmp(line, "address") == 0 && contact->n_addresses < CRMPI_ADDRESSES_MAX &&
             inet_pton(AF_INET, value, &contact->addresses[contact->n_addresses]) == 1)
        contact->n_addresses++;
}

static int decode(char *text, struct crmpi_contact *contact_out)
{
    struct crmpi_contact contact = {0};
    char *rest = text, *line = strsep(&rest, "\n");
    int has_key = 0;

    if (strcmp(line, "crmpi control 1") != 0)
        return 0;
    while ((line = strsep(&rest, "\n")) != NULL)
        decode_line(line, &contact, &has_key);
    if (!has_key || contact.port == 0)
        return 0;
    *contact_out = contact;
    return 1;
}

static enum crmpi_status read_fd(int fd, struct crmpi_contact *contact_out)
{
    char text[CONTROL_MAX_BYTES];
    ssize_t bytes = pread(fd, text, sizeof text - 1, 0);

    if (bytes < 0)
        return CRMPI_ERR_IO;
    text[bytes] = '\0';
    return decode(text, contact_out) ? CRMPI_OK : CRMPI_ERR_FORMAT;
}

enum crmpi_status crmpi_contact_read(const char *dir, struct crmpi_contact *contact_out,
                                     char *why, size_t why_bytes)
{
    char path[PATH_BYTES];
    enum crmpi_status status;
    int fd;

    control_path(dir, path);
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) {
        status = errno == ENOENT || errno == ENOTDIR ? CRMPI_ERR_NOTFOUND : CRMPI_ERR_IO;
        snprintf(why, why_bytes, "%s: %s", path, strerror(errno));
        return status;
    }
    status = read_fd(fd, contact_out);
    if (status != CRMPI_OK)
        snprintf(why, why_bytes, "%s: %s", path, crmpi_status_text(status));
    close(fd);
    return status;
}

/* ---- publishing ---- */

/* 1: locked; 0: somebody else has; where there are no locks, 1. */
static int lock_file(int fd)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    return fcntl(fd, F_SETLK, &lock) == 0 || (errno != EAGAIN && errno != EACCES);
}

static int calls_back(const struct crmpi_contact *contact)
{
    struct crmpi_demand demand = {.magic = CRMPI_DEMAND_MAGIC,
                                  .kind = CRMPI_DEMAND_NOTHING};
    char why[256];
    int fd;

    memcpy(demand.key, contact->key, sizeof demand.key);
    if (crmpi_contact_call(contact, &demand, &fd, why, sizeof why) != CRMPI_OK)
        return 0;
    close(fd);
    return 1;
}

static int same_file(int fd, const char *path)
{
    struct stat a, b;
    return fstat(fd, &a) == 0 && stat(path, &b) == 0 && a.st_dev == b.st_dev &&
           a.st_ino == b.st_ino;
}

/* Put @p new_path in the place of a dead job's file, which the lock on it makes ours. */
static enum crmpi_status take_over(const char *path, const char *new_path, char *why,
                                   size_t why_bytes)
{
    int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    enum crmpi_status status = CRMPI_ERR_PERMISSION;
    struct crmpi_contact old;

    if (fd < 0)
        return errno == ENOENT
                   ? CRMPI_ERR_NOTFOUND
                   : (snprintf(why, why_bytes, "%s: %s", path, strerror(errno)),
                      CRMPI_ERR_IO);
    if (!lock_file(fd)) {
        snprintf(why, why_bytes, "another running job uses this directory");
    } else if (!same_file(fd, path)) {
        status = CRMPI_ERR_NOTFOUND; /* somebody else has taken over: look again */
    } else if (read_fd(fd, &old) == CRMPI_OK && calls_back(&old)) {
        snprintf(why, why_bytes,
                 "another running job uses this directory (process %d on %s)", old.pid,
                 old.host);
    } else if (rename(new_path, path) != 0) {
        snprintf(why, why_bytes, "%s: %s", path, strerror(errno));
        status = CRMPI_ERR_IO;
    } else {
        status = CRMPI_OK;
    }
    close(fd);
    return status;
}

static enum crmpi_status put_in_place(const char *path, const char *new_path, char *why,
                                      size_t why_bytes)
{
    enum crmpi_status status = CRMPI_ERR_NOTFOUND;

    for (int tries = 0; tries < 10 && status == CRMPI_ERR_NOTFOUND; tries++) {
        if (link(new_path, path) == 0) {
            unlink(new_path);
            return CRMPI_OK;
        }
        if (errno != EEXIST) {
            snprintf(why, why_bytes, "%s: %s", path, strerror(errno));
            return CRMPI_ERR_IO;
        }
        status = take_over(path, new_path, why, why_bytes);
    }
    if (status == CRMPI_ERR_NOTFOUND)
        snprintf(why, why_bytes, "%s: too many jobs begin here at once", path);
    return status;
}

enum crmpi_status crmpi_contact_publish(const char *dir,
                                        const struct crmpi_contact *contact,
                                        int *lock_out, char *why, size_t why_bytes)
{
    char path[PATH_BYTES], new_path[PATH_BYTES + 32], text[CONTROL_MAX_BYTES];
    size_t bytes = encode(contact, text, sizeof text);
    enum crmpi_status status = CRMPI_ERR_IO;
    int fd;

    control_path(dir, path);
    snprintf(new_path, sizeof new_path, "%s.%.16s.tmp", path, contact->job_id);
    unlink(new_path);
    fd = open(new_path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, text, bytes) != (ssize_t)bytes)
        snprintf(why, why_bytes, "%s: %s", new_path, strerror(errno));
    else if (lock_file(fd))
        status = put_in_place(path, new_path, why, why_bytes);
    if (status == CRMPI_OK) {
        *lock_out = fd;
        return CRMPI_OK;
    }
    if (fd >= 0) {
        unlink(new_path);
        close(fd);
    }
    return status;
}

void crmpi_contact_withdraw(const char *dir, int lock)
{
    char path[PATH_BYTES];

    control_path(dir, path);
    if (same_file(lock, path))
        unlink(path);
    close(lock);
}

/* ---- addresses and calls ---- */

unsigned crmpi_addresses_list(uint32_t *addresses_out, unsigned max)
{
    struct ifaddrs *all, *one;
    unsigned n = 0;

    if (getifaddrs(&all) != 0)
        return 0;
    for (one = all; one != NULL && n < max; one = one->ifa_next) {
        struct sockaddr_in address;
        if (one->ifa_addr == NULL || one->ifa_addr->sa_family != AF_INET ||
            !(one->ifa_flags & IFF_UP) || (one->ifa_flags & IFF_LOOPBACK))
            continue;
        memcpy(&address, one->ifa_addr, sizeof address);
        addresses_out[n++] = address.sin_addr.s_addr;
    }
    freeifaddrs(all);
    return n;
}

static int await_connection(int fd, int limit_ms)
{
    struct pollfd entry = {.fd = fd, .events = POLLOUT};
    socklen_t bytes = sizeof errno;
    int ready, error = 0;

    do
        ready = poll(&entry, 1, limit_ms);
    while (ready < 0 && errno == EINTR);
    if (ready == 0)
        error = ETIMEDOUT;
    else if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &bytes) != 0)
        error = errno;
    errno = error;
    return error == 0 ? 0 : -1;
}

int crmpi_address_connect(uint32_t address, uint16_t port, int limit_ms)
{
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = address};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int one = 1, saved_errno;

    if (fd < 0)
        return -1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if ((connect(fd, (struct sockaddr *)&to, sizeof to) == 0 ||
         (errno == EINPROGRESS && await_connection(fd, limit_ms) == 0)) &&
        fcntl(fd, F_SETFL, 0) == 0)
        return fd;
    saved_errno = errno;
    close(fd);
    errno = saved_errno;
    return -1;
}

/* Send the demand, and see that somebody who knows the key reads it. */
static int demand_is_taken(int fd, const struct crmpi_demand *demand)
{
    struct pollfd entry = {.fd = fd, .events = POLLIN};
    char first;

    return send(fd, demand, sizeof *demand, MSG_NOSIGNAL) == sizeof *demand &&
           poll(&entry, 1, CALL_LIMIT_MS) == 1 && recv(fd, &first, 1, MSG_PEEK) == 1;
}

enum crmpi_status crmpi_contact_call(const struct crmpi_contact *contact,
                                     const struct crmpi_demand *demand, int *socket_out,
                                     char *why, size_t why_bytes)
{
    char here[256] = "";

    gethostname(here, sizeof here - 1);
    for (unsigned i = 0; i <= contact->n_addresses; i++) {
        int local = i == 0, fd;
        if (local && strcmp(here, contact->host) != 0)
            continue;
        fd = crmpi_address_connect(local ? htonl(INADDR_LOOPBACK)
                                         : contact->addresses[i - 1],
                                   contact->port, CALL_LIMIT_MS);
        if (fd >= 0 && demand_is_taken(fd, demand)) {
            *socket_out = fd;
            return CRMPI_OK;
        }
        if (fd >= 0)
            close(fd);
    }
    snprintf(why, why_bytes, "process %d on %s does not answer", contact->pid,
             contact->host);
    return CRMPI_ERR_NOTFOUND;
}

int crmpi_contact_alive(const char *dir, char *who, size_t who_bytes)
{
    struct crmpi_contact contact;
    char why[PATH_BYTES + 64];

    if (crmpi_contact_read(dir, &contact, why, sizeof why) != CRMPI_OK ||
        !calls_back(&contact))
        return 0;
    snprintf(who, who_bytes, "job %s, process %d on host %s", contact.job_id, contact.pid,
             contact.host);
    return 1;
}
