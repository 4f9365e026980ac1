/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Noting what becomes of files (see journal.h).  Lower half.  From crmpi_journal_touch() on
 * everything runs in the handler of SIGSYS, on the application's TLS base and perhaps on a
 * small stack: no libc, and long names lie in static memory behind a lock.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/checksum.h"
#include "base/config.h"
#include "base/log.h"
#include "files/inodes.h"
#include "files/journal.h"
#include "files/lookup.h"
#include "files/undone.h"
#include "lower/apart.h"
#include "lower/raw.h"
#include "lower/text.h"
#include "storage/directory.h"
#include "storage/file.h"

#define PAGE 4096ul

struct file_id {
    uint64_t device, inode;
};

/* A name that has been noted.  Of a weak note only the length counts: it holds as long as
 * the file keeps its name and is only appended to.  That of a saved file holds as long as it
 * keeps its name: if that is taken away the file is kept, as programs look at inodes. */
struct seen {
    uint64_t name; /* its digest; 0: none */
    uint64_t weak; /* that length, plus 1; 0: all that has to be kept is kept; or: */
};
#define SEEN_ABSENT UINT64_MAX          /* there was nothing */
#define SEEN_DIRECTORY (UINT64_MAX - 1) /* there was a directory */

static struct {
    int is_active;
    char stem[CRMPI_PATH_BYTES]; /* DIR/ranks/RRRRRR/NNNNNN-EEEE */
    uint32_t n_kept;
    uint64_t copied_bytes;
    struct seen *seen; /* open addressing */
    size_t n_seen, seen_room;
    struct file_id *saved; /* files that the checkpoint has; those of which it has all */
    size_t n_saved, n_whole; /* come first */
    struct {
        struct file_id id;
        uint32_t number;
    } linked[1024]; /* files kept by a hard link, to be copied if they are written */
    size_t n_linked;
    struct file_id copied[1024]; /* files of which a copy is kept */
    size_t n_copied;
    int was_told, was_lost;
} journal;

static int32_t spare_lock, *lock = &spare_lock; /* who has it; 0: nobody */

/* The name that is being dealt with; behind the lock. */
static struct crmpi_lookup lookup;
static char from_path[CRMPI_NAME_BYTES], to_path[CRMPI_NAME_BYTES + 64];
static struct {
    struct crmpi_note note;
    char text[2 * CRMPI_NAME_BYTES];
} record;

int crmpi_journal_path(char *path_out, size_t bytes, uint32_t world_rank, uint64_t sn,
                       uint64_t epoch, const char *suffix)
{
    int n = snprintf(path_out, bytes, "%s/ranks/%06u/%06llu-%04llu%s", crmpi_config.dir,
                     world_rank, (unsigned long long)sn, (unsigned long long)epoch,
                     suffix);

    return n > 0 && (size_t)n < bytes ? 0 : -1;
}

/*
 * The beginning, in an ordinary thread
 */

void crmpi_journal_start(void)
{
    void *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
                      0);

    if (page != MAP_FAILED && madvise(page, PAGE, MADV_WIPEONFORK) == 0)
        lock = page;
}

/* The lowest number of a checkpoint that a home has of the rank; UINT64_MAX: none. */
static uint64_t oldest_in(const char *home, uint32_t world_rank)
{
    char path[CRMPI_PATH_BYTES];
    uint64_t oldest = UINT64_MAX;
    DIR *folder;

    if (snprintf(path, sizeof path, "%s/ranks/%06u", home, world_rank) >=
            (int)sizeof path ||
        !(folder = opendir(path)))
        return oldest;
    for (struct dirent *entry; (entry = readdir(folder));) {
        char *end;
        uint64_t number = strtoull(entry->d_name, &end, 10);

        if (end != entry->d_name && strcmp(end, CRMPI_FILE_SUFFIX) == 0 && number < oldest)
            oldest = number;
    }
    closedir(folder);
    return oldest;
}

/* Drop notes that no checkpoint needs any more. */
static void old_drop(const char *folder, const char *home, uint32_t world_rank, uint64_t sn)
{
    uint64_t oldest = oldest_in(home, world_rank);
    uint64_t global = oldest_in(crmpi_config.dir, world_rank);
    DIR *all = opendir(folder);

    if (global < oldest)
        oldest = global;
    if (sn < oldest)
        oldest = sn;
    for (struct dirent *entry; all && (entry = readdir(all));)
        if (crmpi_name_is_note(entry->d_name) &&
            strtoull(entry->d_name, NULL, 10) < oldest)
            unlinkat(dirfd(all), entry->d_name, 0);
    if (all)
        closedir(all);
}

static int id_compare(const void *a, const void *b)
{
    const struct file_id *x = a, *y = b;

    if (x->device != y->device)
        return x->device < y->device ? -1 : 1;
    return (x->inode > y->inode) - (x->inode < y->inode);
}

static void saved_note(const struct crmpi_inodes *inodes)
{
    struct file_id *saved = calloc(inodes->n + 1, sizeof *saved);
    size_t n = 0;

    free(journal.saved);
    journal.saved = saved;
    journal.n_saved = journal.n_whole = 0;
    if (!saved)
        return;
    for (int whole = 1; whole >= 0; whole--) {
        size_t first = n;

        for (size_t i = 0; i < inodes->n; i++) {
            const struct crmpi_inode *inode = &inodes->list[i];

            if (inode->kind == CRMPI_INODE_NAMED &&
                ((inode->flags & CRMPI_INODE_WHOLE) != 0) == whole &&
                (whole || inode->flags & CRMPI_INODE_WRITTEN))
                saved[n++] = (struct file_id){inode->device, inode->inode};
        }
        qsort(saved + first, n - first, sizeof *saved, id_compare);
        if (whole)
            journal.n_whole = n;
    }
    journal.n_saved = n;
}

void crmpi_journal_begin(const char *home, uint32_t world_rank, uint64_t sn,
                         const struct crmpi_inodes *inodes)
{
    char folder[CRMPI_PATH_BYTES];

    journal.is_active = 0;
    if (!crmpi_config.file_journal)
        return;
    if (snprintf(folder, sizeof folder, "%s/ranks", crmpi_config.dir) >=
            (int)sizeof folder ||
        crmpi_folder_make(folder) != CRMPI_OK ||
        snprintf(folder, sizeof folder, "%s/ranks/%06u", crmpi_config.dir, world_rank) >=
            (int)sizeof folder ||
        crmpi_folder_make(folder) != CRMPI_OK)
        return;
    if (crmpi_journal_path(journal.stem, sizeof journal.stem, world_rank, sn,
                           crmpi_undone_epoch(), "") != 0)
        return;
    if (home)
        old_drop(folder, home, world_rank, sn);
    saved_note(inodes);
    if (journal.seen)
        memset(journal.seen, 0, journal.seen_room * sizeof *journal.seen);
    journal.n_seen = 0;
    journal.n_linked = 0;
    journal.n_copied = 0;
    journal.n_kept = 0;
    journal.copied_bytes = 0;
    journal.is_active = 1;
}

/*
 * What follows runs in the handler
 */

/* A child that was forked has the page empty: nobody holds the lock there.  One of vfork() or
 * posix_spawn() shares it, so it waits like a thread, or is waited for, unless it was
 * killed. */
static void lock_take(void)
{
    int32_t self = (int32_t)crmpi_raw(SYS_gettid, 0, 0, 0, 0, 0, 0), holder = 0;

    while (!__atomic_compare_exchange_n(lock, &holder, self, 0, __ATOMIC_ACQUIRE,
                                        __ATOMIC_RELAXED)) {
        int gone = holder && crmpi_raw(SYS_kill, holder, 0, 0, 0, 0, 0) == -ESRCH;

        if (gone && __atomic_compare_exchange_n(lock, &holder, self, 0, __ATOMIC_ACQUIRE,
                                                __ATOMIC_RELAXED))
            return;
        crmpi_raw(SYS_sched_yield, 0, 0, 0, 0, 0, 0);
        holder = 0;
    }
}

static void lock_drop(void)
{
    __atomic_store_n(lock, 0, __ATOMIC_RELEASE);
}

static int seen_grow(void)
{
    size_t room = journal.seen_room ? 2 * journal.seen_room : 8192;
    long more = crmpi_raw(SYS_mmap, 0, (long)(room * sizeof(struct seen)),
                          PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct seen *table = (struct seen *)more;

    if (more < 0)
        return -1;
    for (size_t i = 0; i < journal.seen_room; i++) {
        size_t k = journal.seen[i].name % room;

        if (!journal.seen[i].name)
            continue;
        while (table[k].name)
            k = (k + 1) % room;
        table[k] = journal.seen[i];
    }
    if (journal.seen)
        crmpi_raw(SYS_munmap, (long)journal.seen,
                  (long)(journal.seen_room * sizeof(struct seen)), 0, 0, 0, 0);
    journal.seen = table;
    journal.seen_room = room;
    return 0;
}

/* A name's place in the table, where it is put if it is new; NULL without memory. */
static struct seen *seen_find(uint64_t digest, int *is_new_out)
{
    digest += digest == 0;
    if (2 * (journal.n_seen + 1) > journal.seen_room && seen_grow() != 0)
        return NULL;
    size_t k = digest % journal.seen_room;

    while (journal.seen[k].name && journal.seen[k].name != digest)
        k = (k + 1) % journal.seen_room;
    *is_new_out = !journal.seen[k].name;
    journal.n_seen += *is_new_out != 0;
    journal.seen[k].name = digest;
    return &journal.seen[k];
}

static int is_among(const struct file_id *list, size_t n, const struct stat *about)
{
    struct file_id sought = {about->st_dev, about->st_ino};
    size_t low = 0, high = n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (id_compare(&list[middle], &sought) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low < n && id_compare(&list[low], &sought) == 0;
}

/* 2: the checkpoint has all of it, 1: it has what tells it, 0: nothing. */
static int is_saved(const struct stat *about)
{
    if (!journal.saved)
        return 0;
    if (is_among(journal.saved, journal.n_whole, about))
        return 2;
    return is_among(journal.saved + journal.n_whole, journal.n_saved - journal.n_whole,
                    about);
}

/*
 * Keeping
 */

static void kept_path(uint32_t number, const char *suffix)
{
    to_path[0] = 0;
    crmpi_text_add(to_path, sizeof to_path, journal.stem);
    crmpi_text_add(to_path, sizeof to_path, ".");
    crmpi_text_add_number(to_path, sizeof to_path, number, 6);
    crmpi_text_add(to_path, sizeof to_path, suffix);
}

/* Apart: copy from_path to to_path, @p data bytes; 0, or -errno.  What other threads close
 * meanwhile must not stay open here, with its locks. */
static long copy(void *data)
{
    static char piece[65536];
    long left = *(long *)data, n = 0;

    crmpi_raw(SYS_close_range, 0, ~0u, 0, 0, 0, 0);
    long from = crmpi_raw(SYS_open, (long)from_path, O_RDONLY | O_NOFOLLOW, 0, 0, 0, 0);
    long to = crmpi_raw(SYS_open, (long)to_path, O_WRONLY | O_CREAT | O_EXCL, 0600, 0, 0, 0);

    if (from < 0 || to < 0)
        return from < 0 ? from : to;
    if (crmpi_raw(SYS_ioctl, to, FICLONE, from, 0, 0, 0) == 0)
        return 0;
    while (left > 0) {
        n = crmpi_raw(SYS_copy_file_range, from, 0, to, 0, left, 0);
        if (n <= 0)
            break;
        left -= n;
    }
    while (left > 0) {
        n = crmpi_raw(SYS_read, from, (long)piece, sizeof piece, 0, 0, 0);
        if (n <= 0)
            return n;
        long written = crmpi_raw(SYS_write, to, (long)piece, n, 0, 0, 0);

        if (written != n)
            return written < 0 ? written : -ENOSPC;
        left -= n;
    }
    return 0;
}

/* Keep a copy of the file as kept file number @p number; 0, or an errno. */
static int keep_copy(const struct stat *about, uint32_t number, const char *suffix)
{
    long bytes = about->st_size;
    uint64_t limit = (uint64_t)crmpi_config.file_limit_mib << 20;

    if ((uint64_t)bytes > limit || journal.copied_bytes + (uint64_t)bytes > limit)
        return EFBIG;
    kept_path(number, suffix);
    from_path[0] = 0;
    crmpi_text_add(from_path, sizeof from_path, lookup.name);
    long result = crmpi_apart(copy, &bytes);

    if (result != 0) {
        if (result != -EEXIST)
            crmpi_raw(SYS_unlink, (long)to_path, 0, 0, 0, 0, 0);
        return (int)-result;
    }
    journal.copied_bytes += (uint64_t)bytes;
    return 0;
}

static int is_copied(const struct stat *about)
{
    for (size_t i = 0; i < journal.n_copied; i++)
        if (journal.copied[i].device == about->st_dev &&
            journal.copied[i].inode == about->st_ino)
            return 1;
    return 0;
}

/* What was in the file is kept already if it was opened under another of its names. */
static int keep_link(const struct stat *about, uint32_t number)
{
    if (journal.n_linked == sizeof journal.linked / sizeof *journal.linked)
        return EMLINK;
    kept_path(number, "");
    long result = crmpi_raw(SYS_link, (long)lookup.name, (long)to_path, 0, 0, 0, 0);

    if (result != 0)
        return (int)-result;
    if (is_copied(about) || is_saved(about))
        return 0;
    journal.linked[journal.n_linked].id =
        (struct file_id){about->st_dev, about->st_ino};
    journal.linked[journal.n_linked++].number = number;
    return 0;
}

/* A file that is kept by a link is about to be written under another name: what was kept
 * becomes a copy. */
static void linked_part(const struct stat *about)
{
    for (size_t i = 0; i < journal.n_linked; i++) {
        uint32_t number = journal.linked[i].number;

        if (journal.linked[i].id.device != about->st_dev ||
            journal.linked[i].id.inode != about->st_ino)
            continue;
        if (keep_copy(about, number, ".new") == 0) {
            from_path[0] = 0;
            crmpi_text_add(from_path, sizeof from_path, to_path);
            kept_path(number, "");
            crmpi_raw(SYS_rename, (long)from_path, (long)to_path, 0, 0, 0, 0);
        } else { /* nobody may take it for what it was */
            kept_path(number, "");
            crmpi_raw(SYS_unlink, (long)to_path, 0, 0, 0, 0, 0);
        }
        journal.linked[i--] = journal.linked[--journal.n_linked];
    }
}

/* One that nobody has: a forked child counts for itself. */
static uint32_t kept_number(void)
{
    do
        kept_path(++journal.n_kept, "");
    while (crmpi_raw(SYS_access, (long)to_path, F_OK, 0, 0, 0, 0) == 0);
    return journal.n_kept;
}

/* What is to be noted of a regular file. */
static enum crmpi_note_kind keep(const struct stat *about, enum crmpi_touch touch,
                                 long flags)
{
    int saved = is_saved(about), opens = touch == CRMPI_TOUCH_OPEN;
    struct crmpi_note *note = &record.note;

    if (saved && (opens || touch == CRMPI_TOUCH_TRUNCATE))
        return CRMPI_NOTE_SAVED;
    if (about->st_size == 0 || (opens && flags & O_APPEND && !(flags & O_TRUNC)))
        if (opens || touch == CRMPI_TOUCH_TRUNCATE)
            return CRMPI_NOTE_LENGTH;
    note->kept = kept_number();
    if (!opens && touch != CRMPI_TOUCH_TRUNCATE &&
        keep_link(about, note->kept) == 0)
        return CRMPI_NOTE_KEPT;
    note->error = (uint32_t)keep_copy(about, note->kept, "");
    if (note->error && saved == 2)
        return CRMPI_NOTE_SAVED;
    if (note->error == EFBIG && flags & CRMPI_TOUCH_BELOW)
        return CRMPI_NOTE_LENGTH;
    if (!note->error && journal.n_copied < sizeof journal.copied / sizeof *journal.copied)
        journal.copied[journal.n_copied++] = (struct file_id){about->st_dev, about->st_ino};
    return note->error ? CRMPI_NOTE_LOST : CRMPI_NOTE_COPIED;
}

/*
 * The note
 */

static void say(const char *what, const char *why)
{
    static const char head[] = "crmpi: ";
    struct iovec iov[] = {{(char *)head, sizeof head - 1},
                          {(char *)what, crmpi_text_length(what)},
                          {(char *)why, crmpi_text_length(why)}};

    crmpi_raw(SYS_writev, 2, (long)iov, 3, 0, 0, 0);
}

/* Once is enough. */
static void tell(const char *what)
{
    if (!journal.was_told)
        say(what, ": what becomes of files after this checkpoint cannot be undone\n");
    journal.was_told = 1;
}

static void tell_lost(int error)
{
    if (!journal.was_lost)
        say(lookup.name,
            error == EFBIG ? ": too large to be kept (CRMPI_FILE_LIMIT): no restart from "
                             "this checkpoint once it has changed\n"
            : error == EISDIR ? ": a directory is renamed: no restart from this "
                                "checkpoint once that is done\n"
                              : ": cannot be kept: no restart from this checkpoint once "
                                "it has changed\n");
    journal.was_lost = 1;
}

static void record_write(void)
{
    struct crmpi_note *note = &record.note;
    struct timespec now;

    crmpi_raw(SYS_clock_gettime, CLOCK_REALTIME, (long)&now, 0, 0, 0, 0);
    note->magic = CRMPI_NOTE_MAGIC;
    note->time_ns = now.tv_sec * 1000000000l + now.tv_nsec;
    for (size_t i = 0; i < note->name_bytes; i++)
        record.text[i] = lookup.name[i];
    note->bytes = (uint32_t)(sizeof *note + note->name_bytes);
    if (note->kind == CRMPI_NOTE_LINK)
        for (size_t i = 0; i == 0 || lookup.target[i - 1]; i++, note->bytes++)
            record.text[note->name_bytes + i] = lookup.target[i];
    note->bytes = (note->bytes + 7) & ~7u;
    note->digest = crmpi_checksum(&note->bytes, note->bytes - offsetof(struct crmpi_note,
                                                                       bytes));
    to_path[0] = 0;
    crmpi_text_add(to_path, sizeof to_path, journal.stem);
    crmpi_text_add(to_path, sizeof to_path, ".log");
    long fd = crmpi_raw(SYS_open, (long)to_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC,
                        0600, 0, 0, 0);

    if (fd < 0 || crmpi_raw(SYS_write, fd, (long)&record, note->bytes, 0, 0, 0) !=
                      (long)note->bytes)
        tell(to_path);
    if (fd >= 0 && crmpi_config.sync)
        crmpi_raw(SYS_fdatasync, fd, 0, 0, 0, 0, 0);
    if (fd >= 0)
        crmpi_raw(SYS_close, fd, 0, 0, 0, 0, 0);
}

/* Note what is there, if anything that a restart could restore. */
static void note_make(int found, const struct stat *about, enum crmpi_touch touch,
                      long flags, struct seen *seen)
{
    struct crmpi_note *note = &record.note;
    uint64_t weak = seen->weak;

    seen->weak = found ? 0 : SEEN_ABSENT;
    __builtin_memset(&record, 0, sizeof record);
    note->name_bytes = (uint32_t)crmpi_text_length(lookup.name) + 1;
    note->kind = CRMPI_NOTE_ABSENT;
    if (!found && flags & CRMPI_TOUCH_MOVES)
        note->mode = S_IFDIR; /* a folder comes with all that is in it */
    if (found) {
        note->device = about->st_dev;
        note->inode = about->st_ino;
        note->size = (uint64_t)about->st_size;
        note->mode = about->st_mode;
        note->modified_ns = about->st_mtim.tv_sec * 1000000000l + about->st_mtim.tv_nsec;
        if (S_ISREG(about->st_mode)) {
            note->kind = keep(about, touch, flags);
            if (weak) /* what it has more is newer than the checkpoint */
                note->size = weak - 1;
            else if (note->kind == CRMPI_NOTE_LENGTH)
                seen->weak = note->size + 1;
            else if (note->kind == CRMPI_NOTE_SAVED) /* also if it is empty */
                seen->weak = note->size + 1 + (note->size == 0);
        } else if (S_ISDIR(about->st_mode)) {
            int moves = touch == CRMPI_TOUCH_REMOVE && flags & CRMPI_TOUCH_MOVES;

            note->kind = moves ? CRMPI_NOTE_LOST : CRMPI_NOTE_DIRECTORY;
            note->error = moves ? EISDIR : 0;
            seen->weak = moves ? 0 : SEEN_DIRECTORY;
        } else if (S_ISLNK(about->st_mode)) {
            long n = crmpi_raw(SYS_readlink, (long)lookup.name, (long)lookup.target,
                               sizeof lookup.target - 1, 0, 0, 0);

            lookup.target[n > 0 ? n : 0] = 0;
            note->kind = CRMPI_NOTE_LINK;
        } else {
            return; /* a pipe or a socket: there is nothing in it */
        }
    }
    if (note->kind == CRMPI_NOTE_LOST)
        tell_lost((int)note->error);
    record_write();
}

/* Whether a note holds, too, after what is about to be done. */
static int holds(const struct seen *seen, const struct stat *about, enum crmpi_touch touch,
                 long flags)
{
    int opens = touch == CRMPI_TOUCH_OPEN;

    if (seen->weak == SEEN_DIRECTORY)
        return !S_ISDIR(about->st_mode) || touch != CRMPI_TOUCH_REMOVE ||
               !(flags & CRMPI_TOUCH_MOVES);
    if (seen->weak <= 1 || seen->weak == SEEN_ABSENT)
        return 1;
    return (opens && flags & O_APPEND && !(flags & O_TRUNC)) ||
           ((opens || touch == CRMPI_TOUCH_TRUNCATE) && is_saved(about));
}

/* A name is about to be touched for the first time, or in another way than before.  Returns
 * whether there was nothing at the checkpoint. */
static int touched(int found, const struct stat *about, enum crmpi_touch touch, long flags)
{
    int is_new;
    struct seen *seen =
        seen_find(crmpi_checksum(lookup.name, crmpi_text_length(lookup.name)), &is_new);

    if (!seen)
        tell("no memory");
    else if (is_new || (found && !holds(seen, about, touch, flags)))
        note_make(found, about, touch, flags, seen);
    return seen && seen->weak == SEEN_ABSENT;
}

static int name_begins(const char *with)
{
    size_t n = 0;

    while (with[n] && lookup.name[n] == with[n])
        n++;
    return !with[n];
}

/* Made up by the kernel, or kept by nobody: but for shared memory. */
static int is_no_file(void)
{
    return name_begins("/proc/") || name_begins("/sys/") ||
           (name_begins("/dev/") && !name_begins("/dev/shm/"));
}

struct touching {
    long dir;
    const char *path;
    enum crmpi_touch touch;
    long flags;
    struct stat about;
    int found;    /* 1: there was something, 0: nothing, -1: it is of no interest */
    int is_fresh; /* there was nothing at the checkpoint */
};

/* Behind the lock. */
static long find_and_note(void *data)
{
    struct touching *t = data;
    int leads = t->touch == CRMPI_TOUCH_OPEN || t->touch == CRMPI_TOUCH_TRUNCATE;
    int found;

    t->found = -1;
    lookup.error = 0;
    if (crmpi_lookup_given(&lookup, t->path) != 0 || !lookup.given[0])
        return 0;
    found = leads
                ? crmpi_lookup_file(&lookup, t->dir, (t->flags & O_CREAT) != 0, &t->about)
                : crmpi_lookup_entry(&lookup, t->dir, &t->about);
    if (found == 1 && leads && !S_ISREG(t->about.st_mode))
        found = -1;
    /* what is only read, or is not there */
    if ((found == 1 && t->touch == CRMPI_TOUCH_OPEN &&
         (t->flags & (O_ACCMODE | O_TRUNC)) == O_RDONLY) ||
        (found == 0 && t->touch == CRMPI_TOUCH_REMOVE))
        found = -1;
    if (found >= 0 && is_no_file())
        found = -1;
    if (found == 1 && leads && !(t->flags & O_APPEND))
        linked_part(&t->about);
    if (found >= 0)
        t->is_fresh = touched(found, &t->about, t->touch, t->flags);
    t->found = found;
    return 0;
}

/* Apart: in a process that has as many descriptors as it may, all but the one that a name
 * begins at are given up there. */
static long find_with_few(void *data)
{
    const struct touching *t = data;
    unsigned behind = t->dir >= 3 ? (unsigned)t->dir + 1 : 3;

    if (t->dir > 3)
        crmpi_raw(SYS_close_range, 3, t->dir - 1, 0, 0, 0, 0);
    crmpi_raw(SYS_close_range, behind, ~0u, 0, 0, 0, 0);
    return find_and_note(data);
}

static void touch_one(struct touching *t)
{
    find_and_note(t);
    if (t->found < 0 && (lookup.error == -EMFILE || lookup.error == -ENFILE))
        crmpi_apart(find_with_few, t);
    if (t->found < 0 && (lookup.error == -EMFILE || lookup.error == -ENFILE))
        tell("no descriptor is free");
}

void crmpi_journal_touch(long dir, const char *path, enum crmpi_touch touch, long flags)
{
    struct touching one = {dir, path, touch, flags, .found = -1};

    if (!journal.is_active || !path)
        return;
    lock_take();
    if (journal.is_active)
        touch_one(&one);
    lock_drop();
}

void crmpi_journal_rename(long dir, const char *path, long to_dir, const char *to_path)
{
    struct touching from = {dir, path, CRMPI_TOUCH_REMOVE, CRMPI_TOUCH_MOVES, .found = -1};
    struct touching to = {to_dir, to_path, CRMPI_TOUCH_REPLACE, 0, .found = -1};

    if (!journal.is_active || !path || !to_path)
        return;
    lock_take();
    if (journal.is_active)
        touch_one(&from);
    if (from.found == 1) { /* else nothing will become of it */
        to.flags = from.is_fresh && S_ISDIR(from.about.st_mode) ? CRMPI_TOUCH_MOVES : 0;
        touch_one(&to);
    }
    lock_drop();
}

void crmpi_journal_touch_below(const char *path, enum crmpi_touch touch, long flags)
{
    const uint64_t all = ~0ul;
    uint64_t mask;

    /* a handler of the application may open files */
    crmpi_raw(SYS_rt_sigprocmask, SIG_SETMASK, (long)&all, (long)&mask, sizeof mask, 0, 0);
    crmpi_journal_touch(AT_FDCWD, path, touch, flags | CRMPI_TOUCH_BELOW);
    crmpi_raw(SYS_rt_sigprocmask, SIG_SETMASK, (long)&mask, 0, sizeof mask, 0, 0);
}

void crmpi_journal_with_name(const char *path,
                             void (*call)(const struct stat *about, const char *name,
                                          size_t bytes))
{
    struct stat about;

    lock_take();
    if (crmpi_lookup_given(&lookup, path) == 0 &&
        crmpi_lookup_file(&lookup, AT_FDCWD, 0, &about) == 1)
        call(&about, lookup.name, crmpi_text_length(lookup.name) + 1);
    lock_drop();
}
