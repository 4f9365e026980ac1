/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The groups /window/NNNNNN, see segment.h.  Lower half and tools.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "storage/hdf.h"
#include "storage/segment.h"

#define ALL_NAME "/window"

/* A segment as its group has it. */
struct stored {
    struct crmpi_segment segment;
    char flavor[16];
};

#define SIZE(member) sizeof((struct stored *)NULL)->member
#define FIELD(name, kind, member)                                                        \
    {name, CRMPI_HDF_##kind, offsetof(struct stored, member), SIZE(member)}
static const struct crmpi_hdf_field fields[] = {
    FIELD("flavor", TEXT, flavor),
    FIELD("address", U64, segment.start),
    FIELD("bytes", U64, segment.bytes),
    FIELD("view_address", U64, segment.view_start),
    FIELD("view_bytes", U64, segment.view_bytes),
    FIELD("disp_unit", U32, segment.disp_unit),
    FIELD("members", U32, segment.n_members),
    FIELD("rank", U32, segment.rank),
    FIELD("name", TEXT, segment.name),
};
#define N_FIELDS (sizeof fields / sizeof *fields)

static const char *const flavors[] = {
    [CRMPI_FLAVOR_CREATE] = "create",
    [CRMPI_FLAVOR_ALLOCATE] = "allocate",
    [CRMPI_FLAVOR_SHARED] = "shared",
    [CRMPI_FLAVOR_DYNAMIC] = "dynamic",
};
#define N_FLAVORS (sizeof flavors / sizeof *flavors)

const char *crmpi_flavor_text(enum crmpi_flavor flavor)
{
    return (size_t)flavor < N_FLAVORS ? flavors[flavor] : NULL;
}

/* The flavor of a name; 0 if there is none. */
static enum crmpi_flavor flavor_of(const char *text)
{
    size_t i = N_FLAVORS - 1;
    while (i > 0 && strcmp(text, flavors[i]) != 0)
        i--;
    return (enum crmpi_flavor)i;
}

void crmpi_segment_name(uint64_t window, char name_out[CRMPI_SEGMENT_NAME_BYTES])
{
    snprintf(name_out, CRMPI_SEGMENT_NAME_BYTES, ALL_NAME "/%06" PRIu64, window);
}

enum crmpi_status crmpi_segment_write(struct crmpi_image *image, const char *path,
                                      const struct crmpi_segment *segment)
{
    struct stored stored = {.segment = *segment};
    char name[CRMPI_SEGMENT_NAME_BYTES];

    strcpy(stored.flavor, crmpi_flavor_text(segment->flavor));
    crmpi_segment_name(segment->window, name);
    hid_t group = crmpi_hdf_group_create(crmpi_image_file(image), name);
    if (group < 0)
        return crmpi_hdf_failed(path, name, CRMPI_ERR_INTERNAL);
    enum crmpi_status status =
        crmpi_hdf_fields_write(group, path, fields, N_FIELDS, &stored);
    H5Gclose(group);
    return status;
}

enum crmpi_status crmpi_segment_read(struct crmpi_image *image, const char *path,
                                     uint64_t window, struct crmpi_segment *segment_out)
{
    struct stored stored;
    char name[CRMPI_SEGMENT_NAME_BYTES];
    H5G_info_t info;

    crmpi_segment_name(window, name);
    hid_t group = H5Gopen2(crmpi_image_file(image), name, H5P_DEFAULT);
    if (group < 0)
        return crmpi_hdf_failed(path, name, CRMPI_ERR_CORRUPT);
    memset(&stored, 0, sizeof stored);
    enum crmpi_status status =
        crmpi_hdf_fields_read(group, path, fields, N_FIELDS, &stored);
    if (H5Gget_info(group, &info) < 0)
        info.nlinks = 1;
    H5Gclose(group);
    if (status != CRMPI_OK)
        return status;
    if (stored.segment.view_bytes == 0 && info.nlinks > 0) {
        crmpi_error("%s is damaged: %s has memory without a view", path, name);
        return CRMPI_ERR_CORRUPT;
    }
    stored.segment.window = window;
    stored.segment.flavor = flavor_of(stored.flavor);
    *segment_out = stored.segment;
    return CRMPI_OK;
}

struct found {
    uint64_t *windows;
    size_t n, room;
    enum crmpi_status status;
};

/* The window of a group's name, if it is the name that we give it. */
static int window_of(const char *name, uint64_t *window_out)
{
    char right[CRMPI_SEGMENT_NAME_BYTES];
    *window_out = strtoull(name, NULL, 10);
    crmpi_segment_name(*window_out, right);
    return strcmp(right + sizeof ALL_NAME, name) == 0;
}

static herr_t window_add(hid_t all, const char *name, const H5L_info_t *info,
                         void *context)
{
    struct found *found = context;
    uint64_t window;
    (void)all;
    found->status = CRMPI_ERR_CORRUPT;
    if (info->type != H5L_TYPE_HARD || !window_of(name, &window) ||
        found->n == CRMPI_SEGMENTS_MAX)
        return -1;
    if (found->n == found->room) {
        size_t room = found->room ? 2 * found->room : 16;
        uint64_t *more = realloc(found->windows, room * sizeof *more);
        found->status = CRMPI_ERR_NOMEM;
        if (!more)
            return -1;
        found->windows = more;
        found->room = room;
    }
    found->windows[found->n++] = window;
    return 0;
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

enum crmpi_status crmpi_segments_find(struct crmpi_image *image, const char *path,
                                      uint64_t **windows_out, size_t *n_out)
{
    struct found found = {.status = CRMPI_ERR_CORRUPT};
    hid_t file = crmpi_image_file(image);
    htri_t exists = H5Lexists(file, ALL_NAME, H5P_DEFAULT);

    if (exists < 0 ||
        (exists && H5Literate_by_name(file, ALL_NAME, H5_INDEX_NAME, H5_ITER_NATIVE, NULL,
                                      window_add, &found, H5P_DEFAULT) < 0)) {
        free(found.windows);
        return crmpi_hdf_failed(path, "cannot list its windows", found.status);
    }
    if (found.n)
        qsort(found.windows, found.n, sizeof *found.windows, compare);
    *windows_out = found.windows;
    *n_out = found.n;
    return CRMPI_OK;
}
