/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Describing all descriptors of the application (see descriptors.h).  Lower half, with all
 * threads parked.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/config.h"
#include "base/log.h"
#include "descriptors/kind.h"
#include "interaction/cut.h"
#include "lower/descriptors.h"

/* An earlier descriptor with the same open file, sharing its offset; or NULL. */
static const struct crmpi_descriptor *shares_open_file(const struct crmpi_saving *saving,
                                                       const struct crmpi_seen *seen)
{
    for (size_t i = 0; i < saving->n; i++)
        if (saving->list[i].identity[0] == seen->about.st_dev &&
            saving->list[i].identity[1] == seen->about.st_ino &&
            saving->list[i].number != CRMPI_DESCRIPTOR_DUPLICATE &&
            syscall(SYS_kcmp, getpid(), getpid(), KCMP_FILE, saving->list[i].fd,
                    seen->fd) == 0)
            return &saving->list[i];
    return NULL;
}

/* Who gets signals for it: only the process itself comes back under a new number. */
static enum crmpi_status owner_save(struct crmpi_saving *saving,
                                    struct crmpi_descriptor *descriptor)
{
    struct f_owner_ex owner = {0};

    if (fcntl(descriptor->fd, F_GETOWN_EX, &owner) != 0 || owner.pid == 0)
        return CRMPI_OK;
    descriptor->signal = fcntl(descriptor->fd, F_GETSIG);
    descriptor->owner_type = owner.type;
    descriptor->owner = 1;
    if (owner.pid == getpid() && owner.type != F_OWNER_PGRP)
        return CRMPI_OK;
    return crmpi_descriptor_refuse(saving, descriptor,
                                   owner.type == F_OWNER_TID
                                       ? "one that sends its signals to a thread"
                                       : "one that sends its signals to others");
}

static const struct crmpi_descriptor_kind *kind_find(const struct crmpi_seen *seen)
{
    size_t i = 0;

    while (crmpi_descriptor_kinds[i] && !crmpi_descriptor_kinds[i]->is(seen))
        i++;
    return crmpi_descriptor_kinds[i];
}

/* What it is, for who has to do without it. */
static enum crmpi_status unknown(struct crmpi_saving *saving, const struct crmpi_seen *seen,
                                 const struct crmpi_descriptor *descriptor)
{
    mode_t mode = seen->about.st_mode;
    char what[128];

    snprintf(what, sizeof what, "%s, which cannot be restored: close it before a checkpoint",
             S_ISFIFO(mode)  ? "a named pipe"
             : S_ISCHR(mode) ? "a device"
             : S_ISBLK(mode) ? "a block device"
             : strncmp(seen->path, "anon_inode:", 11) == 0
                 ? "an object of the kernel"
                 : "of a kind that crmpi does not know");
    return crmpi_descriptor_refuse(saving, descriptor, what);
}

static enum crmpi_status describe(struct crmpi_saving *saving, int fd)
{
    struct crmpi_descriptor *descriptor = &saving->list[saving->n];
    struct crmpi_seen seen = {.fd = fd, .path = descriptor->path};
    const struct crmpi_descriptor *first;
    const struct crmpi_descriptor_kind *kind;
    struct statfs system;
    char path[64];
    ssize_t n;

    memset(descriptor, 0, sizeof *descriptor);
    descriptor->fd = fd;
    descriptor->other = -1;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (fstat(fd, &seen.about) != 0 ||
        (n = readlink(path, descriptor->path, sizeof descriptor->path - 1)) < 0)
        return CRMPI_OK; /* closed meanwhile, by a thread below */
    seen.flags = descriptor->flags = fcntl(fd, F_GETFL);
    if (fstatfs(fd, &system) == 0)
        seen.file_system[0] = (uint64_t)system.f_type;
    descriptor->close_on_exec = fcntl(fd, F_GETFD) & FD_CLOEXEC;
    descriptor->identity[0] = seen.about.st_dev;
    descriptor->identity[1] = seen.about.st_ino;
    descriptor->offset = seen.flags & O_PATH ? 0 : (uint64_t)lseek(fd, 0, SEEK_CUR);
    if ((first = shares_open_file(saving, &seen))) {
        descriptor->number = CRMPI_DESCRIPTOR_DUPLICATE;
        descriptor->other = first->fd;
        saving->n++;
        return CRMPI_OK;
    }
    if (!(kind = kind_find(&seen)))
        return unknown(saving, &seen, descriptor);
    descriptor->number = kind->number;
    enum crmpi_status status = CRMPI_OK;

    if (kind->number != CRMPI_DESCRIPTOR_STANDARD &&
        kind->number != CRMPI_DESCRIPTOR_INHERITED)
        status = owner_save(saving, descriptor);
    if (status == CRMPI_OK && kind->save)
        status = kind->save(saving, &seen, descriptor);
    saving->n++;
    return status;
}

/* Both ends of a pipe or a connection have to be here: whoever has the other would not
 * come back. */
static void ends_pair(struct crmpi_saving *saving)
{
    for (size_t i = 0; i < saving->n; i++) {
        struct crmpi_descriptor *descriptor = &saving->list[i];
        const struct crmpi_descriptor_kind *kind = crmpi_descriptor_kind(descriptor->number);

        for (size_t k = 0; kind && kind->is_other_end && k < saving->n; k++)
            if (saving->list[k].number == kind->number &&
                kind->is_other_end(descriptor, &saving->list[k]))
                descriptor->other = saving->list[k].fd;
    }
}

static int by_number(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

/* The application's descriptors in ascending order, from malloc(). */
static int *numbers_list(size_t *n_out)
{
    DIR *all = opendir("/proc/self/fd");
    size_t n = 0, room = 256;
    int *list = malloc(room * sizeof *list);

    for (struct dirent *entry; all && list && (entry = readdir(all));) {
        int fd = atoi(entry->d_name);

        if (!isdigit((unsigned char)entry->d_name[0]) || fd == dirfd(all) ||
            crmpi_descriptor_is_lower(fd))
            continue;
        if (n == room) {
            int *more = realloc(list, (room *= 2) * sizeof *list);

            if (!more)
                free(list);
            list = more;
        }
        if (list)
            list[n++] = fd;
    }
    if (list)
        qsort(list, n, sizeof *list, by_number);
    if (all)
        closedir(all);
    *n_out = n;
    return list;
}

/* A file of the MPI library: what is in it is saved, or not, as that of any other. */
static void mpi_file_add(void *context, const char *path, int is_written)
{
    struct crmpi_saving *saving = context;

    if (crmpi_inodes_add_shared(saving->inodes, path,
                                is_written ? CRMPI_INODE_WRITTEN : 0) != CRMPI_OK)
        crmpi_debug("%s is not saved", path);
}

/* The record: how many, what they are, what is in them. */
static enum crmpi_status pack(const struct crmpi_saving *saving, void **data_out,
                              size_t *bytes_out)
{
    size_t list_bytes = saving->n * sizeof *saving->list;
    uint64_t *record = malloc(8 + list_bytes + saving->data_bytes);

    if (!record)
        return CRMPI_ERR_NOMEM;
    record[0] = saving->n;
    memcpy(record + 1, saving->list, list_bytes);
    if (saving->data_bytes)
        memcpy((char *)(record + 1) + list_bytes, saving->data, saving->data_bytes);
    *data_out = record;
    *bytes_out = 8 + list_bytes + saving->data_bytes;
    return CRMPI_OK;
}

enum crmpi_status crmpi_descriptors_save(int look, void **data_out, size_t *bytes_out,
                                         struct crmpi_inodes *inodes_out, char *why,
                                         size_t why_bytes)
{
    struct crmpi_inodes inodes = {0};
    struct crmpi_saving saving = {
        .inodes = &inodes, .look = look, .why = why, .why_bytes = why_bytes};
    size_t n = 0;
    int *list = numbers_list(&n);
    enum crmpi_status status = list ? CRMPI_OK : CRMPI_ERR_NOMEM;

    why[0] = 0;
    if (list && !(saving.list = calloc(n + 1, sizeof *saving.list)))
        status = CRMPI_ERR_NOMEM;
    for (size_t i = 0; status == CRMPI_OK && i < n; i++)
        status = describe(&saving, list[i]);
    if (status == CRMPI_OK)
        ends_pair(&saving);
    for (size_t i = 0; status == CRMPI_OK && i < saving.n; i++) {
        const struct crmpi_descriptor_kind *kind =
            crmpi_descriptor_kind(saving.list[i].number);

        if (kind->contents)
            status = kind->contents(&saving, &saving.list[i]);
    }
    if (status == CRMPI_OK)
        status = crmpi_inodes_add_mapped(&inodes, why, why_bytes);
    /* only if all ranks are saved now does one of them know the whole file */
    if (status == CRMPI_OK && !look && strcmp(crmpi_config.policy, "coordinated") == 0)
        crmpi_cut.files(mpi_file_add, &saving);
    if (status == CRMPI_OK)
        status = pack(&saving, data_out, bytes_out);
    if (status != CRMPI_OK && !why[0])
        snprintf(why, why_bytes, "cannot describe the open files: %s",
                 crmpi_status_text(status));
    if (status == CRMPI_OK)
        *inodes_out = inodes;
    else
        crmpi_inodes_fini(&inodes);
    free(list);
    free(saving.list);
    free(saving.data);
    return status;
}

int crmpi_descriptors_refusal(char *why, size_t why_bytes)
{
    struct crmpi_inodes inodes = {0};
    void *data = NULL;
    size_t bytes;
    enum crmpi_status status =
        crmpi_descriptors_save(1, &data, &bytes, &inodes, why, why_bytes);

    free(data);
    crmpi_inodes_fini(&inodes);
    return status == CRMPI_OK ? 0 : (int)status;
}
