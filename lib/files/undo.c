/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * See undo.h.  Lower half, at a restart.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <linux/fs.h>

#include "base/checksum.h"
#include "base/config.h"
#include "base/log.h"
#include "base/pathmap.h"
#include "files/journal.h"
#include "files/undo.h"
#include "files/undone.h"
#include "net/gather.h"
#include "storage/directory.h"

#define MAX_LOG_BYTES ((off_t)1 << 30)

/* A note of this rank's that is the first of its name here. */
struct entry {
    struct crmpi_note note;
    uint64_t sn, epoch; /* of its log */
    char *name, *target;
    size_t order; /* of the rank's notes */
    int counts;   /* no other rank touched the name before */
};

/* What all ranks know of a name. */
struct known {
    uint64_t name; /* its digest */
    int64_t time_ns;
    uint32_t rank, kind;
    uint64_t sn, epoch, size;
    uint32_t kept, unused;
};

struct crmpi_undo {
    uint32_t world_rank;
    uint64_t sn;
    struct crmpi_undone undone; /* by restarts before */
    struct entry *entries;
    size_t n, room;
    struct known *all; /* by name; the first is the one that counts */
    size_t n_all;
};

/* A log of the rank's. */
struct log {
    uint64_t sn, epoch;
};

static uint64_t digest_of(const char *name)
{
    return crmpi_checksum(name, strlen(name));
}

/*
 * Reading
 */

static int log_compare(const void *a, const void *b)
{
    const struct log *x = a, *y = b;

    if (x->sn != y->sn)
        return x->sn < y->sn ? -1 : 1;
    return (x->epoch > y->epoch) - (x->epoch < y->epoch);
}

/* Whether a restart has undone what the log tells of. */
static int is_undone(const struct crmpi_undone *undone, uint64_t sn, uint64_t epoch)
{
    for (uint64_t i = epoch - (epoch > 0); i < undone->n_done; i++)
        if (sn >= undone->from[i])
            return 1;
    return 0;
}

/* The rank's logs that count, in order; what has been undone before is dropped. */
static struct log *logs_list(uint32_t world_rank, const struct crmpi_undone *undone,
                             size_t *n_out)
{
    char folder[CRMPI_PATH_BYTES + 32];
    struct log *list = NULL;
    size_t n = 0;

    snprintf(folder, sizeof folder, "%s/ranks/%06u", crmpi_config.dir, world_rank);
    DIR *all = opendir(folder);

    for (struct dirent *entry; all && (entry = readdir(all));) {
        unsigned long long sn, epoch;
        int end = 0;

        if (!crmpi_name_is_note(entry->d_name) ||
            sscanf(entry->d_name, "%llu-%llu%n", &sn, &epoch, &end) != 2)
            continue;
        if (is_undone(undone, sn, epoch)) {
            unlinkat(dirfd(all), entry->d_name, 0);
            continue;
        }
        if (strcmp(entry->d_name + end, ".log") != 0)
            continue;
        struct log *more = reallocarray(list, n + 1, sizeof *list);

        if (!more)
            break;
        list = more;
        list[n++] = (struct log){sn, epoch};
    }
    if (all)
        closedir(all);
    if (n > 1)
        qsort(list, n, sizeof *list, log_compare);
    *n_out = n;
    return list;
}

/* Files cannot be as they were at a checkpoint if a restart has gone back to one before it:
 * what the job had done to them until then is dropped. */
static enum crmpi_status way_check(const struct crmpi_undo *undo, uint64_t epoch,
                                   const struct log *logs, size_t n_logs, int accept)
{
    uint64_t back = UINT64_MAX;

    for (uint64_t i = epoch - (epoch > 0); i < undo->undone.n; i++)
        if (undo->undone.from[i] < back)
            back = undo->undone.from[i];
    for (size_t i = 0; i < n_logs; i++)
        if (logs[i].epoch > epoch && logs[i].sn < back)
            back = logs[i].sn;
    if (back >= undo->sn)
        return CRMPI_OK;
    if (accept)
        crmpi_warn("files are not as they were at checkpoint %llu: a restart went back to "
                   "checkpoint %llu",
                   (unsigned long long)undo->sn, (unsigned long long)back);
    else
        crmpi_error("files cannot be brought back to checkpoint %llu: a restart went back to "
                    "checkpoint %llu, and undid what became of them after it; use --at %llu, "
                    "or --accept-files to go on with files as they are",
                    (unsigned long long)undo->sn, (unsigned long long)back,
                    (unsigned long long)back);
    return accept ? CRMPI_OK : CRMPI_ERR_UNFIT;
}

static enum crmpi_status entry_add(struct crmpi_undo *undo, const struct log *log,
                                   const struct crmpi_note *note)
{
    const char *text = (const char *)(note + 1);
    struct entry entry = {.note = *note, .sn = log->sn, .epoch = log->epoch};
    char mapped[CRMPI_PATH_BYTES];

    snprintf(mapped, sizeof mapped, "%s", text);
    crmpi_path_map(mapped, sizeof mapped);
    if (undo->n == undo->room) {
        size_t room = undo->room ? 2 * undo->room : 64;
        void *more = reallocarray(undo->entries, room, sizeof *undo->entries);

        if (!more)
            return CRMPI_ERR_NOMEM;
        undo->entries = more;
        undo->room = room;
    }
    entry.order = undo->n;
    entry.name = strdup(mapped);
    entry.target = strdup(note->kind == CRMPI_NOTE_LINK ? text + note->name_bytes : "");
    if (!entry.name || !entry.target)
        return CRMPI_ERR_NOMEM;
    undo->entries[undo->n++] = entry;
    return CRMPI_OK;
}

/* Whether a whole note lies there; one that a crash has cut off is none. */
static int note_is_sound(const struct crmpi_note *note, size_t left)
{
    const char *text = (const char *)(note + 1);

    if (left < sizeof *note || note->magic != CRMPI_NOTE_MAGIC ||
        note->bytes < sizeof *note || note->bytes > left || note->bytes % 8 ||
        note->name_bytes < 2 || note->name_bytes > note->bytes - sizeof *note ||
        note->digest != crmpi_checksum(&note->bytes,
                                       note->bytes - offsetof(struct crmpi_note, bytes)))
        return 0;
    return text[0] == '/' && text[note->name_bytes - 1] == 0 &&
           (note->kind != CRMPI_NOTE_LINK ||
            memchr(text + note->name_bytes, 0,
                   note->bytes - sizeof *note - note->name_bytes));
}

static enum crmpi_status log_read(struct crmpi_undo *undo, const struct log *log)
{
    char path[CRMPI_PATH_BYTES + 64];
    enum crmpi_status status = CRMPI_OK;
    struct stat about;
    char *data = NULL;

    if (crmpi_journal_path(path, sizeof path, undo->world_rank, log->sn, log->epoch,
                           ".log") != 0)
        return CRMPI_ERR_USAGE;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

    if (fd < 0 || fstat(fd, &about) != 0 || !S_ISREG(about.st_mode) ||
        about.st_size > MAX_LOG_BYTES || !(data = malloc((size_t)about.st_size + 1)) ||
        read(fd, data, (size_t)about.st_size) != about.st_size) {
        crmpi_error("cannot read %s: %s", path, strerror(errno));
        status = CRMPI_ERR_IO;
    }
    for (size_t at = 0, left = status == CRMPI_OK ? (size_t)about.st_size : 0;
         status == CRMPI_OK && note_is_sound((void *)(data + at), left);) {
        const struct crmpi_note *note = (const struct crmpi_note *)(data + at);

        status = entry_add(undo, log, note);
        at += note->bytes;
        left -= note->bytes;
    }
    free(data);
    if (fd >= 0)
        close(fd);
    return status;
}

static void entry_free(struct entry *entry)
{
    free(entry->name);
    free(entry->target);
}

static int entry_compare(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    int order = strcmp(x->name, y->name);

    return order ? order : (x->order > y->order) - (x->order < y->order);
}

/* Whether a note only tells of a file that it stays where it is: then a later one may tell
 * where it has been kept. */
static int is_weak(uint32_t kind)
{
    return kind == CRMPI_NOTE_LENGTH || kind == CRMPI_NOTE_SAVED;
}

static int tells_where(uint32_t kind)
{
    return kind == CRMPI_NOTE_KEPT || kind == CRMPI_NOTE_COPIED || kind == CRMPI_NOTE_LOST;
}

/* Of a name that was noted before: a length goes with the file, wherever that was kept; and a
 * directory may not only have been touched, but moved. */
static void entry_join(struct entry *first, struct entry *later)
{
    if ((is_weak(first->note.kind) && tells_where(later->note.kind)) ||
        (first->note.kind == CRMPI_NOTE_DIRECTORY &&
         later->note.kind == CRMPI_NOTE_LOST)) {
        later->note.size = first->note.size;
        later->note.time_ns = first->note.time_ns;
        entry_free(first);
        *first = *later;
    } else {
        entry_free(later);
    }
}

/* By their names; of each the first note is what counts. */
static void entries_sort(struct crmpi_undo *undo)
{
    size_t kept = 0;

    if (undo->n > 1)
        qsort(undo->entries, undo->n, sizeof *undo->entries, entry_compare);
    for (size_t i = 0; i < undo->n; i++)
        if (kept > 0 && strcmp(undo->entries[kept - 1].name, undo->entries[i].name) == 0)
            entry_join(&undo->entries[kept - 1], &undo->entries[i]);
        else
            undo->entries[kept++] = undo->entries[i];
    undo->n = kept;
}

/*
 * Whose note counts
 */

static int known_compare(const void *a, const void *b)
{
    const struct known *x = a, *y = b;

    if (x->name != y->name)
        return x->name < y->name ? -1 : 1;
    if (x->time_ns != y->time_ns)
        return x->time_ns < y->time_ns ? -1 : 1;
    return (x->rank > y->rank) - (x->rank < y->rank);
}

static const struct known *known_find(const struct crmpi_undo *undo, uint64_t name)
{
    size_t low = 0, high = undo->n_all;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (undo->all[middle].name < name)
            low = middle + 1;
        else
            high = middle;
    }
    return low < undo->n_all && undo->all[low].name == name ? &undo->all[low] : NULL;
}

/* Among the notes of a name, by time: the first counts, but for a length, which goes with
 * the file to where another rank has kept it. */
static void names_settle(struct crmpi_undo *undo)
{
    struct known *all = undo->all;

    for (size_t i = 0, end; i < undo->n_all; i = end) {
        size_t k = i;

        for (end = i + 1; end < undo->n_all && all[end].name == all[i].name;)
            end++;
        while (k < end && is_weak(all[k].kind))
            k++;
        if (k == i || k == end || !tells_where(all[k].kind))
            continue;
        all[k].size = all[i].size;
        all[i] = all[k];
    }
}

/* Where there was no folder there was nothing in it, whatever has been noted since. */
static int is_below_absent(const struct crmpi_undo *undo, const char *name)
{
    char folder[CRMPI_PATH_BYTES];

    snprintf(folder, sizeof folder, "%s", name);
    for (char *slash; (slash = strrchr(folder, '/')) && slash != folder;) {
        const struct known *known;

        *slash = 0;
        known = known_find(undo, digest_of(folder));
        if (known && known->kind == CRMPI_NOTE_ABSENT)
            return 1;
    }
    return 0;
}

static enum crmpi_status winners_find(struct crmpi_undo *undo)
{
    struct known *mine = calloc(undo->n + 1, sizeof *mine);

    for (size_t i = 0; mine && i < undo->n; i++) {
        const struct entry *entry = &undo->entries[i];

        mine[i] = (struct known){.name = digest_of(entry->name),
                                 .time_ns = entry->note.time_ns,
                                 .rank = undo->world_rank,
                                 .kind = entry->note.kind,
                                 .sn = entry->sn,
                                 .epoch = entry->epoch,
                                 .size = entry->note.size,
                                 .kept = entry->note.kept};
    }
    undo->all = crmpi_gather(mine, mine ? undo->n : 0, sizeof *mine, &undo->n_all);
    free(mine);
    if (!mine || !undo->all)
        return CRMPI_ERR_NOMEM;
    if (undo->n_all > 1)
        qsort(undo->all, undo->n_all, sizeof *undo->all, known_compare);
    names_settle(undo);
    for (size_t i = 0; i < undo->n; i++) {
        struct entry *entry = &undo->entries[i];
        const struct known *first = known_find(undo, digest_of(entry->name));

        entry->counts = first && first->rank == undo->world_rank;
        if (entry->counts)
            entry->note.size = first->size;
        if (is_below_absent(undo, entry->name)) {
            entry->note.kind = CRMPI_NOTE_ABSENT;
            entry->note.mode = 0;
        }
    }
    return CRMPI_OK;
}

static void kept_path(const struct known *known, char *path, size_t bytes)
{
    char suffix[16];

    snprintf(suffix, sizeof suffix, ".%06u", known->kept);
    if (crmpi_journal_path(path, bytes, known->rank, known->sn, known->epoch,
                           suffix) != 0)
        path[0] = 0;
}

static void entry_kept_path(const struct crmpi_undo *undo, const struct entry *entry,
                            char *path, size_t bytes)
{
    struct known known = {.rank = undo->world_rank,
                          .sn = entry->sn,
                          .epoch = entry->epoch,
                          .kept = entry->note.kept};

    kept_path(&known, path, bytes);
}

/* What was opened for writing need not have been written, nor a rename have been done. */
static int is_unchanged(const struct entry *entry)
{
    struct stat now;

    return lstat(entry->name, &now) == 0 && now.st_ino == entry->note.inode &&
           (S_ISDIR(now.st_mode) ||
            ((uint64_t)now.st_size == entry->note.size &&
             now.st_mtim.tv_sec * 1000000000l + now.st_mtim.tv_nsec ==
                 entry->note.modified_ns));
}

/* What cannot be brought back is told before anything is changed. */
static enum crmpi_status lost_check(const struct crmpi_undo *undo, int accept)
{
    enum crmpi_status status = CRMPI_OK;
    char path[CRMPI_PATH_BYTES + 64];
    struct stat about;

    for (size_t i = 0; i < undo->n; i++) {
        const struct entry *entry = &undo->entries[i];
        const char *why = NULL;

        if (!entry->counts)
            continue;
        entry_kept_path(undo, entry, path, sizeof path);
        if (entry->note.kind == CRMPI_NOTE_LOST && is_unchanged(entry))
            continue;
        if (entry->note.kind == CRMPI_NOTE_LOST)
            why = entry->note.error == EFBIG
                      ? "it was larger than what CRMPI_FILE_LIMIT leaves room for"
                  : entry->note.error == EISDIR ? "it is a directory that was renamed"
                                                : strerror((int)entry->note.error);
        else if ((entry->note.kind == CRMPI_NOTE_COPIED ||
                  entry->note.kind == CRMPI_NOTE_KEPT) &&
                 lstat(path, &about) != 0 &&
                 (entry->note.kind == CRMPI_NOTE_COPIED || lstat(entry->name, &about) != 0))
            why = "what was kept of it is gone";
        if (!why)
            continue;
        if (accept)
            crmpi_warn("%s was changed after the checkpoint, and stays so: %s",
                       entry->name, why);
        else
            crmpi_error("%s was changed after the checkpoint, and cannot be brought back: "
                        "%s; put it back as it was then, or say --accept-files to "
                        "go on with it as it is",
                        entry->name, why);
        if (!accept)
            status = CRMPI_ERR_UNFIT;
    }
    return status;
}

enum crmpi_status crmpi_undo_read(uint32_t world_rank, uint64_t sn, uint64_t epoch,
                                  int accept, struct crmpi_undo **undo_out)
{
    struct crmpi_undo *undo = calloc(1, sizeof *undo);
    enum crmpi_status status;
    size_t n = 0;

    if (!undo)
        return CRMPI_ERR_NOMEM;
    undo->world_rank = world_rank;
    undo->sn = sn;
    status = crmpi_undone_read(world_rank, &undo->undone);
    if (status != CRMPI_OK && accept) {
        crmpi_warn("%s/ranks/" CRMPI_UNDONE_NAME " is damaged: files may not be as they were",
                   crmpi_config.dir);
        status = CRMPI_OK;
    } else if (status != CRMPI_OK) {
        crmpi_error("%s/ranks/" CRMPI_UNDONE_NAME " is damaged: it is not known which files "
                    "have been brought back before; say --accept-files to go on all the same",
                    crmpi_config.dir);
        status = CRMPI_ERR_UNFIT;
    }
    struct log *logs = status == CRMPI_OK ? logs_list(world_rank, &undo->undone, &n) : NULL;

    if (status == CRMPI_OK)
        status = way_check(undo, epoch, logs, n, accept);
    for (size_t i = 0; status == CRMPI_OK && i < n; i++)
        if (logs[i].sn >= sn)
            status = log_read(undo, &logs[i]);
    free(logs);
    entries_sort(undo);
    status = crmpi_agree(status);
    if (status == CRMPI_OK)
        status = winners_find(undo);
    if (status == CRMPI_OK)
        status = crmpi_agree(lost_check(undo, accept));
    if (status == CRMPI_OK)
        *undo_out = undo;
    else
        crmpi_undo_destroy(undo);
    return status;
}

int crmpi_undo_source(const struct crmpi_undo *undo, const char *path, char *where_out,
                      size_t where_bytes)
{
    const struct known *known = known_find(undo, digest_of(path));

    if (!known)
        return 0;
    if (known->kind == CRMPI_NOTE_ABSENT)
        return -1;
    snprintf(where_out, where_bytes, "%s", path);
    if (known->kind == CRMPI_NOTE_KEPT || known->kind == CRMPI_NOTE_COPIED) {
        char kept[CRMPI_PATH_BYTES + 64];

        kept_path(known, kept, sizeof kept);
        if (access(kept, F_OK) == 0)
            snprintf(where_out, where_bytes, "%s", kept);
    }
    return 1;
}

/*
 * Undoing
 */

static enum crmpi_status cannot(const struct entry *entry)
{
    crmpi_error("cannot bring %s back to what it was: %s", entry->name, strerror(errno));
    return CRMPI_ERR_SYSTEM;
}

int crmpi_fresh_open(const char *path, char *fresh_out, size_t bytes)
{
    const char *slash = strrchr(path, '/');
    int length = slash ? (int)(slash - path) : 0, fd = -1;

    for (int i = 0; fd < 0 && i < 1000; i++) {
        snprintf(fresh_out, bytes, "%.*s/.crmpi-%d-%d", length, path, (int)getpid(), i);
        fd = open(fresh_out, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (fd < 0 && errno != EEXIST)
            break;
    }
    return fd;
}

/* Copy into the file that is there, if it is the same one, or into a new one. */
static int copy_back(const struct entry *entry, const char *kept)
{
    char fresh[CRMPI_PATH_BYTES + 64], piece[65536];
    struct stat about;
    int same = lstat(entry->name, &about) == 0 && S_ISREG(about.st_mode) &&
               about.st_ino == entry->note.inode;
    int from = open(kept, O_RDONLY | O_CLOEXEC), to = -1, error = 0;
    ssize_t n = from < 0 ? -1 : 1;

    if (from >= 0)
        to = same ? open(entry->name, O_WRONLY | O_TRUNC | O_CLOEXEC)
                  : crmpi_fresh_open(entry->name, fresh, sizeof fresh);
    if (to >= 0 && ioctl(to, FICLONE, from) != 0)
        while ((n = read(from, piece, sizeof piece)) > 0)
            if (write(to, piece, (size_t)n) != n) {
                n = -1;
                break;
            }
    if (to >= 0 && !same)
        fchmod(to, entry->note.mode & 07777);
    if (to < 0 || n < 0 || (!same && rename(fresh, entry->name) != 0))
        error = errno ? errno : EIO;
    if (from >= 0)
        close(from);
    if (to >= 0)
        close(to);
    errno = error;
    return error ? -1 : 0;
}

/* A file that was appended to, or had just been renamed, is cut; an empty one is easily
 * made. */
static int cut(const struct entry *entry)
{
    struct stat about;

    if (stat(entry->name, &about) != 0 && entry->note.size == 0) {
        int fd = open(entry->name, O_WRONLY | O_CREAT | O_CLOEXEC,
                      entry->note.mode & 07777);

        return fd < 0 ? -1 : close(fd);
    }
    if (stat(entry->name, &about) != 0)
        return -1;
    if ((uint64_t)about.st_size <= entry->note.size)
        return 0;
    return truncate(entry->name, (off_t)entry->note.size);
}

static int link_back(const struct entry *entry)
{
    char now[CRMPI_PATH_BYTES];
    ssize_t n = readlink(entry->name, now, sizeof now - 1);

    if (n >= 0) {
        now[n] = 0;
        if (strcmp(now, entry->target) == 0)
            return 0;
    }
    unlink(entry->name);
    return symlink(entry->target, entry->name);
}

/* The kept file is given back its name: the note may have been undone before. */
static int kept_back(const struct crmpi_undo *undo, const struct entry *entry)
{
    char kept[CRMPI_PATH_BYTES + 64];

    entry_kept_path(undo, entry, kept, sizeof kept);
    errno = 0;
    if ((entry->note.kind == CRMPI_NOTE_COPIED || rename(kept, entry->name) != 0) &&
        errno != ENOENT && copy_back(entry, kept) != 0)
        return -1;
    return cut(entry);
}

static int remove_one(const char *path, const struct stat *about, int type,
                      struct FTW *place)
{
    (void)place;
    if (type == FTW_DP || type == FTW_D)
        rmdir(path);
    else if (!S_ISCHR(about->st_mode) && !S_ISBLK(about->st_mode))
        unlink(path);
    return 0;
}

static enum crmpi_status entry_undo(const struct crmpi_undo *undo,
                                    const struct entry *entry)
{
    struct stat about;
    int result = 0;

    switch (entry->note.kind) {
    case CRMPI_NOTE_DIRECTORY:
        if (lstat(entry->name, &about) == 0 && !S_ISDIR(about.st_mode))
            unlink(entry->name);
        if (mkdir(entry->name, entry->note.mode & 07777) != 0 && errno != EEXIST)
            result = -1;
        break;
    case CRMPI_NOTE_LENGTH:
        result = cut(entry);
        break;
    case CRMPI_NOTE_KEPT:
    case CRMPI_NOTE_COPIED:
        result = kept_back(undo, entry);
        break;
    case CRMPI_NOTE_LINK:
        result = link_back(entry);
        break;
    case CRMPI_NOTE_ABSENT:
        if (lstat(entry->name, &about) == 0 &&
            (S_ISCHR(about.st_mode) || S_ISBLK(about.st_mode)))
            break; /* whoever has made a device, it is not removed */
        if (unlink(entry->name) != 0 && errno != ENOENT && errno != ENOTDIR &&
            errno != EISDIR)
            result = -1;
        else if (S_ISDIR(entry->note.mode)) /* it was moved there with what is in it */
            nftw(entry->name, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
        break;
    default:
        break; /* saved: lib/files/bring.c; lost, and accepted */
    }
    return result == 0 ? CRMPI_OK : cannot(entry);
}

/* The notes of one kind, or of all others but directories. */
static enum crmpi_status kind_undo(const struct crmpi_undo *undo, uint32_t kind)
{
    enum crmpi_status status = CRMPI_OK;
    struct stat about;

    for (size_t i = 0; status == CRMPI_OK && i < undo->n; i++) {
        const struct entry *entry = &undo->entries[i];

        if (!entry->counts ||
            (kind ? entry->note.kind != kind
                  : entry->note.kind == CRMPI_NOTE_ABSENT ||
                        entry->note.kind == CRMPI_NOTE_DIRECTORY))
            continue;
        if (!kind && lstat(entry->name, &about) == 0 && S_ISDIR(about.st_mode))
            rmdir(entry->name); /* it was a file, and has become a folder */
        status = entry_undo(undo, entry);
    }
    return crmpi_agree(status);
}

/* Of all ranks: from where on this restart undoes, and whether that is through. */
static enum crmpi_status undone_note(struct crmpi_undo *undo, int is_done)
{
    const struct crmpi_undone *undone = &undo->undone;
    int was_begun = undone->n > undone->n_done && undone->from[undone->n_done] != UINT64_MAX;
    uint64_t from = undo->n_all || was_begun ? undo->sn : UINT64_MAX;
    size_t n = 0;
    uint64_t *all = crmpi_gather(&from, 1, sizeof from, &n);
    enum crmpi_status status = crmpi_agree(all ? CRMPI_OK : CRMPI_ERR_NOMEM);

    if (status == CRMPI_OK && undo->world_rank == 0)
        status = crmpi_undone_write(all, n, is_done);
    free(all);
    return crmpi_agree(status);
}

/* What has come goes first; then directories come back before what is in them. */
enum crmpi_status crmpi_undo_apply(struct crmpi_undo *undo)
{
    enum crmpi_status status = undo->n_all ? undone_note(undo, 0) : CRMPI_OK;
    struct stat about;

    if (status == CRMPI_OK)
        status = kind_undo(undo, CRMPI_NOTE_ABSENT);
    for (size_t i = undo->n; status == CRMPI_OK && i-- > 0;)
        if (undo->entries[i].counts && undo->entries[i].note.kind == CRMPI_NOTE_ABSENT &&
            lstat(undo->entries[i].name, &about) == 0 && S_ISDIR(about.st_mode))
            rmdir(undo->entries[i].name); /* others may have put something into it */
    status = crmpi_agree(status);
    if (status == CRMPI_OK)
        status = kind_undo(undo, CRMPI_NOTE_DIRECTORY);
    return status == CRMPI_OK ? kind_undo(undo, 0) : status;
}

/*
 * The end
 */

enum crmpi_status crmpi_undo_end(struct crmpi_undo *undo)
{
    enum crmpi_status status = undone_note(undo, 1);
    size_t n;

    if (status != CRMPI_OK)
        return status;
    free(undo->undone.from);
    status = crmpi_agree(crmpi_undone_read(undo->world_rank, &undo->undone));
    if (status == CRMPI_OK)
        free(logs_list(undo->world_rank, &undo->undone, &n)); /* drops what is undone */
    return status;
}

void crmpi_undo_destroy(struct crmpi_undo *undo)
{
    for (size_t i = 0; undo && i < undo->n; i++)
        entry_free(&undo->entries[i]);
    if (undo) {
        free(undo->all);
        free(undo->entries);
        free(undo->undone.from);
    }
    free(undo);
}
