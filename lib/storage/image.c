/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An HDF5 file in memory around a hole, with its driver for HDF5, and the seal that
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
#define MEMORY_NAME "/task/memory"

/* At the start of the file, little endian; the rest of the user block is zero. */
struct seal {
    char magic[8];
    uint32_t version, kind;
    uint64_t file_bytes;
    uint64_t memory_offset, memory_bytes; /* file_bytes and 0 without /task/memory */
    uint64_t digest; /* of all bytes of the file but itself and the memory */
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
    struct part low, high;
    uint64_t hole_start, hole_bytes; /* UINT64_MAX, 0 while there is no hole */
    uint64_t end;                    /* of the file, as HDF5 has set it */
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
        uint64_t room = part->room ? part->room : 65536;
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
    /* HDF5 reads ahead, into the hole and behind the end; it does not look at that. */
    memset(to, 0, bytes);
    part_read(&image->low, address, bytes, to);
    part_read(&image->high, address, bytes, to);
    return 0;
}

static herr_t driver_write(H5FD_t *file, H5FD_mem_t type, hid_t transfer, haddr_t address,
                           size_t bytes, const void *from)
{
    struct crmpi_image *image = (struct crmpi_image *)file;
    struct part *part = &image->low;
    (void)type;
    (void)transfer;
    if (!image->writable || address > FILE_MAX || bytes > IMAGE_MAX)
        return -1;
    if (address >= image->high.start)
        part = &image->high;
    else if (address + bytes > image->hole_start)
        return -1;
    if (part_extend(part, address + bytes) != 0)
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
    if (!image) {
        crmpi_error("%s: no memory for a container", path);
        return NULL;
    }
    image->kind = kind;
    image->file = -1;
    image->hole_start = image->high.start = UINT64_MAX;
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

enum crmpi_status crmpi_image_add_memory(struct crmpi_image *image, const char *path,
                                         uint64_t bytes, uint64_t *offset_out)
{
    hid_t set = crmpi_hdf_dataset_create(image->file, MEMORY_NAME, H5T_STD_U8LE, bytes);
    if (set < 0)
        return crmpi_hdf_failed(path, MEMORY_NAME, CRMPI_ERR_INTERNAL);
    haddr_t offset = H5Dget_offset(set);
    H5Dclose(set);
    *offset_out = 0;
    if (bytes == 0)
        return CRMPI_OK;
    if (offset == HADDR_UNDEF || offset < image->low.bytes || offset > FILE_MAX - bytes)
        return crmpi_hdf_failed(path, "no room for " MEMORY_NAME, CRMPI_ERR_INTERNAL);
    image->hole_start = offset;
    image->hole_bytes = bytes;
    image->high.start = offset + bytes;
    *offset_out = offset;
    return CRMPI_OK;
}

/* The digest of the sealed file; the seal is at the start of low. */
static uint64_t digest_of(const struct crmpi_image *image)
{
    const size_t at = offsetof(struct seal, digest), behind = sizeof(struct seal);
    struct crmpi_checksum_state state;
    crmpi_checksum_begin(&state);
    crmpi_checksum_add(&state, image->low.data, at);
    crmpi_checksum_add(&state, image->low.data + behind, image->low.bytes - behind);
    if (image->high.bytes)
        crmpi_checksum_add(&state, image->high.data, image->high.bytes);
    return crmpi_checksum_end(&state);
}

static enum crmpi_status part_write(const struct part *part,
                                    const struct crmpi_output *output)
{
    struct iovec all = {part->data, part->bytes};
    return part->bytes ? crmpi_output_write(output, &all, 1, part->start) : CRMPI_OK;
}

enum crmpi_status crmpi_image_store(struct crmpi_image *image,
                                    const struct crmpi_output *output,
                                    uint64_t *bytes_out)
{
    hid_t file = image->file;
    enum crmpi_status status;

    image->file = -1;
    if (H5Fclose(file) < 0)
        return crmpi_hdf_failed(output->path, "cannot finish the HDF5 file",
                                CRMPI_ERR_INTERNAL);
    int hole = image->hole_bytes > 0;
    if (image->low.bytes < SEAL_BYTES || image->end < image->hole_bytes ||
        (hole && image->end < image->high.start) ||
        part_extend(&image->low, hole ? image->hole_start : image->end) != 0 ||
        (hole && part_extend(&image->high, image->end) != 0)) {
        crmpi_error("%s: no memory to finish the container", output->path);
        return CRMPI_ERR_NOMEM;
    }
    struct seal *seal = (struct seal *)(void *)image->low.data;
    memcpy(seal->magic, seal_magic, sizeof seal->magic);
    seal->version = CRMPI_FORMAT_VERSION;
    seal->kind = image->kind;
    seal->file_bytes = image->end;
    seal->memory_offset = hole ? image->hole_start : image->end;
    seal->memory_bytes = image->hole_bytes;
    seal->digest = digest_of(image);
    if ((status = part_write(&image->low, output)) != CRMPI_OK ||
        (hole && (status = part_write(&image->high, output)) != CRMPI_OK))
        return status;
    *bytes_out = image->end;
    return CRMPI_OK;
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
        crmpi_error("%s has format version %u, and this crmpi reads version %u", path,
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
    if (seal->memory_offset < SEAL_BYTES || seal->memory_offset > file_bytes ||
        seal->memory_bytes > file_bytes - seal->memory_offset ||
        file_bytes - seal->memory_bytes > IMAGE_MAX) {
        crmpi_error("%s is damaged: its memory cannot be where its header says", path);
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
        (status = seal_check(&seal, image->kind, path, file_bytes)) != CRMPI_OK)
        return status;
    image->end = file_bytes;
    image->hole_start = seal.memory_offset;
    image->hole_bytes = seal.memory_bytes;
    image->high.start = seal.memory_offset + seal.memory_bytes;
    if ((status = part_load(&image->low, image->hole_start, fd, path)) != CRMPI_OK ||
        (status = part_load(&image->high, file_bytes, fd, path)) != CRMPI_OK)
        return status;
    if (memcmp(image->low.data, &seal, sizeof seal) != 0 ||
        digest_of(image) != seal.digest) {
        crmpi_error("%s is damaged: the digest of its tables and records is wrong", path);
        return CRMPI_ERR_CORRUPT;
    }
    return CRMPI_OK;
}

/* The dataset has to be where the seal says, or HDF5's users would see other bytes. */
static enum crmpi_status memory_check(const struct crmpi_image *image, const char *path)
{
    int64_t n;
    hid_t set = H5Dopen2(image->file, MEMORY_NAME, H5P_DEFAULT);
    if (set < 0)
        return crmpi_hdf_failed(path, MEMORY_NAME " is missing", CRMPI_ERR_CORRUPT);
    n = crmpi_hdf_dataset_elements(set, H5T_STD_U8LE);
    haddr_t offset = H5Dget_offset(set);
    H5Dclose(set);
    if (n < 0 || (uint64_t)n != image->hole_bytes ||
        (n > 0 && offset != image->hole_start)) {
        crmpi_error("%s is damaged: " MEMORY_NAME " is not where the header says", path);
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
    if (kind == CRMPI_CONTAINER_RANK && (status = memory_check(image, path)) != CRMPI_OK)
        goto fail;
    *image_out = image;
    return CRMPI_OK;
fail:
    crmpi_image_destroy(image);
    return status;
}

void crmpi_image_memory(const struct crmpi_image *image, uint64_t *offset_out,
                        uint64_t *bytes_out)
{
    *offset_out = image->hole_start;
    *bytes_out = image->hole_bytes;
}

uint64_t crmpi_image_bytes(const struct crmpi_image *image)
{
    return image->low.bytes + image->high.bytes;
}

void crmpi_image_destroy(struct crmpi_image *image)
{
    if (!image)
        return;
    if (image->file >= 0)
        H5Fclose(image->file);
    free(image->low.data);
    free(image->high.data);
    free(image);
}
