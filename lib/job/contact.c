/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The file DIR/control, and calling the job that wrote it.  Lower half and tools.
 *
 * A living job holds a write lock on its control file, so that two jobs never use one
 * directory.  Taking over the file of a dead job begins with locking that file; where the
 * file system has no locks, or perhaps not those of the other host, asking the address in it
 * has to do.  The file may be anybody's work: it is opened without waiting for anything.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/clock.h"
#include "job/contact.h"

#define CONTROL_MAX_BYTES 4096
#define PATH_BYTES 4200
#define CALL_LIMIT_MS 5000
#define AGAIN_MS 20

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

/* A regular file of this user; or of anybody, for root. */
static int is_own_file(int fd)
{
    struct stat about;

    return fstat(fd, &about) == 0 && S_ISREG(about.st_mode) &&
           (about.st_uid == geteuid() || geteuid() == 0);
}

static enum crmpi_status open_control(const char *path, int flags, int *fd_out, char *why,
                                      size_t why_bytes)
{
    int fd = open(path, flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);

    if (fd >= 0 && is_own_file(fd)) {
        *fd_out = fd;
        return CRMPI_OK;
    }
    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR)) {
        snprintf(why, why_bytes, "%s: %s", path, strerror(errno));
        return CRMPI_ERR_NOTFOUND;
    }
    if (fd >= 0 || errno == ELOOP || errno == ENXIO || errno == EISDIR) {
        snprintf(why, why_bytes, "%s is not a regular file of this user: remove it",
                 path);
        if (fd >= 0)
            close(fd);
        return CRMPI_ERR_PERMISSION;
    }
    snprintf(why, why_bytes, "%s: %s", path, strerror(errno));
    return CRMPI_ERR_IO;
}

/* 1: the job that wrote the file holds its lock; 0: it does not; -1: that is not known. */
static int is_locked(int fd, const struct crmpi_contact *contact)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    char here[256] = "";

    if (fcntl(fd, F_GETLK, &lock) != 0)
        return -1;
    if (lock.l_type != F_UNLCK)
        return 1;
    gethostname(here, sizeof here - 1);
    return strcmp(here, contact->host) == 0 ? 0 : -1;
}

/* Read it, and see whether its job holds the lock, as is_locked() tells. */
static enum crmpi_status look(const char *dir, struct crmpi_contact *contact_out,
                              int *locked_out, char *why, size_t why_bytes)
{
    char path[PATH_BYTES];
    enum crmpi_status status;
    int fd;

    control_path(dir, path);
    status = open_control(path, O_RDONLY, &fd, why, why_bytes);
    if (status != CRMPI_OK)
        return status;
    status = read_fd(fd, contact_out);
    if (status == CRMPI_OK)
        *locked_out = is_locked(fd, contact_out);
    else
        snprintf(why, why_bytes, "%s: %s", path, crmpi_status_text(status));
    close(fd);
    return status;
}

enum crmpi_status crmpi_contact_read(const char *dir, struct crmpi_contact *contact_out,
                                     char *why, size_t why_bytes)
{
    int locked;

    return look(dir, contact_out, &locked, why, why_bytes);
}

/* ---- publishing ---- */

/* 1: locked; 0: somebody else has; where there are no locks, 1. */
static int lock_file(int fd)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    return fcntl(fd, F_SETLK, &lock) == 0 || (errno != EAGAIN && errno != EACCES);
}

static int call(const struct crmpi_contact *contact, int limit_ms, int *socket_out);

/* Whether the job lives, if the lock on its file does not tell. */
static int answers(const struct crmpi_contact *contact)
{
    int fd;

    if (!call(contact, CALL_LIMIT_MS, &fd))
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
    struct crmpi_contact old;
    int fd, locked;
    enum crmpi_status status = open_control(path, O_RDWR, &fd, why, why_bytes);

    if (status != CRMPI_OK)
        return status;
    status = CRMPI_ERR_PERMISSION;
    locked = read_fd(fd, &old) == CRMPI_OK ? is_locked(fd, &old) : 0;
    if (!lock_file(fd)) {
        snprintf(why, why_bytes, "another running job uses this directory");
    } else if (!same_file(fd, path)) {
        status = CRMPI_ERR_NOTFOUND; /* somebody else has taken over: look again */
    } else if (locked < 0 && answers(&old)) {
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

/* ---- calls ---- */

/* Reach rank 0, at one of its addresses: somebody who proves to be it. */
static int call_at(uint32_t address, const struct crmpi_contact *contact,
                   int64_t deadline_ms)
{
    for (int64_t left = 1; left > 0;) {
        left = deadline_ms - crmpi_clock_ms();
        int fd = crmpi_address_connect(address, contact->port, left > 0 ? (int)left : 0);

        if (fd < 0)
            return -1;
        left = deadline_ms - crmpi_clock_ms();
        if (crmpi_greet(fd, contact->key, CRMPI_GREETING_TOOL, 0,
                        left > 0 ? (int)left : 0))
            return fd;
        close(fd);
        poll(NULL, 0, AGAIN_MS); /* it may have been sent away in a crowd */
    }
    return -1;
}

static int call(const struct crmpi_contact *contact, int limit_ms, int *socket_out)
{
    char here[256] = "";

    gethostname(here, sizeof here - 1);
    for (unsigned i = 0; i <= contact->n_addresses; i++) {
        int local = i == 0, fd;
        if (local && strcmp(here, contact->host) != 0)
            continue;
        fd = call_at(local ? htonl(INADDR_LOOPBACK) : contact->addresses[i - 1], contact,
                     crmpi_clock_ms() + limit_ms);
        if (fd >= 0) {
            *socket_out = fd;
            return 1;
        }
    }
    return 0;
}

enum crmpi_status crmpi_contact_call(const char *dir, const struct crmpi_demand *demand,
                                     int limit_ms, int *socket_out, char *why,
                                     size_t why_bytes)
{
    struct crmpi_contact contact;
    int locked;
    enum crmpi_status status = look(dir, &contact, &locked, why, why_bytes);

    if (status != CRMPI_OK)
        return status;
    if (limit_ms > CALL_LIMIT_MS)
        limit_ms = CALL_LIMIT_MS;
    if (locked == 0) {
        snprintf(why, why_bytes, "process %d on %s has ended", contact.pid, contact.host);
        return CRMPI_ERR_NOTFOUND;
    }
    if (!call(&contact, limit_ms, socket_out)) {
        snprintf(why, why_bytes, "process %d on %s does not answer", contact.pid,
                 contact.host);
        return CRMPI_ERR_NOTFOUND;
    }
    if (send(*socket_out, demand, sizeof *demand, MSG_NOSIGNAL) == sizeof *demand)
        return CRMPI_OK;
    snprintf(why, why_bytes, "process %d on %s: %s", contact.pid, contact.host,
             strerror(errno));
    close(*socket_out);
    return CRMPI_ERR_IO;
}

int crmpi_contact_alive(const char *dir, char *who, size_t who_bytes)
{
    struct crmpi_contact contact;
    char why[PATH_BYTES + 64];
    int locked;

    if (look(dir, &contact, &locked, why, sizeof why) != CRMPI_OK || locked == 0 ||
        (locked < 0 && !answers(&contact)))
        return 0;
    snprintf(who, who_bytes, "job %s, process %d on host %s", contact.job_id, contact.pid,
             contact.host);
    return 1;
}
