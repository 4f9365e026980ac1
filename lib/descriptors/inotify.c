/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * inotify, with its watches under their numbers.  Lower half.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/pathmap.h"
#include "descriptors/inotify.h"
#include "descriptors/kind.h"
#include "files/journal.h"
#include "lower/raw.h"

#define MAX_NAMES 4096
#define MAX_NUMBER (1 << 20) /* of a watch: they are made one after the other */
#define PASSED (IN_ALL_EVENTS | IN_ONLYDIR | IN_DONT_FOLLOW | IN_EXCL_UNLINK | IN_ONESHOT)

/* Names that have been watched, canonical, in memory of their own. */
static struct {
    uint64_t device, inode;
    const char *path;
} names[MAX_NAMES];
static int n_names;
static char *room, *room_end;

/* A watch, in the data. */
struct watch {
    int32_t number;
    uint32_t mask;
    char path[4096];
};

static void name_add(const struct stat *about, const char *path, size_t bytes)
{
    int i = __atomic_load_n(&n_names, __ATOMIC_ACQUIRE);

    for (int k = 0; k < i; k++) {
        size_t n = 0;

        while (n < bytes && names[k].path[n] == path[n])
            n++;
        if (n == bytes && names[k].inode == about->st_ino)
            return;
    }
    if (i == MAX_NAMES)
        return; /* then the checkpoint is refused */
    if ((size_t)(room_end - room) < bytes) {
        long more = crmpi_raw(SYS_mmap, 0, 65536, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        if (more < 0)
            return;
        room = (char *)more;
        room_end = room + 65536;
    }
    for (size_t n = 0; n < bytes; n++)
        room[n] = path[n];
    names[i].device = about->st_dev;
    names[i].inode = about->st_ino;
    names[i].path = room;
    room += bytes;
    __atomic_store_n(&n_names, i + 1, __ATOMIC_RELEASE);
}

void crmpi_inotify_note(const char *path)
{
    crmpi_journal_with_name(path, name_add);
}

static int inotify_is(const struct crmpi_seen *seen)
{
    return crmpi_descriptor_is_anonymous(seen, "inotify") ||
           strcmp(seen->path, "anon_inode:inotify") == 0;
}

/* The name that a watch was given and that still leads to what it watches. */
static const char *name_find(uint64_t inode, uint64_t device)
{
    struct stat about;

    for (int i = n_names - 1; i >= 0; i--)
        if (names[i].inode == inode && names[i].device == device &&
            stat(names[i].path, &about) == 0 && about.st_ino == inode &&
            about.st_dev == device)
            return names[i].path;
    return NULL;
}

static enum crmpi_status inotify_contents(struct crmpi_saving *saving,
                                          struct crmpi_descriptor *descriptor)
{
    char path[64], line[1024];
    enum crmpi_status status = CRMPI_OK;
    unsigned long inode, device;
    int waiting = 0;

    if (ioctl(descriptor->fd, FIONREAD, &waiting) == 0 && waiting > 0)
        return crmpi_descriptor_refuse(saving, descriptor,
                                       "an inotify descriptor with events that have not "
                                       "been read");
    snprintf(path, sizeof path, "/proc/self/fdinfo/%d", descriptor->fd);
    FILE *info = fopen(path, "re");

    while (status == CRMPI_OK && info && fgets(line, sizeof line, info)) {
        struct watch watch = {0};
        unsigned number;
        const char *name;

        if (sscanf(line, "inotify wd:%x ino:%lx sdev:%lx mask:%x", &number, &inode,
                   &device, &watch.mask) != 4)
            continue;
        watch.number = (int)number;
        name = name_find(inode, makedev(device >> 20, device & 0xfffff));
        if (!name)
            status = crmpi_descriptor_refuse(saving, descriptor,
                                             "an inotify descriptor that watches something "
                                             "without a name");
        if (name)
            snprintf(watch.path, sizeof watch.path, "%s", name);
        if (status == CRMPI_OK)
            status = crmpi_descriptor_data(saving, descriptor, &watch, sizeof watch);
    }
    if (info)
        fclose(info);
    return info ? status : CRMPI_ERR_SYSTEM;
}

static const char *inotify_check(const struct crmpi_descriptor *descriptor,
                                 const void *data)
{
    for (uint64_t at = 0; at + sizeof(struct watch) <= descriptor->data_bytes;
         at += sizeof(struct watch)) {
        struct watch watch;

        memcpy(&watch, (const char *)data + at, sizeof watch);
        watch.path[sizeof watch.path - 1] = 0;
        crmpi_path_map(watch.path, sizeof watch.path);
        if (watch.number > MAX_NUMBER)
            return "there were too many watches";
        if (access(watch.path, F_OK) != 0)
            return "what it watches is gone";
    }
    return NULL;
}

static enum crmpi_status inotify_restore(const struct crmpi_restoring *restoring,
                                         const struct crmpi_descriptor *descriptor,
                                         const void *data)
{
    (void)restoring;
    (void)data;
    return crmpi_descriptor_place(
        descriptor, inotify_init1(IN_CLOEXEC | (descriptor->flags & O_NONBLOCK
                                                    ? IN_NONBLOCK
                                                    : 0)));
}

/* Numbers ascend: those before are made and removed. */
static int watch_make(int fd, const struct watch *watch)
{
    for (;;) {
        int number = inotify_add_watch(fd, watch->path, watch->mask & PASSED);

        if (number < 0 || number >= watch->number)
            return number == watch->number ? 0 : -1;
        inotify_rm_watch(fd, number);
    }
}

/* In the order of their numbers. */
static const char *next_watch(const struct crmpi_descriptor *descriptor, const void *data,
                              int behind)
{
    const char *found = NULL;
    int32_t number, best = 0;

    for (uint64_t at = 0; at + sizeof(struct watch) <= descriptor->data_bytes;
         at += sizeof(struct watch)) {
        memcpy(&number, (const char *)data + at, sizeof number);
        if (number > behind && (!found || number < best)) {
            found = (const char *)data + at;
            best = number;
        }
    }
    return found;
}

static enum crmpi_status inotify_fill(const struct crmpi_restoring *restoring,
                                      const struct crmpi_descriptor *descriptor,
                                      const void *data)
{
    int flags = fcntl(descriptor->fd, F_GETFL);
    struct watch watch = {0};
    struct stat about;
    const char *next;
    char events[8192];

    (void)restoring;
    while ((next = next_watch(descriptor, data, watch.number))) {
        memcpy(&watch, next, sizeof watch);
        watch.path[sizeof watch.path - 1] = 0;
        crmpi_path_map(watch.path, sizeof watch.path);
        if (watch_make(descriptor->fd, &watch) != 0)
            return crmpi_descriptor_cannot(descriptor, watch.path);
        if (stat(watch.path, &about) == 0)
            name_add(&about, watch.path, strlen(watch.path) + 1);
    }
    fcntl(descriptor->fd, F_SETFL, O_NONBLOCK); /* that watches have been removed is no news */
    while (read(descriptor->fd, events, sizeof events) > 0)
        ;
    fcntl(descriptor->fd, F_SETFL, flags);
    return CRMPI_OK;
}

const struct crmpi_descriptor_kind crmpi_kind_inotify = {
    .number = CRMPI_DESCRIPTOR_INOTIFY,
    .is = inotify_is,
    .contents = inotify_contents,
    .check = inotify_check,
    .restore = inotify_restore,
    .fill = inotify_fill,
};
