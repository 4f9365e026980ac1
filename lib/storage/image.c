/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An HDF5 file in memory around holes, with its driver for HDF5, and the seal that
 * guards it in the file; see image.h.  Lower half and tools.
 */
#include <stdlib.h>
#include <string.h>
#include "base/checksum.h"
#include "base/log.h"
#include "storage/container.h"
#include "storage/hdf.h"
#include "storage/image.h"

#if H5_VERSION_GE(1, 13, 0)
#error "the drivers of this HDF5 have a version and a value: give driver_class those"
#endif

#define SEAL_BYTES 4096 /* HDF5's user block: a power of two */
#define ALIGN_BYTES 4096
#define IMAGE_MAX ((uint64_t)8 << 30)
#define FILE_MAX ((uint64_t)1 << 62)
#define HOLES_MAX (CRMPI_SEGMENTS_MAX + 1)

/* At the start of the file, little endian; the rest of the user block is zero. */
struct seal {
    char magic[8];
    uint32_t version, kind;
    uint64_t file_bytes;
    uint64_t n_holes;
    uint64_t digest; /* of all bytes of the file but itself and the holes */
};
static const char seal_magic[8] = "crmpi\r\n\032";

/* In the table at the end of the file, ascending and apart. */
struct hole {
    uint64_t start, bytes;
};

/* Bytes of the file from start on. */
struct part {
    uint64_t start;
    unsigned char *data;
    uint64_t bytes, room;
};

struct crmpi_image {
    H5FD_t driver_file; /* HDF5's own; first, so that HDF5's pointer is ours */
    enum crmpi_container_kind kind;
    hid_t file;
    int in_use, writable;
    size_t n_holes;
    struct hole *holes;
    unsigned char *taken; /* of a loaded file: a dataset has these bytes, for each hole */
    struct part *parts;   /* n_holes + 1: the first, and one behind each hole */
    uint64_t end;         /* of the file, as HDF5 has set it */
};

/* The last part that begins at or before an address. */
static size_t part_find(const struct crmpi_image *image, uint64_t address)
{
    size_t low = 0, high = image->n_holes;
    while (low < high) {
        size_t middle = low + (high - low + 1) / 2;
        if (image->parts[middle].start <= address)
            low = middle;
        else
            high = middle - 1;
    }
    return low;
}

/* Where a part has to end. */
static uint64_t part_limit(const struct crmpi_image *image, size_t i)
{
    return i < image->n_holes ? image->holes[i].start : FILE_MAX;
}

/* Copy what a part has of [address, address + bytes). */
static void part_read(const struct part *part, uint64_t address, size_t bytes, char *to)
{
    uint64_t from = address > part->start ? address : part->start;
    uint64_t end = address + bytes, part_end = part->start + part->bytes;
    if (end > part_end)
        end = part_end;
    if (from < end)
        memcpy(to + (from - address), part->data + (from - part->start), end - from);
}

/* Make a part reach to end; new bytes are zero. */
static int part_extend(struct part *part, uint64_t end)
{
    uint64_t bytes = end - part->start;
    if (bytes <= part->bytes)
        return 0;
    if (bytes > IMAGE_MAX)
        return -1;
    if (bytes > part->room) {
        uint64_t room = part->room ? part->room : 4096;
        while (room < bytes)
            room *= 2;
        void *grown = realloc(part->data, room);
        if (!grown)
            return -1;
        part->data = grown;
        part->room = room;
    }
    memset(part->data + part->bytes, 0, bytes - part->bytes);
    part->bytes = bytes;
    return 0;
}

/*
 * The driver.  HDF5 calls these with addresses from the start of the file.
 */
static H5FD_t *driver_open(const char *name, unsigned flags, hid_t access, haddr_t max)
{
    struct crmpi_image *const *info = H5Pget_driver_info(access);
    (void)name;
    (void)max;
    /* A second opening would be a link to another file in a hostile one. */
    if (!info || (*info)->in_use || ((flags & H5F_ACC_RDWR) && !(*info)->writable))
        return NULL;
    (*info)->in_use = 1;
    return &(*info)->driver_file;
}

static herr_t driver_close(H5FD_t *file)
{
    ((struct crmpi_image *)file)->in_use = 0;
    return 0;
}

static herr_t driver_query(const H5FD_t *file, unsigned long *flags_out)
{
    (void)file;
    *flags_out = 0;
    return 0;
}

static haddr_t driver_get_end(const H5FD_t *file, H5FD_mem_t type)
{
    (void)type;
    return ((const struct crmpi_image *)file)->end;
}

static herr_t driver_set_end(H5FD_t *file, H5FD_mem_t type, haddr_t end)
{
    struct crmpi_image *image = (struct crmpi_image *)file;
    (void)type;
    if (!image->writable && end > image->end)
        return -1;
    if (image->writable)
        image->end = end;
    return 0;
}

static herr_t driver_read(H5FD_t *file, H5FD_mem_t type, hid_t transfer, haddr_t address,
                          size_t bytes, void *to)
{
    const struct crmpi_image *image = (const struct crmpi_image *)file;
    (void)type;
    (void)transfer;
    if (address > FILE_MAX || bytes > IMAGE_MAX)
        return -1;
    /* HDF5 reads ahead, into holes and behind the end; it does not look at that. */
    memset(to, 0, bytes);
    for (size_t i = part_find(image, address);
         i <= image->n_holes && image->parts[i].start < address + bytes; i++)
        part_read(&image->parts[i], address, bytes, to);
    return 0;
}

static herr_t driver_write(H5FD_t *file, H5FD_mem_t type, hid_t transfer, haddr_t address,
                           size_t bytes, const void *from)
{
    struct crmpi_image *image = (struct crmpi_image *)file;
    (void)type;
    (void)transfer;
    if (!image->writable || address > FILE_MAX || bytes > IMAGE_MAX)
        return -1;
    size_t i = part_find(image, address);
    struct part *part = &image->parts[i];
    if (address + bytes > part_limit(image, i) || part_extend(part, address + bytes) != 0)
        return -1;
    memcpy(part->data + (address - part->start), from, bytes);
    return 0;
}

static const H5FD_class_t driver_class = {
    .name = "crmpi-image",
    .maxaddr = FILE_MAX,
    .fc_degree = H5F_CLOSE_STRONG,
    .fapl_size = sizeof(struct crmpi_image *),
    .open = driver_open,
    .close = driver_close,
    .query = driver_query,
    .get_eoa = driver_get_end,
    .set_eoa = driver_set_end,
    .get_eof = driver_get_end,
    .read = driver_read,
    .write = driver_write,
    .fl_map = H5FD_FLMAP_SINGLE,
};

/* Properties for opening an image by HDF5; closed with H5Pclose(). */
static hid_t access_create(struct crmpi_image *image)
{
    static hid_t driver = -1;
    hid_t access;
    if (driver < 0 && (driver = H5FDregister(&driver_class)) < 0)
        return -1;
    if ((access = H5Pcreate(H5P_FILE_ACCESS)) < 0)
        return -1;
    /* The newest structures of HDF5 1.8: they have checksums, and everybody reads
     * them. */
    if (H5Pset_driver(access, driver, &image) < 0 ||
        H5Pset_libver_bounds(access, H5F_LIBVER_V18, H5F_LIBVER_V18) < 0 ||
        H5Pset_alignment(access, ALIGN_BYTES, ALIGN_BYTES) < 0) {
        H5Pclose(access);
        return -1;
    }
    return access;
}

static struct crmpi_image *image_allocate(enum crmpi_container_kind kind,
                                          const char *path)
{
    struct crmpi_image *image = calloc(1, sizeof *image);
    if (!image || !(image->parts = calloc(1, sizeof *image->parts))) {
        crmpi_error("%s: no memory for a container", path);
        free(image);
        return NULL;
    }
    image->kind = kind;
    image->file = -1;
    return image;
}

enum crmpi_status crmpi_image_create(enum crmpi_container_kind kind, const char *path,
                                     struct crmpi_image **image_out)
{
    enum crmpi_status status = crmpi_hdf_init();
    if (status != CRMPI_OK)
        return status;
    struct crmpi_image *image = image_allocate(kind, path);
    if (!image)
        return CRMPI_ERR_NOMEM;
    image->writable = 1;
    hid_t access = access_create(image), how = H5Pcreate(H5P_FILE_CREATE);
    if (access >= 0 && H5Pset_userblock(how, SEAL_BYTES) >= 0)
        image->file = H5Fcreate(path, H5F_ACC_TRUNC, how, access);
    H5Pclose(how);
    H5Pclose(access);
    if (image->file < 0) {
        status = crmpi_hdf_failed(path, "cannot create an HDF5 file", CRMPI_ERR_INTERNAL);
        crmpi_image_destroy(image);
        return status;
    }
    *image_out = image;
    return CRMPI_OK;
}

hid_t crmpi_image_file(const struct crmpi_image *image)
{
    return image->file;
}

/* Make room for a hole and the part behind it, at their places. */
static int hole_insert(struct crmpi_image *image, size_t at)
{
    size_t n = image->n_holes;
    struct hole *holes = realloc(image->holes, (n + 1) * sizeof *holes);
    if (holes)
        image->holes = holes;
    struct part *parts = realloc(image->parts, (n + 2) * sizeof *parts);
    if (parts)
        image->parts = parts;
    if (!holes || !parts)
        return -1;
    memmove(holes + at + 1, holes + at, (n - at) * sizeof *holes);
    memmove(parts + at + 2, parts + at + 1, (n - at) * sizeof *parts);
    memset(parts + at + 1, 0, sizeof *parts);
    image->n_holes++;
    return 0;
}

/* Take [offset, offset + bytes), which HDF5 has given to a dataset, out of the image: it
 * may lie at the end or between what was written before. */
static int hole_make(struct crmpi_image *image, uint64_t offset, uint64_t bytes)
{
    size_t at = part_find(image, offset);
    uint64_t end = offset + bytes;

    if (image->n_holes == HOLES_MAX || end > part_limit(image, at) ||
        hole_insert(image, at) != 0)
        return -1;
    struct part *before = &image->parts[at], *behind = before + 1;
    uint64_t before_end = before->start + before->bytes;
    image->holes[at] = (struct hole){offset, bytes};
    behind->start = end;
    if (before_end > end) {
        if (part_extend(behind, before_end) != 0)
            return -1;
        part_read(before, end, behind->bytes, (char *)behind->data);
    }
    if (before_end > offset)
        before->bytes = offset - before->start;
    return 0;
}

enum crmpi_status crmpi_image_add_memory(struct crmpi_image *image, const char *path,
                                         const char *name, uint64_t bytes,
                                         uint64_t *offset_out)
{
    hid_t set = crmpi_hdf_dataset_create(image->file, name, H5T_STD_U8LE, bytes);
    if (set < 0)
        return crmpi_hdf_failed(path, name, CRMPI_ERR_INTERNAL);
    haddr_t offset = H5Dget_offset(set);
    H5Dclose(set);
    *offset_out = 0;
    if (bytes == 0)
        return CRMPI_OK;
    if (offset == HADDR_UNDEF || offset < SEAL_BYTES || offset > FILE_MAX - bytes ||
        hole_make(image, offset, bytes) != 0) {
        crmpi_error("%s: no room for %s", path, name);
        return CRMPI_ERR_INTERNAL;
    }
    *offset_out = offset;
    return CRMPI_OK;
}

static uint64_t table_bytes(const struct crmpi_image *image)
{
    return image->n_holes * sizeof *image->holes;
}

/* The digest of the sealed file; the seal is at the start of the first part. */
static uint64_t digest_of(const struct crmpi_image *image)
{
    const size_t at = offsetof(struct seal, digest), behind = sizeof(struct seal);
    const struct part *first = &image->parts[0];
    struct crmpi_checksum_state state;
    crmpi_checksum_begin(&state);
    crmpi_checksum_add(&state, first->data, at);
    crmpi_checksum_add(&state, first->data + behind, first->bytes - behind);
    for (size_t i = 1; i <= image->n_holes; i++)
        if (image->parts[i].bytes)
            crmpi_checksum_add(&state, image->parts[i].data, image->parts[i].bytes);
    return crmpi_checksum_end(&state);
}

/* Make the parts as long as they have to be, with the table in the last, and seal. */
static int image_seal(struct crmpi_image *image)
{
    struct part *last = &image->parts[image->n_holes];
    uint64_t table = image->end;

    if (image->parts[0].bytes < SEAL_BYTES || table < last->start)
        return -1;
    image->end += table_bytes(image);
    for (size_t i = 0; i < image->n_holes; i++)
        if (part_extend(&image->parts[i], image->holes[i].start) != 0)
            return -1;
    if (part_extend(last, image->end) != 0)
        return -1;
    if (image->n_holes)
        memcpy(last->data + (table - last->start), image->holes, table_bytes(image));
    struct seal *seal = (struct seal *)(void *)image->parts[0].data;
    memcpy(seal->magic, seal_magic, sizeof seal->magic);
    seal->version = CRMPI_FORMAT_VERSION;
    seal->kind = image->kind;
    seal->file_bytes = image->end;
    seal->n_holes = image->n_holes;
    seal->digest = digest_of(image);
    return 0;
}

static const struct seal *seal_of(const struct crmpi_image *image)
{
    return (const struct seal *)(const void *)image->parts[0].data;
}

enum crmpi_status crmpi_image_finish(struct crmpi_image *image, const char *path)
{
    hid_t file = image->file;

    image->file = -1;
    return H5Fclose(file) < 0
               ? crmpi_hdf_failed(path, "cannot finish the HDF5 file", CRMPI_ERR_INTERNAL)
               : CRMPI_OK;
}

enum crmpi_status crmpi_image_store(struct crmpi_image *image,
                                    const struct crmpi_output *output,
                                    uint64_t *bytes_out, uint64_t *digest_out)
{
    enum crmpi_status status = CRMPI_OK;

    if (image_seal(image) != 0) {
        crmpi_error("%s: no memory to finish the container", output->path);
        return CRMPI_ERR_NOMEM;
    }
    for (size_t i = 0; status == CRMPI_OK && i <= image->n_holes; i++) {
        struct iovec all = {image->parts[i].data, image->parts[i].bytes};
        if (all.iov_len)
            status = crmpi_output_write(output, &all, 1, image->parts[i].start);
    }
    if (status == CRMPI_OK) {
        *bytes_out = image->end;
        *digest_out = seal_of(image)->digest;
    }
    return status;
}

static enum crmpi_status seal_check(const struct seal *seal,
                                    enum crmpi_container_kind kind, const char *path,
                                    uint64_t file_bytes)
{
    static const char *const names[] = {"", "a rank's checkpoint", "a recovery line"};
    if (memcmp(seal->magic, seal_magic, sizeof seal->magic) != 0) {
        crmpi_error("%s is not a container of crmpi, or its first bytes are damaged",
                    path);
        return CRMPI_ERR_FORMAT;
    }
    if (seal->version != CRMPI_FORMAT_VERSION) {
        crmpi_error(
            "%s was written by %s crmpi, in format version %u instead of %u: use the "
            "crmpi that the job was started with",
            path, seal->version < CRMPI_FORMAT_VERSION ? "an older" : "a newer",
            seal->version, CRMPI_FORMAT_VERSION);
        return CRMPI_ERR_FORMAT;
    }
    if (seal->kind != (uint32_t)kind) {
        crmpi_error("%s is not %s", path, names[kind]);
        return CRMPI_ERR_FORMAT;
    }
    if (seal->file_bytes != file_bytes) {
        crmpi_error("%s is damaged: it has %llu bytes and should have %llu", path,
                    (unsigned long long)file_bytes, (unsigned long long)seal->file_bytes);
        return CRMPI_ERR_CORRUPT;
    }
    if (seal->n_holes > HOLES_MAX ||
        seal->n_holes * sizeof(struct hole) > file_bytes - SEAL_BYTES ||
        (kind == CRMPI_CONTAINER_LINE && seal->n_holes > 0)) {
        crmpi_error("%s is damaged: it cannot have %llu pieces of memory", path,
                    (unsigned long long)seal->n_holes);
        return CRMPI_ERR_CORRUPT;
    }
    return CRMPI_OK;
}

/* Fill a part with the bytes of the file from its start to end. */
static enum crmpi_status part_load(struct part *part, uint64_t end, int fd,
                                   const char *path)
{
    struct iovec all;
    if (end == part->start)
        return CRMPI_OK;
    if (part_extend(part, end) != 0) {
        crmpi_error("%s: no memory for %llu bytes", path,
                    (unsigned long long)(end - part->start));
        return CRMPI_ERR_NOMEM;
    }
    all.iov_base = part->data;
    all.iov_len = part->bytes;
    return crmpi_input_read(fd, path, &all, 1, part->start);
}

/* Whether the holes are ascending, apart and in front of the table, and leave no more
 * than an image can have. */
static int holes_are_possible(const struct crmpi_image *image, uint64_t file_bytes)
{
    uint64_t after = SEAL_BYTES, table = file_bytes - table_bytes(image);
    uint64_t rest = file_bytes;
    for (size_t i = 0; i < image->n_holes; i++) {
        const struct hole *hole = &image->holes[i];
        if (hole->start < after || hole->start > table || hole->bytes == 0 ||
            hole->bytes > table - hole->start)
            return 0;
        after = hole->start + hole->bytes;
        rest -= hole->bytes;
    }
    return rest <= IMAGE_MAX;
}

/* Read the table of the holes, and set out the parts between them. */
static enum crmpi_status holes_load(struct crmpi_image *image, size_t n, int fd,
                                    const char *path, uint64_t file_bytes)
{
    enum crmpi_status status = CRMPI_OK;
    struct hole *holes = calloc(n + 1, sizeof *holes);
    struct part *parts = realloc(image->parts, (n + 1) * sizeof *parts);

    if (parts)
        image->parts = parts;
    image->holes = holes;
    image->taken = calloc(n + 1, 1);
    if (!holes || !parts || !image->taken) {
        crmpi_error("no memory to read %s", path);
        return CRMPI_ERR_NOMEM;
    }
    memset(parts, 0, (n + 1) * sizeof *parts);
    image->n_holes = n;
    struct iovec all = {holes, table_bytes(image)};
    if (n > 0)
        status = crmpi_input_read(fd, path, &all, 1, file_bytes - all.iov_len);
    if (status == CRMPI_OK && !holes_are_possible(image, file_bytes)) {
        crmpi_error("%s is damaged: its memory cannot be where its table says", path);
        status = CRMPI_ERR_CORRUPT;
    }
    for (size_t i = 0; status == CRMPI_OK && i < n; i++)
        parts[i + 1].start = holes[i].start + holes[i].bytes;
    return status;
}

/* Whether seal and table are those that were read first. */
static int is_as_read(const struct crmpi_image *image, const struct seal *seal)
{
    const struct part *last = &image->parts[image->n_holes];
    return memcmp(image->parts[0].data, seal, sizeof *seal) == 0 &&
           (image->n_holes == 0 || memcmp(last->data + last->bytes - table_bytes(image),
                                          image->holes, table_bytes(image)) == 0);
}

static enum crmpi_status image_fill(struct crmpi_image *image, int fd, const char *path,
                                    uint64_t file_bytes)
{
    struct seal seal;
    struct iovec first = {&seal, sizeof seal};
    enum crmpi_status status;

    if (file_bytes < SEAL_BYTES) {
        crmpi_error("%s is damaged: it has only %llu bytes", path,
                    (unsigned long long)file_bytes);
        return CRMPI_ERR_CORRUPT;
    }
    if ((status = crmpi_input_read(fd, path, &first, 1, 0)) != CRMPI_OK ||
        (status = seal_check(&seal, image->kind, path, file_bytes)) != CRMPI_OK ||
        (status = holes_load(image, seal.n_holes, fd, path, file_bytes)) != CRMPI_OK)
        return status;
    image->end = file_bytes;
    for (size_t i = 0; i <= image->n_holes; i++) {
        uint64_t end = i < image->n_holes ? image->holes[i].start : file_bytes;
        if ((status = part_load(&image->parts[i], end, fd, path)) != CRMPI_OK)
            return status;
    }
    if (!is_as_read(image, &seal) || digest_of(image) != seal.digest) {
        crmpi_error("%s is damaged: the digest of its tables and records is wrong", path);
        return CRMPI_ERR_CORRUPT;
    }
    return CRMPI_OK;
}

enum crmpi_status crmpi_image_load(enum crmpi_container_kind kind, int fd,
                                   const char *path, uint64_t file_bytes,
                                   struct crmpi_image **image_out)
{
    enum crmpi_status status = crmpi_hdf_init();
    if (status != CRMPI_OK)
        return status;
    struct crmpi_image *image = image_allocate(kind, path);
    if (!image)
        return CRMPI_ERR_NOMEM;
    if ((status = image_fill(image, fd, path, file_bytes)) != CRMPI_OK)
        goto fail;
    hid_t access = access_create(image);
    if (access >= 0)
        image->file = H5Fopen(path, H5F_ACC_RDONLY, access);
    H5Pclose(access);
    if (image->file < 0) {
        status = crmpi_hdf_failed(path, "is not a whole HDF5 file", CRMPI_ERR_CORRUPT);
        goto fail;
    }
    *image_out = image;
    return CRMPI_OK;
fail:
    crmpi_image_destroy(image);
    return status;
}

/* The hole that is these bytes, and was not taken before; n_holes if there is none. */
static size_t hole_of(const struct crmpi_image *image, uint64_t offset, uint64_t bytes)
{
    size_t i = part_find(image, offset);
    return i < image->n_holes && image->holes[i].start == offset &&
                   image->holes[i].bytes == bytes && !image->taken[i]
               ? i
               : image->n_holes;
}

/* The dataset has to be where the table says, or HDF5's users would see other bytes. */
enum crmpi_status crmpi_image_take_memory(struct crmpi_image *image, const char *path,
                                          const char *name, uint64_t *offset_out,
                                          uint64_t *bytes_out)
{
    hid_t set = H5Dopen2(image->file, name, H5P_DEFAULT);
    if (set < 0)
        return crmpi_hdf_failed(path, name, CRMPI_ERR_NOTFOUND);
    int64_t n = crmpi_hdf_dataset_elements(set, H5T_STD_U8LE);
    haddr_t offset = n > 0 ? H5Dget_offset(set) : 0;
    H5Dclose(set);
    size_t hole = n > 0 ? hole_of(image, offset, (uint64_t)n) : image->n_holes;
    if (n < 0 || (n > 0 && hole == image->n_holes)) {
        crmpi_error("%s is damaged: %s is not where its table says", path, name);
        return CRMPI_ERR_CORRUPT;
    }
    if (n > 0)
        image->taken[hole] = 1;
    *offset_out = offset;
    *bytes_out = (uint64_t)n;
    return CRMPI_OK;
}

int crmpi_image_all_taken(const struct crmpi_image *image)
{
    for (size_t i = 0; i < image->n_holes; i++)
        if (!image->taken[i])
            return 0;
    return 1;
}

uint64_t crmpi_image_digest(const struct crmpi_image *image)
{
    return seal_of(image)->digest;
}

uint64_t crmpi_image_bytes(const struct crmpi_image *image)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i <= image->n_holes; i++)
        bytes += image->parts[i].bytes;
    return bytes;
}

void crmpi_image_destroy(struct crmpi_image *image)
{
    if (!image)
        return;
    if (image->file >= 0)
        H5Fclose(image->file);
    for (size_t i = 0; i <= image->n_holes; i++)
        free(image->parts[i].data);
    free(image->parts);
    free(image->holes);
    free(image->taken);
    free(image);
}
