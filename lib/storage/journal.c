/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * DIR/history.csv: what a job's checkpoints were like.  Columns are known by their names,
 * so files of other versions can be read as far as they have the same ones.  Lower half
 * and tools.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>
#include "base/fault.h"
#include "base/log.h"
#include "storage/directory.h"
#include "storage/file.h"
#include "storage/journal.h"

#define ROW_BYTES_MAX 2048
#define COLUMNS_MAX 64

enum kind { EVENT, TEXT, HOW, U32, U64, SECONDS };

/* The columns, in the order they are written. */
static const struct column {
    const char *name;
    enum kind kind;
    size_t offset, bytes;
} columns[] = {
#define COLUMN(name, kind, member)                                                       \
    {                                                                                    \
        name, kind, offsetof(struct crmpi_journal_row, member),                          \
            sizeof(((struct crmpi_journal_row *)0)->member)                              \
    }
    COLUMN("time", SECONDS, time),
    COLUMN("event", EVENT, event),
    COLUMN("job", TEXT, job_id),
    COLUMN("incarnation", U64, incarnation),
    COLUMN("line", U64, line),
    COLUMN("ranks", U32, n_ranks),
    COLUMN("saved", U32, n_saved),
    COLUMN("policy", TEXT, policy),
    COLUMN("target", TEXT, target),
    COLUMN("level", TEXT, level),
    COLUMN("how", HOW, how),
    COLUMN("increments", U32, n_increments),
    COLUMN("memory_bytes", U64, memory_bytes),
    COLUMN("changed_bytes", U64, changed_bytes),
    COLUMN("raw_bytes", U64, raw_bytes),
    COLUMN("file_bytes", U64, file_bytes),
    COLUMN("quiet_seconds", SECONDS, quiet_seconds),
    COLUMN("blocked_seconds", SECONDS, blocked_seconds),
    COLUMN("save_seconds", SECONDS, save_seconds),
    COLUMN("total_seconds", SECONDS, total_seconds),
    COLUMN("slowest_rank", U32, slowest),
    COLUMN("reason", TEXT, reason),
#undef COLUMN
};
#define N_COLUMNS (sizeof columns / sizeof *columns)

static const char *const events[] = {"start", "line", "alone", "given-up", "end"};

/* Bit i of `how` is word i. */
static const char *const how_words[] = {"increment", "background", "lz4",
                                        "zstd",      "pagemap",    "hash"};

/* ---- what a row says ---- */

void crmpi_journal_add_rank(struct crmpi_journal_row *row, uint32_t world_rank,
                            uint64_t file_bytes, const struct crmpi_figures *figures)
{
    double save = 1e-6 * figures->save_us, blocked = 1e-6 * figures->blocked_us;

    if (row->n_saved++ == 0 || save > row->save_seconds) {
        row->save_seconds = save;
        row->slowest = world_rank;
    }
    if (blocked > row->blocked_seconds)
        row->blocked_seconds = blocked;
    row->how |= figures->how;
    row->n_increments += (figures->how & CRMPI_HOW_INCREMENT) != 0;
    row->memory_bytes += figures->memory_bytes;
    row->changed_bytes += figures->changed_bytes;
    row->raw_bytes += figures->raw_bytes;
    row->file_bytes += file_bytes;
}

void crmpi_journal_target(const char *folder, char *name_out, size_t bytes)
{
    static const struct {
        unsigned long magic;
        const char *name;
    } kinds[] = {
        {0x01021994, "tmpfs"},    {0x858458f6, "ramfs"}, {0xef53, "ext4"},
        {0x58465342, "xfs"},      {0x9123683e, "btrfs"}, {0x2fc12fc1, "zfs"},
        {0x6969, "nfs"},          {0xff534d42, "cifs"},  {0xfe534d42, "smb2"},
        {0x0bd00bd0, "lustre"},   {0x47504653, "gpfs"},  {0x19830326, "beegfs"},
        {0x00c36400, "ceph"},     {0x65735546, "fuse"},  {0x794c7630, "overlay"},
        {0xf2f52010, "f2fs"},     {0x01021997, "9p"},    {0x61756673, "aufs"},
        {0x6a656a63, "virtiofs"}, {0x7461636f, "ocfs2"}, {0x01161970, "gfs2"},
        {0x4d44, "vfat"},         {0x5346414f, "afs"},   {0x13661366, "balloon"},
    };
    struct statfs info;

    if (statfs(folder, &info) != 0) {
        snprintf(name_out, bytes, "?");
        return;
    }
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (kinds[i].magic == ((unsigned long)info.f_type & 0xffffffff)) {
            snprintf(name_out, bytes, "%s", kinds[i].name);
            return;
        }
    snprintf(name_out, bytes, "%#lx", (unsigned long)info.f_type & 0xffffffff);
}

/* ---- writing ---- */

/* A text that is appended to as far as there is room. */
struct text {
    char bytes[ROW_BYTES_MAX];
    size_t n;
};

static void text_add(struct text *text, const char *word)
{
    size_t n = strlen(word), room = sizeof text->bytes - 1 - text->n;

    n = n < room ? n : room;
    memcpy(text->bytes + text->n, word, n);
    text->n += n;
    text->bytes[text->n] = '\0';
}

/* Words of any kind: what could end a field or a row is replaced. */
static void text_add_clean(struct text *text, const char *word)
{
    char clean[CRMPI_PATH_BYTES];
    size_t i = 0;

    for (; i < sizeof clean - 1 && word[i] != '\0'; i++)
        clean[i] = (unsigned char)word[i] < ' ' || word[i] == 0x7f ? ' '
                   : word[i] == ','                                ? ';'
                   : word[i] == '"'                                ? '\''
                                                                   : word[i];
    clean[i] = '\0';
    text_add(text, clean);
}

static void how_add(struct text *text, uint32_t how)
{
    const char *separator = "";

    for (size_t i = 0; i < sizeof how_words / sizeof *how_words; i++)
        if (how >> i & 1) {
            text_add(text, separator);
            text_add(text, how_words[i]);
            separator = "+";
        }
}

static void field_add(struct text *text, const struct column *column,
                      const struct crmpi_journal_row *row)
{
    const char *at = (const char *)row + column->offset;
    char number[64];

    if (column->kind == EVENT)
        text_add(text, events[row->event]);
    else if (column->kind == TEXT)
        text_add_clean(text, at);
    else if (column->kind == HOW)
        how_add(text, row->how);
    else if (column->kind == U32)
        snprintf(number, sizeof number, "%" PRIu32, *(const uint32_t *)(const void *)at);
    else if (column->kind == U64)
        snprintf(number, sizeof number, "%" PRIu64, *(const uint64_t *)(const void *)at);
    else
        snprintf(number, sizeof number, "%.6f", *(const double *)(const void *)at);
    if (column->kind >= U32)
        text_add(text, number);
}

static void header_make(struct text *text)
{
    text->n = 0;
    for (size_t i = 0; i < N_COLUMNS; i++) {
        text_add(text, i > 0 ? "," : "");
        text_add(text, columns[i].name);
    }
    text_add(text, "\n");
}

static void row_make(struct text *text, const struct crmpi_journal_row *row)
{
    text->n = 0;
    for (size_t i = 0; i < N_COLUMNS; i++) {
        text_add(text, i > 0 ? "," : "");
        field_add(text, &columns[i], row);
    }
    text_add(text, "\n");
}

static enum crmpi_status failed(const char *what, const char *path, int error)
{
    crmpi_warn("the history of checkpoints is incomplete: cannot %s %s: %s", what, path,
               strerror(error));
    return crmpi_file_status(error);
}

static int path_make(const char *dir, const char *name, char *path_out, size_t bytes)
{
    int n = snprintf(path_out, bytes, "%s/%s", dir, name);
    return n >= 0 && (size_t)n < bytes;
}

/* Whether a file begins with the header that is written today. */
static int has_header(int fd, const struct text *header)
{
    char begin[ROW_BYTES_MAX];
    return pread(fd, begin, header->n, 0) == (ssize_t)header->n &&
           memcmp(begin, header->bytes, header->n) == 0;
}

/* A file that is full, or of another version, becomes the old one. */
static void rotate(const char *dir, const char *path, const struct text *header)
{
    char old[CRMPI_PATH_BYTES];
    struct stat info;
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

    if (fd < 0)
        return;
    if (fstat(fd, &info) == 0 && S_ISREG(info.st_mode) && info.st_size > 0 &&
        ((uint64_t)info.st_size > CRMPI_JOURNAL_BYTES_MAX || !has_header(fd, header)) &&
        path_make(dir, CRMPI_JOURNAL_OLD_NAME, old, sizeof old))
        rename(path, old);
    close(fd);
}

/* One write, so that rows of several processes do not mix. */
static int append(int fd, const struct text *text)
{
    int error = crmpi_fault("storage.history");
    size_t n = text->n;
    ssize_t written;

    if (error == CRMPI_FAULT_SHORT) {
        error = 0;
        n /= 2;
    }
    if (error != 0)
        return error;
    do
        written = write(fd, text->bytes, n);
    while (written < 0 && errno == EINTR);
    return written < 0 ? errno : written < (ssize_t)text->n ? ENOSPC : 0;
}

/* Whether the newest row was cut off: the next must not become a part of it. */
static int is_cut_off(int fd, uint64_t bytes)
{
    char last;
    return pread(fd, &last, 1, (off_t)bytes - 1) != 1 || last != '\n';
}

enum crmpi_status
crmpi_journal_append(const char *dir, const struct crmpi_journal_row *row, int may_rotate)
{
    struct text header, text;
    char path[CRMPI_PATH_BYTES];
    struct stat info;
    int fd, error = 0;

    if (!path_make(dir, CRMPI_JOURNAL_NAME, path, sizeof path))
        return failed("write", dir, ENAMETOOLONG);
    header_make(&header);
    row_make(&text, row);
    if (may_rotate)
        rotate(dir, path, &header);
    fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC,
              0600);
    if (fd < 0)
        return failed("open", path, errno);
    if (fstat(fd, &info) != 0)
        error = errno;
    else if (!S_ISREG(info.st_mode))
        error = EINVAL;
    else if (info.st_size == 0)
        error = append(fd, &header);
    else if (is_cut_off(fd, (uint64_t)info.st_size))
        error = append(fd, &(struct text){"\n", 1});
    if (error == 0)
        error = append(fd, &text);
    close(fd);
    return error == 0 ? CRMPI_OK : failed("write", path, error);
}

/* ---- reading ---- */

/* A file being read: which column each field of a row is for, as its header says. */
struct parse {
    const struct column *fields[COLUMNS_MAX];
    size_t n_fields;
    struct crmpi_journal_row *rows;
    size_t n, room;
};

static const struct column *column_find(const char *name)
{
    for (size_t i = 0; i < N_COLUMNS; i++)
        if (strcmp(columns[i].name, name) == 0)
            return &columns[i];
    return NULL;
}

static int event_parse(const char *word, enum crmpi_journal_event *event_out)
{
    for (size_t i = 0; i < sizeof events / sizeof *events; i++)
        if (strcmp(word, events[i]) == 0) {
            *event_out = (enum crmpi_journal_event)i;
            return 1;
        }
    return 0;
}

/* What is not known is passed over. */
static uint32_t how_parse(char *words)
{
    uint32_t how = 0;
    char *rest = NULL;

    for (char *word = strtok_r(words, "+", &rest); word != NULL;
         word = strtok_r(NULL, "+", &rest))
        for (size_t i = 0; i < sizeof how_words / sizeof *how_words; i++)
            if (strcmp(word, how_words[i]) == 0)
                how |= (uint32_t)1 << i;
    return how;
}

static int number_parse(const char *word, uint64_t max, uint64_t *number_out)
{
    char *end;

    errno = 0;
    *number_out = strtoull(word, &end, 10);
    return *word >= '0' && *word <= '9' && *end == '\0' && errno == 0 &&
           *number_out <= max;
}

/* A time: not negative, and finite. */
static int seconds_parse(const char *word, double *seconds_out)
{
    char *end;

    *seconds_out = strtod(word, &end);
    return end != word && *end == '\0' && *seconds_out >= 0 && *seconds_out < 1e12;
}

static int field_parse(const struct column *column, char *word,
                       struct crmpi_journal_row *row)
{
    char *at = (char *)row + column->offset;
    uint64_t number;

    if (column->kind == EVENT)
        return event_parse(word, &row->event);
    if (column->kind == SECONDS)
        return seconds_parse(word, (double *)(void *)at);
    if (column->kind == HOW) {
        row->how = how_parse(word);
    } else if (column->kind == TEXT) {
        snprintf(at, column->bytes, "%s", word);
    } else {
        if (!number_parse(word, column->kind == U32 ? UINT32_MAX : UINT64_MAX, &number))
            return 0;
        if (column->kind == U32)
            *(uint32_t *)(void *)at = (uint32_t)number;
        else
            *(uint64_t *)(void *)at = number;
    }
    return 1;
}

static void header_parse(struct parse *parse, char *line)
{
    char *word;

    parse->n_fields = 0;
    while ((word = strsep(&line, ",")) != NULL && parse->n_fields < COLUMNS_MAX)
        parse->fields[parse->n_fields++] = column_find(word);
}

/* Whether a line is a row with all fields that its header promises. */
static int row_parse(const struct parse *parse, char *line,
                     struct crmpi_journal_row *row_out)
{
    size_t n = 0;
    char *word;
    int has_time = 0, has_event = 0;

    memset(row_out, 0, sizeof *row_out);
    for (; (word = strsep(&line, ",")) != NULL && n < parse->n_fields; n++) {
        const struct column *column = parse->fields[n];
        if (column == NULL)
            continue;
        if (!field_parse(column, word, row_out))
            return 0;
        has_time |= column->offset == offsetof(struct crmpi_journal_row, time);
        has_event |= column->kind == EVENT;
    }
    return word == NULL && n == parse->n_fields && has_time && has_event;
}

static int room_make(struct parse *parse)
{
    if (parse->n < parse->room)
        return 1;
    size_t room = parse->room ? 2 * parse->room : 64;
    struct crmpi_journal_row *rows = realloc(parse->rows, room * sizeof *rows);
    if (rows == NULL)
        return 0;
    parse->rows = rows;
    parse->room = room;
    return 1;
}

/* Take the rows of a file's text, which is changed. */
static enum crmpi_status text_parse(struct parse *parse, char *text)
{
    char *line;

    parse->n_fields = 0;
    while ((line = strsep(&text, "\n")) != NULL) {
        if (text == NULL)
            break; /* cut off, or being written */
        if (strncmp(line, "time,", strlen("time,")) == 0)
            header_parse(parse, line);
        else if (!room_make(parse))
            return CRMPI_ERR_NOMEM;
        else if (row_parse(parse, line, &parse->rows[parse->n]))
            parse->n++;
    }
    return CRMPI_OK;
}

/* Not more than files that are rotated can have. */
static enum crmpi_status file_parse(struct parse *parse, const char *dir,
                                    const char *name)
{
    char path[CRMPI_PATH_BYTES], *text;
    enum crmpi_status status;
    uint64_t bytes;
    int fd;

    if (!path_make(dir, name, path, sizeof path) || access(path, F_OK) != 0)
        return CRMPI_OK;
    status = crmpi_input_open(path, &fd, &bytes);
    if (status != CRMPI_OK)
        return status;
    if (bytes > 4 * CRMPI_JOURNAL_BYTES_MAX)
        bytes = 4 * CRMPI_JOURNAL_BYTES_MAX;
    text = malloc(bytes + 1);
    if (text == NULL) {
        close(fd);
        return CRMPI_ERR_NOMEM;
    }
    struct iovec all = {text, bytes};
    status = crmpi_input_read(fd, path, &all, 1, 0);
    close(fd);
    for (uint64_t i = 0; status == CRMPI_OK && i < bytes; i++)
        if (text[i] == '\0') /* after a power failure */
            text[i] = '?';
    text[bytes] = '\0';
    if (status == CRMPI_OK)
        status = text_parse(parse, text);
    free(text);
    return status;
}

enum crmpi_status crmpi_journal_read(const char *dir, struct crmpi_journal_row **rows_out,
                                     size_t *n_out)
{
    struct parse parse = {0};
    enum crmpi_status status = file_parse(&parse, dir, CRMPI_JOURNAL_OLD_NAME);

    if (status == CRMPI_OK)
        status = file_parse(&parse, dir, CRMPI_JOURNAL_NAME);
    if (status != CRMPI_OK) {
        if (status == CRMPI_ERR_NOMEM)
            crmpi_error("no memory for the history of checkpoints");
        free(parse.rows);
        return status;
    }
    *rows_out = parse.rows;
    *n_out = parse.n;
    return CRMPI_OK;
}
