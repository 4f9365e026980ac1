/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What system calls of the application do to names of files (see journal.h).  Lower half; on the
 * upper TLS base with all signals blocked, so no libc.
 */
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "files/journal.h"
#include "lower/raw.h"
#include "lower/text.h"
#include "threads/filter.h"

/* A file that has only been appended to, so that only its length is noted, is cut. */
static void note_ftruncate(long fd, long bytes)
{
    char path[40];
    struct stat about;

    if (fd < 0 || crmpi_raw(SYS_fstat, fd, (long)&about, 0, 0, 0, 0) != 0 ||
        about.st_size <= bytes)
        return;
    crmpi_text_put(crmpi_text_append(path, "/proc/self/fd/"), (unsigned long)fd);
    crmpi_journal_touch(AT_FDCWD, path, CRMPI_TOUCH_TRUNCATE, 0);
}

void crmpi_journal_call(long number, const long *arguments)
{
    long a = arguments[0], b = arguments[1], c = arguments[2], d = arguments[3];
    uint64_t how;

    switch (number) {
    case SYS_open:
        if (b & CRMPI_OPEN_CHANGES)
            crmpi_journal_touch(AT_FDCWD, (char *)a, CRMPI_TOUCH_OPEN, b);
        break;
    case SYS_creat:
        crmpi_journal_touch(AT_FDCWD, (char *)a, CRMPI_TOUCH_OPEN,
                            O_CREAT | O_WRONLY | O_TRUNC);
        break;
    case SYS_openat:
        if (c & CRMPI_OPEN_CHANGES)
            crmpi_journal_touch(a, (char *)b, CRMPI_TOUCH_OPEN, c);
        break;
    case SYS_openat2: /* a structure that begins with the flags */
        if (crmpi_raw_read(&how, (void *)c, sizeof how) == 0)
            crmpi_journal_touch(a, (char *)b, CRMPI_TOUCH_OPEN, (long)how);
        break;
    case SYS_truncate:
        crmpi_journal_touch(AT_FDCWD, (char *)a, CRMPI_TOUCH_TRUNCATE, 0);
        break;
    case SYS_ftruncate:
        note_ftruncate(a, b);
        break;
    case SYS_unlink:
    case SYS_rmdir:
        crmpi_journal_touch(AT_FDCWD, (char *)a, CRMPI_TOUCH_REMOVE, 0);
        break;
    case SYS_unlinkat:
        crmpi_journal_touch(a, (char *)b, CRMPI_TOUCH_REMOVE, 0);
        break;
    case SYS_rename:
        crmpi_journal_rename(AT_FDCWD, (char *)a, AT_FDCWD, (char *)b);
        break;
    case SYS_renameat:
    case SYS_renameat2:
        crmpi_journal_rename(a, (char *)b, c, (char *)d);
        break;
    case SYS_mkdir:
    case SYS_mknod:
        crmpi_journal_touch(AT_FDCWD, (char *)a, CRMPI_TOUCH_REPLACE, 0);
        break;
    case SYS_mkdirat:
    case SYS_mknodat:
        crmpi_journal_touch(a, (char *)b, CRMPI_TOUCH_REPLACE, 0);
        break;
    case SYS_link: /* the file may be written by its new name: what it holds is kept */
        crmpi_journal_touch(AT_FDCWD, (char *)a, CRMPI_TOUCH_REMOVE, 0);
        crmpi_journal_touch(AT_FDCWD, (char *)b, CRMPI_TOUCH_REPLACE, 0);
        break;
    case SYS_symlink:
        crmpi_journal_touch(AT_FDCWD, (char *)b, CRMPI_TOUCH_REPLACE, 0);
        break;
    case SYS_linkat:
        if (arguments[4] & AT_SYMLINK_FOLLOW)
            crmpi_journal_touch(a, (char *)b, CRMPI_TOUCH_OPEN, O_WRONLY);
        else
            crmpi_journal_touch(a, (char *)b, CRMPI_TOUCH_REMOVE, 0);
        crmpi_journal_touch(c, (char *)d, CRMPI_TOUCH_REPLACE, 0);
        break;
    case SYS_symlinkat:
        crmpi_journal_touch(b, (char *)c, CRMPI_TOUCH_REPLACE, 0);
        break;
    default: /* it is only looked at */
        break;
    }
}
