/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The list of the application's files (see inodes.h).  Lower half.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/log.h"
#include "boundary/control.h"
#include "files/inodes.h"
#include "interaction/cut.h"

#define MQUEUE_MAGIC 0x19800202
#define PAGE 4096ul
#define ALL_FLAGS                                                                          \
    (uint32_t)(CRMPI_INODE_WRITTEN | CRMPI_INODE_WHOLE | CRMPI_INODE_IN_PLACE |            \
               CRMPI_INODE_MAPPED | CRMPI_INODE_BY_MPI)
#define MAX_INODES ((uint64_t)1 << 20)
#define MAX_BLOCKS ((uint64_t)1 << 34)

static const struct {
    uint64_t type;
    const char *name;
} systems[] = {
    {PROC_SUPER_MAGIC, "procfs"},     {SYSFS_MAGIC, "sysfs"},
    {CGROUP2_SUPER_MAGIC, "cgroup2"}, {CGROUP_SUPER_MAGIC, "cgroup"},
    {DEBUGFS_MAGIC, "debugfs"},       {TRACEFS_MAGIC, "tracefs"},
    {SECURITYFS_MAGIC, "securityfs"}, {MQUEUE_MAGIC, "a POSIX message queue"},
    {NSFS_MAGIC, "a namespace"},      {PIPEFS_MAGIC, "pipefs"},
    {SOCKFS_MAGIC, "sockfs"},         {ANON_INODE_FS_MAGIC, "anon_inode"},
    {BPF_FS_MAGIC, "bpffs"},          {SECRETMEM_MAGIC, "secret memory"},
    {HUGETLBFS_MAGIC, "huge pages"},  {BINFMTFS_MAGIC, "binfmt_misc"},
    {EFIVARFS_MAGIC, "efivarfs"},     {DEVPTS_SUPER_MAGIC, "devpts"},
    {PSTOREFS_MAGIC, "pstore"},       {SELINUX_MAGIC, "selinuxfs"},
};

const char *crmpi_file_system_name(uint64_t type, char text_out[32])
{
    for (size_t i = 0; i < sizeof systems / sizeof *systems; i++)
        if (systems[i].type == type)
            return systems[i].name;
    snprintf(text_out, 32, "file system type %#lx", type);
    return text_out;
}

/* What has no room for files is made up by the kernel; but for those in memory, which may
 * have no limit. */
int crmpi_file_system_keeps(int fd, uint64_t id_out[2])
{
    struct statfs about;

    if (fstatfs(fd, &about) != 0)
        return 0;
    id_out[0] = (uint64_t)about.f_type;
    memcpy(&id_out[1], &about.f_fsid, sizeof id_out[1]);
    if (about.f_type == TMPFS_MAGIC || about.f_type == RAMFS_MAGIC)
        return 1;
    for (size_t i = 0; i < sizeof systems / sizeof *systems; i++)
        if (systems[i].type == (uint64_t)about.f_type)
            return 0;
    return about.f_blocks > 0;
}

static int64_t ns_of(const struct timespec *time)
{
    return time->tv_sec * 1000000000l + time->tv_nsec;
}

static int list_grow(struct crmpi_inodes *inodes)
{
    size_t room = inodes->room ? 2 * inodes->room : 64;
    void *list, *sources, *hashes;

    if (inodes->n < inodes->room)
        return 0;
    if ((list = reallocarray(inodes->list, room, sizeof *inodes->list)))
        inodes->list = list;
    if ((sources = reallocarray(inodes->sources, room, sizeof *inodes->sources)))
        inodes->sources = sources;
    if ((hashes = reallocarray(inodes->hashes, room, sizeof *inodes->hashes)))
        inodes->hashes = hashes;
    if (!list || !sources || !hashes)
        return -1;
    inodes->room = room;
    return 0;
}

/* Whether the name still leads to the file. */
static int is_named(const struct crmpi_inode *inode)
{
    struct stat named;

    return inode->path[0] == '/' && stat(inode->path, &named) == 0 &&
           named.st_dev == inode->device && named.st_ino == inode->inode;
}

static enum crmpi_status kind_find(struct crmpi_inode *inode, int fd, char *what,
                                   size_t what_bytes)
{
    char name[32];

    if (strncmp(inode->path, "/memfd:", 7) == 0) {
        int seals = fcntl(fd, F_GET_SEALS);

        inode->kind = CRMPI_INODE_MEMFD;
        inode->seals = seals < 0 ? 0 : (uint32_t)seals;
        if (inode->file_system[0] == TMPFS_MAGIC)
            return CRMPI_OK;
        snprintf(what, what_bytes, "a memfd of huge pages, which cannot be restored");
        return CRMPI_ERR_UNSUPPORTED;
    }
    if (!crmpi_file_system_keeps(fd, inode->file_system)) {
        snprintf(what, what_bytes, "of a kind that cannot be restored: %s",
                 crmpi_file_system_name(inode->file_system[0], name));
        return CRMPI_ERR_UNSUPPORTED;
    }
    inode->kind = is_named(inode) ? CRMPI_INODE_NAMED : CRMPI_INODE_UNLINKED;
    return CRMPI_OK;
}

enum crmpi_status crmpi_inodes_add(struct crmpi_inodes *inodes, int fd,
                                   const struct stat *about, const char *path,
                                   uint32_t flags, size_t *index_out, char *what,
                                   size_t what_bytes)
{
    int access = fcntl(fd, F_GETFL) & (O_ACCMODE | O_PATH);
    size_t i = 0;

    while (i < inodes->n && (inodes->sources[i].device != about->st_dev ||
                             inodes->sources[i].inode != about->st_ino))
        i++;
    if (i == inodes->n) {
        if (list_grow(inodes) != 0)
            return CRMPI_ERR_NOMEM;
        struct crmpi_inode *inode = &inodes->list[i];

        *inode = (struct crmpi_inode){.mode = about->st_mode & 07777,
                                      .user = about->st_uid,
                                      .group = about->st_gid,
                                      .device = about->st_dev,
                                      .inode = about->st_ino,
                                      .bytes = (uint64_t)about->st_size,
                                      .modified_ns = ns_of(&about->st_mtim),
                                      .changed_ns = ns_of(&about->st_ctim)};
        snprintf(inode->path, sizeof inode->path, "%s", path);
        crmpi_file_system_keeps(fd, inode->file_system);
        enum crmpi_status status = kind_find(inode, fd, what, what_bytes);

        if (status != CRMPI_OK)
            return status;
        inodes->sources[i] = (struct crmpi_inode_source){
            .device = about->st_dev, .inode = about->st_ino, .fd = -1};
        inodes->hashes[i] = NULL;
        inodes->n++;
    }
    struct crmpi_inode_source *source = &inodes->sources[i];

    inodes->list[i].flags |= flags;
    if (!(access & O_PATH) && !source->is_readable) {
        source->fd = fd;
        source->is_readable = access != O_WRONLY;
    }
    *index_out = i;
    return CRMPI_OK;
}

/* Of file systems of one machine, and of those that keep the caches of all nodes alike. */
static int is_coherent(uint64_t type)
{
    static const uint64_t types[] = {
        EXT4_SUPER_MAGIC,  XFS_SUPER_MAGIC,       BTRFS_SUPER_MAGIC, TMPFS_MAGIC,
        RAMFS_MAGIC,       OVERLAYFS_SUPER_MAGIC, F2FS_SUPER_MAGIC,  0x2fc12fc1 /* ZFS */,
        0x0bd00bd0 /* Lustre */, 0x47504653 /* GPFS */, CEPH_SUPER_MAGIC,
    };
    size_t i = 0;

    while (i < sizeof types / sizeof *types && types[i] != type)
        i++;
    return i < sizeof types / sizeof *types;
}

enum crmpi_status crmpi_inodes_add_shared(struct crmpi_inodes *inodes, const char *path,
                                          uint32_t flags)
{
    char *name = realpath(path, NULL), what[128];
    int fd = name ? open(name, O_PATH | O_CLOEXEC) : -1;
    enum crmpi_status status = CRMPI_OK;
    uint64_t system[2] = {0};
    struct stat about;
    size_t i;

    if (fd >= 0 && fstat(fd, &about) == 0 && S_ISREG(about.st_mode) &&
        crmpi_file_system_keeps(fd, system) && is_coherent(system[0]))
        status = crmpi_inodes_add(inodes, fd, &about, name, flags | CRMPI_INODE_BY_MPI, &i,
                                  what, sizeof what);
    if (fd >= 0)
        close(fd);
    free(name);
    return status;
}

/*
 * Shared mappings
 */

/* A line of /proc/self/maps that is a shared mapping of a file; 1 if so. */
static int mapping_parse(const char *line, struct crmpi_inode_source *source_out,
                         char *path_out, uint64_t *inode_out, int *writable_out)
{
    char writable, shared;
    int name = 0;

    if (sscanf(line, "%lx-%lx %*c%c%*c%c %*x %*s %lu %n", &source_out->start,
               &source_out->end, &writable, &shared, inode_out, &name) < 5 ||
        name == 0 || shared != 's' || *inode_out == 0 ||
        !crmpi_is_application(source_out->start) || crmpi_is_file_part(source_out->start) ||
        line[name] != '/' || strncmp(line + name, "/dev/zero (deleted)", 19) == 0 ||
        strncmp(line + name, "/SYSV", 5) == 0)
        return 0;
    snprintf(path_out, 4096, "%.*s", (int)strcspn(line + name, "\n"), line + name);
    *writable_out = writable == 'w';
    return 1;
}

/* The file of a mapping is among those that are open, or has a name, or the kernel lets us
 * have it by its mapping. */
static enum crmpi_status mapping_add(struct crmpi_inodes *inodes,
                                     const struct crmpi_inode_source *source,
                                     const char *path, uint64_t number, int writable,
                                     char *why, size_t why_bytes)
{
    uint32_t flags = CRMPI_INODE_MAPPED | (writable ? CRMPI_INODE_WRITTEN : 0);
    char link[64], what[128] = "";
    struct stat about;
    size_t i = 0;

    while (i < inodes->n && (inodes->list[i].inode != number ||
                             strcmp(inodes->list[i].path, path) != 0))
        i++;
    if (i < inodes->n) {
        inodes->list[i].flags |= flags;
        inodes->sources[i].start = source->start;
        inodes->sources[i].end = source->end;
        return CRMPI_OK;
    }
    snprintf(link, sizeof link, "/proc/self/map_files/%lx-%lx", source->start,
             source->end);
    int fd = open(path, O_PATH | O_CLOEXEC);

    if (fd >= 0 && (fstat(fd, &about) != 0 || about.st_ino != number)) {
        close(fd);
        fd = -1;
    }
    if (fd < 0)
        fd = open(link, O_PATH | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &about) != 0) {
        snprintf(why, why_bytes,
                 "%s is mapped shared at %#lx, and has neither a name nor a descriptor: "
                 "keep a descriptor of it open",
                 path, source->start);
        if (fd >= 0)
            close(fd);
        return CRMPI_ERR_UNSUPPORTED;
    }
    enum crmpi_status status = CRMPI_OK;

    if (S_ISREG(about.st_mode)) /* others are refused where memory is surveyed */
        status = crmpi_inodes_add(inodes, fd, &about, path, flags, &i, what, sizeof what);
    if (status == CRMPI_OK && S_ISREG(about.st_mode)) {
        inodes->sources[i].start = source->start;
        inodes->sources[i].end = source->end;
    }
    if (status == CRMPI_ERR_UNSUPPORTED)
        snprintf(why, why_bytes, "%s, which is mapped shared, is %s", path, what);
    close(fd);
    return status;
}

/* Views of windows are no files of the application's. */
static int is_view(const struct crmpi_window_segment *windows, size_t n, uint64_t start)
{
    for (size_t i = 0; i < n; i++)
        if (start >= windows[i].view_start &&
            start - windows[i].view_start < windows[i].view_bytes)
            return 1;
    return 0;
}

enum crmpi_status crmpi_inodes_add_mapped(struct crmpi_inodes *inodes, char *why,
                                          size_t why_bytes)
{
    FILE *maps = fopen("/proc/self/maps", "re");
    struct crmpi_window_segment *windows = NULL;
    size_t n_windows = 0;
    enum crmpi_status status =
        maps ? crmpi_cut.segments_list(&windows, &n_windows) : CRMPI_ERR_SYSTEM;
    char line[4096 + 256], path[4096];
    struct crmpi_inode_source source = {.fd = -1};
    uint64_t number;
    int writable;

    while (status == CRMPI_OK && fgets(line, sizeof line, maps))
        if (mapping_parse(line, &source, path, &number, &writable) &&
            !is_view(windows, n_windows, source.start))
            status = mapping_add(inodes, &source, path, number, writable, why, why_bytes);
    if (maps)
        fclose(maps);
    free(windows);
    return status;
}

/*
 * The record
 */

enum crmpi_status crmpi_inodes_pack(const struct crmpi_inodes *inodes, void **data_out,
                                    size_t *bytes_out)
{
    size_t bytes = 8 + inodes->n * sizeof *inodes->list;
    char *data, *at;

    for (size_t i = 0; i < inodes->n; i++)
        bytes += inodes->list[i].n_blocks * sizeof(struct crmpi_hash);
    if (!(data = at = malloc(bytes)))
        return CRMPI_ERR_NOMEM;
    *(uint64_t *)data = inodes->n;
    if (inodes->n)
        memcpy(data + 8, inodes->list, inodes->n * sizeof *inodes->list);
    at += 8 + inodes->n * sizeof *inodes->list;
    for (size_t i = 0; i < inodes->n; i++) {
        size_t n = inodes->list[i].n_blocks * sizeof(struct crmpi_hash);

        if (n)
            memcpy(at, inodes->hashes[i], n);
        at += n;
    }
    *data_out = data;
    *bytes_out = bytes;
    return CRMPI_OK;
}

/* Saved parts lie in pages of their own, where contents of files do. */
static int parts_are_sound(const struct crmpi_inode *inode)
{
    for (uint32_t i = 0; i < inode->n_parts; i++)
        if (inode->parts[i].offset > inode->bytes ||
            inode->parts[i].bytes > inode->bytes - inode->parts[i].offset ||
            !crmpi_is_file_part(inode->parts[i].address) ||
            inode->parts[i].address % PAGE != 0 ||
            inode->parts[i].bytes > CRMPI_U1 - inode->parts[i].address)
            return 0;
    if (!(inode->flags & CRMPI_INODE_WHOLE))
        return 1;
    return inode->bytes == 0 ? inode->n_parts == 0
                             : inode->n_parts == 1 && inode->parts[0].bytes == inode->bytes;
}

static int inode_is_sound(const struct crmpi_inode *inode)
{
    return inode->kind >= CRMPI_INODE_NAMED && inode->kind <= CRMPI_INODE_MEMFD &&
           !(inode->flags & ~ALL_FLAGS) && inode->n_parts <= CRMPI_INODE_PARTS &&
           inode->n_blocks <= MAX_BLOCKS && inode->bytes <= INT64_MAX &&
           memchr(inode->path, 0, sizeof inode->path) &&
           (inode->kind != CRMPI_INODE_NAMED || inode->path[0] == '/') &&
           (!inode->n_blocks ||
            inode->n_blocks ==
                (inode->bytes + CRMPI_INODE_BLOCK - 1) / CRMPI_INODE_BLOCK) &&
           parts_are_sound(inode);
}

/* Of all @p n, which lie in front of the hashes. */
static size_t hashes_bytes(const struct crmpi_inode *list, uint64_t n)
{
    size_t bytes = 0;

    for (uint64_t i = 0; i < n; i++)
        bytes += list[i].n_blocks * sizeof(struct crmpi_hash);
    return bytes;
}

enum crmpi_status crmpi_inodes_unpack(const void *data, size_t bytes,
                                      struct crmpi_inodes *inodes_out)
{
    const uint64_t *n = data;
    struct crmpi_inodes inodes = {0};

    if (bytes < 8 || *n > MAX_INODES || bytes - 8 < *n * sizeof *inodes.list)
        goto corrupt;
    const struct crmpi_inode *list = (const struct crmpi_inode *)(n + 1);
    const char *at = (const char *)(list + *n);

    for (uint64_t i = 0; i < *n; i++)
        if (!inode_is_sound(&list[i]))
            goto corrupt;
    if (hashes_bytes(list, *n) != bytes - 8 - *n * sizeof *list)
        goto corrupt;
    inodes.list = malloc((*n + 1) * sizeof *list);
    inodes.sources = calloc(*n + 1, sizeof *inodes.sources);
    inodes.hashes = calloc(*n + 1, sizeof *inodes.hashes);
    if (!inodes.list || !inodes.sources || !inodes.hashes) {
        crmpi_inodes_fini(&inodes);
        return CRMPI_ERR_NOMEM;
    }
    memcpy(inodes.list, list, *n * sizeof *list);
    for (; inodes.n < *n; inodes.n++) {
        size_t n_bytes = list[inodes.n].n_blocks * sizeof(struct crmpi_hash);

        inodes.sources[inodes.n] = (struct crmpi_inode_source){
            .device = list[inodes.n].device, .inode = list[inodes.n].inode, .fd = -1};
        if (n_bytes && !(inodes.hashes[inodes.n] = malloc(n_bytes))) {
            crmpi_inodes_fini(&inodes);
            return CRMPI_ERR_NOMEM;
        }
        if (n_bytes)
            memcpy(inodes.hashes[inodes.n], at, n_bytes);
        at += n_bytes;
    }
    *inodes_out = inodes;
    return CRMPI_OK;
corrupt:
    crmpi_error("the checkpoint's list of files is damaged");
    return CRMPI_ERR_CORRUPT;
}

void crmpi_inodes_fini(struct crmpi_inodes *inodes)
{
    for (size_t i = 0; inodes->hashes && i < inodes->n; i++)
        free(inodes->hashes[i]);
    free(inodes->list);
    free(inodes->sources);
    free(inodes->hashes);
    *inodes = (struct crmpi_inodes){0};
}
