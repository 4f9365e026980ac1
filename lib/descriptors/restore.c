/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Opening the application's descriptors again (see descriptors.h).  Lower half, at a
 * restart.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/pathmap.h"
#include "descriptors/kind.h"
#include "lower/descriptors.h"

#define MAX_DESCRIPTORS (1ul << 20)

/* The record, taken apart and checked. */
struct record {
    struct crmpi_restoring restoring;
    const char *data;
};

static enum crmpi_status record_parse(const void *data, size_t bytes,
                                      struct record *record_out)
{
    const uint64_t *n = data;
    uint64_t contents = 0;

    if (bytes < 8 || *n > MAX_DESCRIPTORS ||
        bytes - 8 < *n * sizeof(struct crmpi_descriptor))
        goto corrupt;
    const struct crmpi_descriptor *list = (const struct crmpi_descriptor *)(n + 1);

    for (size_t i = 0; i < *n; i++) {
        if (list[i].fd < 0 || (uint64_t)list[i].fd > MAX_DESCRIPTORS ||
            list[i].data_bytes > bytes || !crmpi_descriptor_kind(list[i].number) ||
            memchr(list[i].path, 0, sizeof list[i].path) == NULL)
            goto corrupt;
        contents += list[i].data_bytes;
    }
    if (bytes != 8 + *n * sizeof *list + contents)
        goto corrupt;
    *record_out = (struct record){{list, *n}, (const char *)(list + *n)};
    return CRMPI_OK;
corrupt:
    crmpi_error("the checkpoint's list of descriptors is damaged");
    return CRMPI_ERR_CORRUPT;
}

enum crmpi_status crmpi_descriptors_reserve(const void *data, size_t bytes)
{
    struct record record;
    enum crmpi_status status = record_parse(data, bytes, &record);
    const struct crmpi_descriptor *list = record.restoring.list;
    size_t n = record.restoring.n;

    if (status != CRMPI_OK)
        return status;
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    for (size_t i = 0; i < n; i++)
        if (list[i].fd > 2 && list[i].fd != null && fcntl(list[i].fd, F_GETFD) < 0 &&
            dup3(null, list[i].fd, O_CLOEXEC) < 0) {
            crmpi_error("cannot use file descriptor %d: %s: raise the limit on open files "
                        "(ulimit -n)",
                        list[i].fd, strerror(errno));
            return CRMPI_ERR_UNFIT;
        }
    for (size_t i = 0; i < n; i++)
        if (list[i].fd == null)
            return CRMPI_OK;
    close(null);
    return CRMPI_OK;
}

enum crmpi_status crmpi_descriptors_check(void *data, size_t bytes)
{
    struct record record;
    enum crmpi_status status = record_parse(data, bytes, &record);

    if (status != CRMPI_OK)
        return status;
    struct crmpi_descriptor *list = (struct crmpi_descriptor *)((uint64_t *)data + 1);

    for (size_t i = 0; i < record.restoring.n; record.data += list[i++].data_bytes) {
        const struct crmpi_descriptor_kind *kind = crmpi_descriptor_kind(list[i].number);
        const char *why;

        crmpi_path_map(list[i].path, sizeof list[i].path);
        why = kind->check ? kind->check(&list[i], record.data) : NULL;
        if (!why)
            continue;
        crmpi_error("file descriptor %d, %s, cannot be restored: %s", list[i].fd,
                    list[i].path, why);
        status = CRMPI_ERR_UNFIT;
    }
    return status;
}

/* Modes of the open file that open() did not set, and who gets its signals. */
static void modes_restore(const struct crmpi_descriptor *descriptor)
{
    struct f_owner_ex owner = {descriptor->owner_type, getpid()};

    if (descriptor->number == CRMPI_DESCRIPTOR_DUPLICATE ||
        descriptor->number == CRMPI_DESCRIPTOR_STANDARD || descriptor->flags & O_PATH)
        return;
    if (descriptor->owner) {
        fcntl(descriptor->fd, F_SETOWN_EX, &owner);
        if (descriptor->signal)
            fcntl(descriptor->fd, F_SETSIG, descriptor->signal);
    }
    if (fcntl(descriptor->fd, F_GETFL) != descriptor->flags)
        fcntl(descriptor->fd, F_SETFL, descriptor->flags);
}

/* What the program had closed of the launcher's three. */
static void standard_close(const struct crmpi_restoring *restoring)
{
    for (int fd = 0; fd < 3; fd++)
        if (!crmpi_descriptor_find(restoring, fd))
            close(fd);
}

enum crmpi_status crmpi_descriptors_restore(const void *data, size_t bytes)
{
    struct record record;
    enum crmpi_status status = record_parse(data, bytes, &record);
    const struct crmpi_restoring *restoring = &record.restoring;
    const struct crmpi_descriptor *list = restoring->list;
    const char *at = record.data;

    for (size_t i = 0; status == CRMPI_OK && i < restoring->n; at += list[i++].data_bytes)
        status = crmpi_descriptor_kind(list[i].number)->restore(restoring, &list[i], at);
    at = record.data;
    for (size_t i = 0; status == CRMPI_OK && i < restoring->n; at += list[i++].data_bytes) {
        const struct crmpi_descriptor_kind *kind = crmpi_descriptor_kind(list[i].number);

        if (kind->fill)
            status = kind->fill(restoring, &list[i], at);
    }
    at = record.data;
    for (size_t i = 0; status == CRMPI_OK && i < restoring->n; at += list[i++].data_bytes) {
        const struct crmpi_descriptor_kind *kind = crmpi_descriptor_kind(list[i].number);

        if (kind->finish)
            kind->finish(&list[i], at);
        modes_restore(&list[i]);
        fcntl(list[i].fd, F_SETFD, list[i].close_on_exec);
    }
    if (status == CRMPI_OK)
        standard_close(restoring);
    return status;
}
