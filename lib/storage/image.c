/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An HDF5 file in memory around the data area, with its driver for HDF5, and the seal that
 * guards it in the file; see image.h.  Lower half and tools.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/checksum.h"
#include "base/log.h"
#include "storage/container.h"
#include "storage/hdf.h"
#include "storage/image.h"

#define SEAL_BYTES 4096 /* HDF5's user block: a power of two */
#define ALIGN_BYTES 4096
#define IMAGE_MAX ((uint64_t)8 << 30)
#define FILE_MAX ((uint64_t)1 << 62)
#define DRIVER_VALUE                                                                     \
    424 /* of those for drivers that are registered nowhere: 256 to 511 */

/* At the start of the file, little endian; the rest of the user block is zero. */
struct seal {
    char magic[8];
    uint32_t version, kind;
    uint64_t file_bytes;
    uint64_t data_end;
    uint64_t parent_sn, parent_digest;
    uint64_t digest; /* of all bytes of the file but itself and the data area */
};
static const char seal_magic[8] = "crmpi\r\n\032";

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
    struct crmpi_parent parent;
    struct part head, tail; /* the data area ends where the tail begins */
    uint64_t place;         /* in the data area, of what HDF5 makes room for next; or 0 */
    uint64_t end;           /* of the file, as HDF5 has set it */
};

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

/* Give out room: the superblock's in front of the data area, in it what is placed there, and
 * behind it everything else, one after the other. */
static haddr_t driver_alloc(H5FD_t *file, H5FD_mem_t type, hid_t transfer, hsize_t bytes)
{
    struct crmpi_image *image = (struct crmpi_image *)file;
    haddr_t address = image->place;
    (void)transfer;
    if (bytes > FILE_MAX)
        return HADDR_UNDEF;
    if (type == H5FD_MEM_DRAW && address) {
        image->place = 0;
        return address + bytes <= image->tail.start ? address : HADDR_UNDEF;
    }
    if (type != H5FD_MEM_SUPER && image->end < image->tail.start)
        image->end = (image->tail.start + ALIGN_BYTES - 1) / ALIGN_BYTES * ALIGN_BYTES;
    address = image->end;
    image->end += bytes;
    return address;
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
    /* HDF5 reads ahead, into the data area and behind the end; it does not look at that. */
    memset(to, 0, bytes);
    part_read(&image->head, address, bytes, to);
    part_read(&image->tail, address, bytes, to);
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
    int in_tail = address >= image->tail.start;
    struct part *part = in_tail ? &image->tail : &image->head;
    if (!in_tail && address >= CRMPI_DATA_OFFSET)
        return address + bytes <= image->tail.start ? 0 : -1; /* the bytes are there */
    if ((!in_tail && address + bytes > CRMPI_DATA_OFFSET) ||
        part_extend(part, address + bytes) != 0)
        return -1;
    memcpy(part->data + (address - part->start), from, bytes);
    return 0;
}

static const H5FD_class_t driver_class = {
#ifdef H5FD_CLASS_VERSION /* since HDF5 1.14 */
    .version = H5FD_CLASS_VERSION,
    .value = DRIVER_VALUE,
#endif
    .name = "crmpi-image",
    .maxaddr = FILE_MAX,
    .fc_degree = H5F_CLOSE_STRONG,
    .fapl_size = sizeof(struct crmpi_image *),
    .open = driver_open,
    .close = driver_close,
    .query = driver_query,
    .alloc = driver_alloc,
    .get_eoa = driver_get_end,
    .set_eoa = driver_set_end,
    .get_eof = driver_get_end,
    .read = driver_read,
    .write = driver_write,
    .fl_map = H5FD_FLMAP_DICHOTOMY, /* structures never use room that elements had */
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
        H5Pset_libver_bounds(access, H5F_LIBVER_V18, H5F_LIBVER_V18) < 0) {
        H5Pclose(access);
        return -1;
    }
    return access;
}

static struct crmpi_image *image_allocate(enum crmpi_container_kind kind,
                                          const char *path)
{
    struct crmpi_image *image = calloc(1, sizeof *image);
    if (!image) {
        crmpi_error("%s: no memory for a container", path);
        return NULL;
    }
    image->kind = kind;
    image->file = -1;
    return image;
}

enum crmpi_status crmpi_image_create(enum crmpi_container_kind kind, const char *path,
                                     uint64_t data_end, const struct crmpi_parent *parent,
                                     struct crmpi_image **image_out)
{
    enum crmpi_status status = crmpi_hdf_init();
    if (status != CRMPI_OK)
        return status;
    struct crmpi_image *image = image_allocate(kind, path);
    if (!image)
        return CRMPI_ERR_NOMEM;
    image->writable = 1;
    if (parent)
        image->parent = *parent;
    image->tail.start = data_end;
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

void crmpi_image_place(struct crmpi_image *image, uint64_t offset)
{
    image->place = offset;
}

/* The digest of the sealed file; the seal is at the start of the head. */
static uint64_t digest_of(const struct crmpi_image *image)
{
    const size_t at = offsetof(struct seal, digest), behind = sizeof(struct seal);
    struct crmpi_checksum_state state;
    crmpi_checksum_begin(&state);
    crmpi_checksum_add(&state, image->head.data, at);
    crmpi_checksum_add(&state, image->head.data + behind, image->head.bytes - behind);
    crmpi_checksum_add(&state, image->tail.data, image->tail.bytes);
    return crmpi_checksum_end(&state);
}

/* Make the parts as long as they have to be, and seal. */
static int image_seal(struct crmpi_image *image)
{
    if (image->end <= image->tail.start ||
        part_extend(&image->head, CRMPI_DATA_OFFSET) != 0 ||
        part_extend(&image->tail, image->end) != 0)
        return -1;
    struct seal *seal = (struct seal *)(void *)image->head.data;
    memcpy(seal->magic, seal_magic, sizeof seal->magic);
    seal->version = CRMPI_FORMAT_VERSION;
    seal->kind = image->kind;
    seal->file_bytes = image->end;
    seal->data_end = image->tail.start;
    seal->parent_sn = image->parent.sn;
    seal->parent_digest = image->parent.digest;
    seal->digest = digest_of(image);
    return 0;
}

static const struct seal *seal_of(const struct crmpi_image *image)
{
    return (const struct seal *)(const void *)image->head.data;
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
    enum crmpi_status status;

    if (image_seal(image) != 0) {
        crmpi_error("%s: no memory to finish the container", output->path);
        return CRMPI_ERR_NOMEM;
    }
    struct iovec head = {image->head.data, image->head.bytes};
    struct iovec tail = {image->tail.data, image->tail.bytes};
    status = crmpi_output_write(output, &tail, 1, image->tail.start);
    if (status == CRMPI_OK)
        status = crmpi_output_write(output, &head, 1, 0);
    if (status == CRMPI_OK) {
        *bytes_out = image->end;
        *digest_out = seal_of(image)->digest;
    }
    return status;
}

/* Whether a file is one of ours, in this version. */
static enum crmpi_status seal_check_kind(const struct seal *seal,
                                         enum crmpi_container_kind kind, const char *path)
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
    return CRMPI_OK;
}

/* Whether sizes and parent are possible. */
static enum crmpi_status seal_check(const struct seal *seal,
                                    enum crmpi_container_kind kind, const char *path,
                                    uint64_t file_bytes)
{
    enum crmpi_status status = seal_check_kind(seal, kind, path);
    if (status != CRMPI_OK)
        return status;
    if (seal->file_bytes != file_bytes) {
        crmpi_error("%s is damaged: it has %llu bytes and should have %llu", path,
                    (unsigned long long)file_bytes, (unsigned long long)seal->file_bytes);
        return CRMPI_ERR_CORRUPT;
    }
    if (seal->data_end < CRMPI_DATA_OFFSET || seal->data_end >= file_bytes ||
        file_bytes - seal->data_end > IMAGE_MAX ||
        (kind == CRMPI_CONTAINER_LINE && seal->data_end > CRMPI_DATA_OFFSET)) {
        crmpi_error("%s is damaged: its data cannot end at %llu", path,
                    (unsigned long long)seal->data_end);
        return CRMPI_ERR_CORRUPT;
    }
    if (seal->parent_sn > CRMPI_SN_MAX || (!seal->parent_sn && seal->parent_digest) ||
        (kind == CRMPI_CONTAINER_LINE && seal->parent_sn)) {
        crmpi_error("%s is damaged: it cannot build on checkpoint %llu", path,
                    (unsigned long long)seal->parent_sn);
        return CRMPI_ERR_CORRUPT;
    }
    return CRMPI_OK;
}

/* Fill a part with the bytes of the file from its start to end. */
static enum crmpi_status part_load(struct part *part, uint64_t end, int fd,
                                   const char *path)
{
    struct iovec all;
    if (part_extend(part, end) != 0) {
        crmpi_error("%s: no memory for %llu bytes", path,
                    (unsigned long long)(end - part->start));
        return CRMPI_ERR_NOMEM;
    }
    all.iov_base = part->data;
    all.iov_len = part->bytes;
    return crmpi_input_read(fd, path, &all, 1, part->start);
}

static enum crmpi_status image_fill(struct crmpi_image *image, int fd, const char *path,
                                    uint64_t file_bytes)
{
    struct seal seal;
    struct iovec first = {&seal, sizeof seal};
    enum crmpi_status status;

    if (file_bytes < sizeof seal) {
        crmpi_error("%s is damaged: it has only %llu bytes", path,
                    (unsigned long long)file_bytes);
        return CRMPI_ERR_CORRUPT;
    }
    if ((status = crmpi_input_read(fd, path, &first, 1, 0)) != CRMPI_OK ||
        (status = seal_check(&seal, image->kind, path, file_bytes)) != CRMPI_OK)
        return status;
    image->end = file_bytes;
    image->tail.start = seal.data_end;
    image->parent = (struct crmpi_parent){seal.parent_sn, seal.parent_digest};
    if ((status = part_load(&image->head, CRMPI_DATA_OFFSET, fd, path)) != CRMPI_OK ||
        (status = part_load(&image->tail, file_bytes, fd, path)) != CRMPI_OK)
        return status;
    if (memcmp(image->head.data, &seal, sizeof seal) != 0 ||
        digest_of(image) != seal.digest) {
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

uint64_t crmpi_image_data_end(const struct crmpi_image *image)
{
    return image->tail.start;
}

struct crmpi_parent crmpi_image_parent(const struct crmpi_image *image)
{
    return image->parent;
}

uint64_t crmpi_image_digest(const struct crmpi_image *image)
{
    return seal_of(image)->digest;
}

uint64_t crmpi_image_bytes(const struct crmpi_image *image)
{
    return image->head.bytes + image->tail.bytes;
}

void crmpi_image_destroy(struct crmpi_image *image)
{
    if (!image)
        return;
    if (image->file >= 0)
        H5Fclose(image->file);
    free(image->head.data);
    free(image->tail.data);
    free(image);
}

enum crmpi_status crmpi_seal_parent(const char *path, struct crmpi_parent *parent_out)
{
    struct seal seal;
    struct iovec all = {&seal, sizeof seal};
    enum crmpi_status status;
    uint64_t bytes;
    int fd;

    if (access(path, F_OK) != 0 && errno == ENOENT)
        return CRMPI_ERR_NOTFOUND;
    if ((status = crmpi_input_open(path, &fd, &bytes)) != CRMPI_OK)
        return status;
    status = crmpi_input_read(fd, path, &all, 1, 0);
    close(fd);
    if (status == CRMPI_OK)
        status = seal_check(&seal, CRMPI_CONTAINER_RANK, path, bytes);
    if (status == CRMPI_OK)
        *parent_out = (struct crmpi_parent){seal.parent_sn, seal.parent_digest};
    return status;
}
