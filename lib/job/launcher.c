/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Lists of words, and what is known of the command lines of launchers.  Lower half and
 * tools.
 */
#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/config.h"
#include "job/launcher.h"

#define ANCESTORS_MAX 16
#define CMDLINE_MAX_BYTES ((size_t)1 << 20)

/* ---- words ---- */

enum crmpi_status crmpi_words_add(struct crmpi_words *words, const char *word)
{
    char **items = realloc(words->items, (words->n + 2) * sizeof *items);

    if (items == NULL)
        return CRMPI_ERR_NOMEM;
    words->items = items;
    items[words->n] = strdup(word);
    if (items[words->n] == NULL)
        return CRMPI_ERR_NOMEM;
    items[++words->n] = NULL;
    return CRMPI_OK;
}

void crmpi_words_fini(struct crmpi_words *words)
{
    for (size_t i = 0; i < words->n; i++)
        free(words->items[i]);
    free(words->items);
    *words = (struct crmpi_words){0};
}

enum crmpi_status crmpi_words_split(struct crmpi_words *words_out, const char *bytes,
                                    size_t n)
{
    struct crmpi_words words = {0};

    for (size_t at = 0; at < n; at += strlen(bytes + at) + 1) {
        if (memchr(bytes + at, '\0', n - at) == NULL) {
            crmpi_words_fini(&words);
            return CRMPI_ERR_CORRUPT;
        }
        if (crmpi_words_add(&words, bytes + at) != CRMPI_OK) {
            crmpi_words_fini(&words);
            return CRMPI_ERR_NOMEM;
        }
    }
    *words_out = words;
    return CRMPI_OK;
}

enum crmpi_status crmpi_words_join(const struct crmpi_words *words, char **bytes_out,
                                   size_t *n_out)
{
    size_t n = 0, at = 0;
    char *bytes;

    for (size_t i = 0; i < words->n; i++)
        n += strlen(words->items[i]) + 1;
    bytes = malloc(n + 1);
    if (bytes == NULL)
        return CRMPI_ERR_NOMEM;
    for (size_t i = 0; i < words->n; at += strlen(words->items[i++]) + 1)
        strcpy(bytes + at, words->items[i]);
    *bytes_out = bytes;
    *n_out = n;
    return CRMPI_OK;
}

/* Words are separated by ':', and in them all but the plainest characters are %XX, so
 * that the text survives any launcher's handling of environment variables. */
char *crmpi_words_encode(const struct crmpi_words *words)
{
    size_t n = 1;
    char *text, *at;

    for (size_t i = 0; i < words->n; i++)
        n += 3 * strlen(words->items[i]) + 1;
    text = at = malloc(n);
    if (text == NULL)
        return NULL;
    for (size_t i = 0; i < words->n; i++) {
        for (const char *c = words->items[i]; *c != '\0'; c++) {
            if (isalnum((unsigned char)*c) || strchr("_-./", *c) != NULL)
                *at++ = *c;
            else
                at += sprintf(at, "%%%02x", (unsigned char)*c);
        }
        *at++ = ':';
    }
    *at = '\0';
    return text;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

enum crmpi_status crmpi_words_decode(struct crmpi_words *words_out, const char *text)
{
    size_t n = strlen(text), used = 0;
    char *bytes = malloc(n + 1);
    enum crmpi_status status;

    if (bytes == NULL)
        return CRMPI_ERR_NOMEM;
    for (size_t i = 0; i < n; i++) {
        int high, low;
        if (text[i] == ':') {
            bytes[used++] = '\0';
            continue;
        }
        if (text[i] != '%') {
            bytes[used++] = text[i];
            continue;
        }
        high = hex_digit(text[i + 1]);
        low = high < 0 ? -1 : hex_digit(text[i + 2]);
        if (low < 0 || high + low == 0) {
            free(bytes);
            return CRMPI_ERR_CORRUPT;
        }
        bytes[used++] = (char)(16 * high + low);
        i += 2;
    }
    status = crmpi_words_split(words_out, bytes, used);
    free(bytes);
    return status;
}

/* ---- mpirun's command line ---- */

/* Options that take one argument; with one dash or two.  Of Open MPI 4.1, and of 5.0. */
static const char *const takes_one[] = {
    "am",
    "app",
    "arch",
    "bind-to",
    "c",
    "cartofile",
    "cf",
    "cpu-list",
    "cpu-set",
    "cpus-per-proc",
    "cpus-per-rank",
    "debugger",
    "default-hostfile",
    "display",
    "dvm",
    "file",
    "forward-signals",
    "H",
    "hnp",
    "host",
    "hostfile",
    "initial-errhandler",
    "launch-agent",
    "machinefile",
    "map-by",
    "max-restarts",
    "max-vm-size",
    "memory-alloc-kinds",
    "N",
    "n",
    "np",
    "npernode",
    "npersocket",
    "ompi-server",
    "output",
    "output-directory",
    "output-filename",
    "path",
    "personality",
    "ppr",
    "prefix",
    "preload-files",
    "pset",
    "rank-by",
    "rankfile",
    "report-events",
    "report-pid",
    "report-uri",
    "rf",
    "runtime-options",
    "spawn-timeout",
    "stdin",
    "stream-buffering",
    "timeout",
    "tmpdir",
    "tune",
    "wd",
    "wdir",
    "with-ft",
    "x",
    "xml-file",
    "xterm",
    NULL,
};
static const char *const takes_two[] = {"mca",     "gmca",    "omca", "gomca",
                                        "prtemca", "pmixmca", NULL};
static const char *const count_options[] = {"np", "n", "c", NULL};
static const char *const file_options[] = {
    "hostfile", "machinefile", "default-hostfile", "rankfile", "rf", NULL,
};
/* Others that name something in the folder where the launcher runs. */
static const char *const place_options[] = {"app", "tune", "wd", "wdir", NULL};

/* An option's name is what is behind its dashes, until a "=" if its value follows that. */
static size_t option_name(const char *word, const char **name_out)
{
    *name_out = word + (word[0] == '-') + (word[0] == '-' && word[1] == '-');
    return strcspn(*name_out, "=");
}

static int is_option(const char *word, const char *const *options)
{
    const char *name;
    size_t n = option_name(word, &name);

    for (; word[0] == '-' && *options != NULL; options++)
        if (strlen(*options) == n && strncmp(name, *options, n) == 0)
            return 1;
    return 0;
}

static size_t option_words(const char *word)
{
    if (strchr(word, '=') != NULL)
        return 1;
    return is_option(word, takes_two) ? 3 : is_option(word, takes_one) ? 2 : 1;
}

int crmpi_launcher_is_mpirun(const char *word)
{
    static const char *const names[] = {"mpirun", "mpiexec", "orterun", "prterun"};
    const char *slash = strrchr(word, '/'), *name = slash != NULL ? slash + 1 : word;

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        size_t n = strlen(names[i]);
        if (strncmp(name, names[i], n) == 0 &&
            (name[n] == '\0' || strcmp(name + n, ".openmpi") == 0))
            return 1;
    }
    return 0;
}

size_t crmpi_launcher_options_end(char *const *words, size_t n)
{
    size_t i = 1;

    while (i < n && words[i][0] == '-')
        i += option_words(words[i]);
    return i < n ? i : 0;
}

static int says_hosts(const char *word)
{
    static const char *const options[] = {"H", "host", NULL};

    return is_option(word, options) || is_option(word, file_options);
}

/* Whether one option says what another one does. */
static int is_same_option(char *const *a, char *const *b)
{
    static const char *const variable[] = {"x", NULL};
    const char *name_a, *name_b;
    size_t n;

    if (is_option(a[0], takes_two) || is_option(b[0], takes_two))
        return option_words(a[0]) == 3 && option_words(b[0]) == 3 &&
               strcmp(a[1], b[1]) == 0;
    if ((is_option(a[0], count_options) && is_option(b[0], count_options)) ||
        (says_hosts(a[0]) && says_hosts(b[0])))
        return 1;
    n = option_name(a[0], &name_a);
    if (n != option_name(b[0], &name_b) || strncmp(name_a, name_b, n) != 0)
        return 0;
    if (!is_option(a[0], variable))
        return 1;
    if (option_words(a[0]) != 2 || option_words(b[0]) != 2)
        return 0;
    n = strcspn(a[1], "=");
    return n == strcspn(b[1], "=") && strncmp(a[1], b[1], n) == 0;
}

static size_t n_words(char *const *words)
{
    size_t n = 0;

    while (words[n] != NULL)
        n++;
    return n;
}

void crmpi_launcher_replace(struct crmpi_words *words, char *const *options)
{
    size_t left = n_words(options), n;

    for (; left > 0 && options[0][0] == '-'; options += n, left -= n) {
        n = option_words(options[0]);
        if (n > left)
            return; /* without its value: the launcher will say so */
        for (size_t i = 1, old; i < words->n; i += old) {
            old = option_words(words->items[i]);
            if (i + old > words->n || !is_same_option(&words->items[i], options))
                continue;
            for (size_t k = 0; k < old; k++)
                free(words->items[i + k]);
            words->n -= old;
            memmove(&words->items[i], &words->items[i + old],
                    (words->n - i + 1) * sizeof *words->items);
            old = 0;
        }
    }
}

static enum crmpi_status make_absolute(char **word, const char *value, const char *cwd)
{
    char *absolute;

    if (value[0] == '/')
        return CRMPI_OK;
    if (asprintf(&absolute, "%.*s%s/%s", (int)(value - *word), *word, cwd, value) < 0)
        return CRMPI_ERR_NOMEM;
    free(*word);
    *word = absolute;
    return CRMPI_OK;
}

enum crmpi_status crmpi_launcher_absolute(struct crmpi_words *words, const char *cwd)
{
    enum crmpi_status status = CRMPI_OK;
    size_t n;

    for (size_t i = 1; i < words->n && status == CRMPI_OK; i += n) {
        char **word = &words->items[i], *value = strchr(*word, '=');

        n = 1;
        if ((*word)[0] != '-') { /* a program and its arguments */
            while (i + n < words->n && strcmp(words->items[i + n - 1], ":") != 0)
                n++;
            continue;
        }
        n = option_words(*word);
        if (!is_option(*word, file_options) && !is_option(*word, place_options))
            continue;
        if (value != NULL)
            status = make_absolute(word, value + 1, cwd);
        else if (i + 1 < words->n)
            status = make_absolute(word + 1, word[1], cwd);
    }
    return status;
}

/* ---- the record ---- */

static enum crmpi_status read_words(const char *path, struct crmpi_words *words_out)
{
    char *bytes = malloc(CMDLINE_MAX_BYTES);
    size_t n = 0;
    ssize_t more = 1;
    enum crmpi_status status;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    while (bytes != NULL && fd >= 0 && more > 0 && n < CMDLINE_MAX_BYTES) {
        more = read(fd, bytes + n, CMDLINE_MAX_BYTES - n);
        n += more > 0 ? (size_t)more : 0;
    }
    if (fd >= 0)
        close(fd);
    status = n > 0 ? crmpi_words_split(words_out, bytes, n) : CRMPI_ERR_NOTFOUND;
    free(bytes);
    return status;
}

static int parent_of(int pid)
{
    char path[64], text[512];
    const char *at;
    int fd, parent = 0;
    ssize_t n = 0;

    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        n = read(fd, text, sizeof text - 1);
        close(fd);
    }
    text[n > 0 ? n : 0] = '\0';
    at = strrchr(text, ')'); /* the name before it may hold anything */
    if (at == NULL || sscanf(at, ") %*c %d", &parent) != 1)
        return 0;
    return parent;
}

/* Open MPI 5.0's mpirun executes prterun, with its own arguments and an environment that says
 * whose they are: without that they mean something else.  Which mpirun it was is not told; it
 * lies beside. */
static enum crmpi_status prterun_rename(struct crmpi_words *words, int pid)
{
    const char *slash = strrchr(words->items[0], '/');
    char path[64], program[4096], *mpirun = NULL, *end;
    ssize_t n;

    if (strcmp(slash ? slash + 1 : words->items[0], "prterun") != 0)
        return CRMPI_OK;
    snprintf(path, sizeof path, "/proc/%d/exe", pid);
    n = readlink(path, program, sizeof program - 1);
    program[n > 0 ? n : 0] = '\0';
    if ((end = strrchr(program, '/')) != NULL &&
        asprintf(&mpirun, "%.*s/mpirun", (int)(end - program), program) < 0)
        return CRMPI_ERR_NOMEM;
    if (mpirun == NULL || access(mpirun, X_OK) != 0) {
        free(mpirun);
        mpirun = strdup("mpirun");
    }
    if (mpirun == NULL)
        return CRMPI_ERR_NOMEM;
    free(words->items[0]);
    words->items[0] = mpirun;
    return CRMPI_OK;
}

/* The command line of the mpirun above this process, as seen from anywhere. */
static enum crmpi_status find_launcher(struct crmpi_words *words_out)
{
    const char *given = getenv("CRMPI_LAUNCHER");
    int pid = getpid();
    char cwd[4096];

    if (given != NULL)
        return crmpi_words_decode(words_out, given);
    for (int i = 0; i < ANCESTORS_MAX && (pid = parent_of(pid)) > 1; i++) {
        char path[64];
        ssize_t n;
        snprintf(path, sizeof path, "/proc/%d/cmdline", pid);
        if (read_words(path, words_out) != CRMPI_OK)
            continue;
        if (crmpi_launcher_is_mpirun(words_out->items[0])) {
            snprintf(path, sizeof path, "/proc/%d/cwd", pid);
            n = readlink(path, cwd, sizeof cwd - 1);
            cwd[n > 0 ? n : 0] = '\0';
            enum crmpi_status status = crmpi_launcher_absolute(words_out, cwd);
            return status == CRMPI_OK ? prterun_rename(words_out, pid) : status;
        }
        crmpi_words_fini(words_out);
    }
    return CRMPI_ERR_NOTFOUND;
}

/* How many words of the launcher's come before this process's own. */
static size_t find_program(const struct crmpi_words *launcher)
{
    struct crmpi_words own = {0};
    size_t end = 0, first = 0;

    if (crmpi_launcher_is_mpirun(launcher->items[0]))
        end = crmpi_launcher_options_end(launcher->items, launcher->n);
    if (end == 0 && read_words("/proc/self/cmdline", &own) == CRMPI_OK) {
        if (own.n < launcher->n)
            end = launcher->n - own.n;
        while (first < own.n && end > 0 &&
               strcmp(own.items[first], launcher->items[end + first]) == 0)
            first++;
        if (first < own.n)
            end = 0;
        crmpi_words_fini(&own);
    }
    return end;
}

/* Is this "-x NAME..." one that a restart sets anew? */
static int is_own_variable(char *const *words)
{
    return strcmp(words[0], "-x") == 0 && (strncmp(words[1], "LD_PRELOAD", 10) == 0 ||
                                           strncmp(words[1], "CRMPI_", 6) == 0);
}

static enum crmpi_status add_configuration(struct crmpi_words *record)
{
    enum crmpi_status status = CRMPI_OK;

    for (size_t i = 0; i < crmpi_n_variables && status == CRMPI_OK; i++) {
        const char *name = crmpi_variables[i].name, *value = getenv(name);
        char setting[4200];
        if (value == NULL || strcmp(name, "CRMPI_DIR") == 0)
            continue; /* the restart knows the directory; it may have been moved */
        snprintf(setting, sizeof setting, "%s=%s", name, value);
        status = crmpi_words_add(record, "-x");
        if (status == CRMPI_OK)
            status = crmpi_words_add(record, setting);
    }
    return status;
}

static enum crmpi_status add_option(struct crmpi_words *record, char *const *words,
                                    size_t n)
{
    enum crmpi_status status = CRMPI_OK;

    if (n == 2 && (is_own_variable(words) || is_option(words[0], count_options)))
        return CRMPI_OK;
    for (size_t i = 0; i < n && status == CRMPI_OK; i++)
        status = crmpi_words_add(record, words[i]);
    return status;
}

static enum crmpi_status make_record(const struct crmpi_words *launcher, size_t end,
                                     struct crmpi_words *record)
{
    int mpirun = crmpi_launcher_is_mpirun(launcher->items[0]);
    enum crmpi_status status = crmpi_words_add(record, launcher->items[0]);

    if (status == CRMPI_OK && mpirun)
        status = add_configuration(record);
    for (size_t i = 1; i < end && status == CRMPI_OK;) {
        size_t n = mpirun ? option_words(launcher->items[i]) : 1;
        if (n > end - i)
            n = end - i;
        status = add_option(record, &launcher->items[i], n);
        i += n;
    }
    return status;
}

/* Whether one of several programs' options goes into the line of all: unless it is a matter of
 * this program alone, or said before.  There can be one file of hosts. */
static int is_for_all(const struct crmpi_words *record, char *const *words, size_t n)
{
    static const char *const own[] = {"x", "wd", "wdir", "path", "app", NULL};
    int names_file = is_option(words[0], file_options);

    if (is_option(words[0], own))
        return 0;
    for (size_t i = 1; i < record->n; i += option_words(record->items[i])) {
        size_t same = 0;
        if (names_file && is_option(record->items[i], file_options))
            return 0;
        while (same < n && i + same < record->n &&
               strcmp(record->items[i + same], words[same]) == 0)
            same++;
        if (same == n)
            return 0;
    }
    return 1;
}

/* The options of the second program of several, and so on; a restart starts all by one line.
 * @param at  behind the first program's options */
static enum crmpi_status add_programs(const struct crmpi_words *launcher, size_t at,
                                      struct crmpi_words *record)
{
    enum crmpi_status status = CRMPI_OK;

    for (; at < launcher->n && status == CRMPI_OK; at++) {
        if (strcmp(launcher->items[at], ":") != 0)
            continue;
        while (status == CRMPI_OK && at + 1 < launcher->n &&
               launcher->items[at + 1][0] == '-') {
            char *const *words = &launcher->items[at + 1];
            size_t n = option_words(words[0]);
            if (n > launcher->n - at - 1)
                n = launcher->n - at - 1;
            if (is_for_all(record, words, n))
                status = add_option(record, words, n);
            at += n;
        }
    }
    return status;
}

enum crmpi_status crmpi_launcher_record(char **bytes_out, size_t *n_out)
{
    struct crmpi_words launcher = {0}, record = {0};
    enum crmpi_status status = find_launcher(&launcher);
    size_t end;

    *bytes_out = NULL;
    *n_out = 0;
    if (status != CRMPI_OK || launcher.n == 0)
        return status == CRMPI_ERR_NOMEM ? status : CRMPI_OK;
    end = find_program(&launcher);
    if (end > 0)
        status = make_record(&launcher, end, &record);
    if (end > 0 && status == CRMPI_OK && crmpi_launcher_is_mpirun(launcher.items[0]))
        status = add_programs(&launcher, end, &record);
    if (end > 0 && status == CRMPI_OK)
        status = crmpi_words_join(&record, bytes_out, n_out);
    crmpi_words_fini(&record);
    crmpi_words_fini(&launcher);
    return status;
}
