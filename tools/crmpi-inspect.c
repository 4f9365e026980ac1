/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * crmpi-inspect: list, show, verify, draw and explain checkpoints, and what they cost.
 * Tool.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/config.h"
#include "base/log.h"
#include "storage/container.h"
#include "storage/directory.h"
#include "storage/former.h"
#include "tools/figures.h"
#include "tools/look.h"
#include "tools/nodes.h"
#include "tools/show.h"
#include "tools/stats.h"
#include "tools/text.h"
#include "tools/tool.h"

#define TOOL "crmpi-inspect"

static const char usage[] =
    "Usage: crmpi-inspect [DIR] [list]\n"
    "       crmpi-inspect [DIR] show LINE [RANK]\n"
    "       crmpi-inspect [DIR] verify [LINE]\n"
    "       crmpi-inspect [DIR] graph [-o FILE] [--dot] [--fail RANKS] [--ranks RANKS]\n"
    "       crmpi-inspect [DIR] explain [--fail RANKS]\n"
    "       crmpi-inspect [DIR]... stats [--svg FILE]\n"
    "Look at the checkpoints in DIR (default: CRMPI_DIR, or else ./crmpi.ckpt).\n"
    "\n"
    "  list               the recovery lines, with a glance at their files\n"
    "  show LINE [RANK]   what a line has of all ranks, or of one: regions, windows,\n"
    "                     what it depends on, records\n"
    "  verify [LINE]      check every byte of one line, or of all\n"
    "  graph              draw the checkpoints, what they depend on and the recovery "
    "line\n"
    "                     as SVG\n"
    "    -o FILE            into a file, not to standard output\n"
    "    --dot              for Graphviz; also if FILE ends in .dot or .gv\n"
    "    --ranks RANKS      give these, such as 0-7,12, rows of their own in a large "
    "job\n"
    "  explain            say in words where a restart would go on, and why there\n"
    "    --fail RANKS       of both: if only these failed, instead of all\n"
    "  stats              what the checkpoints of the newest job cost, also of those "
    "that\n"
    "                     were dropped; of several directories, to compare them\n"
    "    --svg FILE         draw it\n"
    "  --help, --version\n"
    "\n"
    "Exit status: 0; 1 if something is damaged, missing or not to be read here; 2 for\n"
    "a wrong option.  A word that is none of the above is DIR, before or behind the\n"
    "command; write ./list for a directory of that name.\n";

enum command { LIST, SHOW, VERIFY, GRAPH, EXPLAIN, STATS };
static const char *const names[] = {"list",  "show",    "verify",
                                    "graph", "explain", "stats"};

struct request {
    enum command command;
    const char **dirs;
    size_t n_dirs;
    const char *svg;
    int n_numbers;
    uint64_t numbers[2]; /* line, rank */
    struct look_options look;
};

static int is_number(const char *word)
{
    return *word && word[strspn(word, "0123456789")] == '\0';
}

/* Check a list of ranks and join it to those given before. */
static const char *list_add(const char *option, const char *before, const char *list)
{
    char *joined;
    look_list_check(TOOL, option, list);
    if (!before)
        return list;
    if (asprintf(&joined, "%s,%s", before, list) < 0) {
        crmpi_error("out of memory");
        exit(TOOL_FAILED);
    }
    return joined; /* until the program ends */
}

/* Take an option of graph or explain, with its value. */
static int request_option(struct request *request, int argc, char **argv, int *i)
{
    struct look_options *look = &request->look;
    const char *value;
    if ((value = tool_option_value(TOOL, argc, argv, i, "--fail")) != NULL)
        look->failed = list_add("--fail", look->failed, value);
    else if ((value = tool_option_value(TOOL, argc, argv, i, "--ranks")) != NULL)
        look->ranks = list_add("--ranks", look->ranks, value);
    else if ((value = tool_option_value(TOOL, argc, argv, i, "-o")) != NULL)
        look->output = value;
    else if ((value = tool_option_value(TOOL, argc, argv, i, "--svg")) != NULL)
        request->svg = value;
    else if (strcmp(argv[*i], "--dot") == 0)
        look->as_dot = 1;
    else
        return 0;
    return 1;
}

static void request_check(const struct request *request)
{
    static const int numbers_min[] = {0, 1, 0, 0, 0, 0},
                     numbers_max[] = {0, 2, 1, 0, 0, 0};
    const struct look_options *look = &request->look;
    const char *name = names[request->command];
    if (request->n_numbers < numbers_min[request->command])
        tool_usage(TOOL, "show needs the number of a line");
    if (request->n_numbers > numbers_max[request->command])
        tool_usage(TOOL, "%s does not take so many numbers", name);
    if (look->failed && request->command != GRAPH && request->command != EXPLAIN)
        tool_usage(TOOL, "%s does not take --fail", name);
    if (request->svg && request->command != STATS)
        tool_usage(TOOL, "%s does not take --svg", name);
    if (request->n_dirs > 1 && request->command != STATS)
        tool_usage(TOOL, "%s is too much", request->dirs[1]);
    if ((look->output || look->as_dot || look->ranks) && request->command != GRAPH)
        tool_usage(TOOL, "%s does not take %s", name,
                   look->output   ? "-o"
                   : look->as_dot ? "--dot"
                                  : "--ranks");
}

static struct request request_parse(int argc, char **argv)
{
    struct request request = {.command = LIST};
    int commands = 0;

    tool_common_options(argc, argv, usage);
    request.dirs = tool_alloc((size_t)argc, sizeof *request.dirs);
    for (int i = 1; i < argc; i++) {
        int command = LIST;
        while (command <= STATS && strcmp(argv[i], names[command]) != 0)
            command++;
        if (command <= STATS && commands++ == 0)
            request.command = (enum command)command;
        else if (commands == 1 && is_number(argv[i]) && request.n_numbers < 2)
            request.numbers[request.n_numbers++] = tool_number(TOOL, "number", argv[i]);
        else if (argv[i][0] == '-' && request_option(&request, argc, argv, &i))
            continue;
        else if (argv[i][0] == '-')
            tool_usage(TOOL, "unknown option %s", argv[i]);
        else if (commands <= 1)
            request.dirs[request.n_dirs++] = argv[i];
        else
            tool_usage(TOOL, "%s is too much", argv[i]);
    }
    request_check(&request);
    return request;
}

static uint64_t line_bytes(const struct crmpi_line *line)
{
    uint64_t bytes = 0;
    for (uint32_t rank = 0; rank < line->job.n_ranks; rank++)
        bytes += line->ranks[rank].file_bytes;
    return bytes;
}

/* Tell which ranks took part in a line: those that have another checkpoint in the line
 * before.  If there is none left, those with the newest. */
static size_t line_parts(const char *dir, const struct crmpi_line *line, uint64_t before,
                         uint32_t *ranks_out)
{
    struct crmpi_line old = {0};
    uint64_t newest = 0;
    size_t n = 0;
    int is_known = before > 0 && crmpi_line_read(dir, before, &old) == CRMPI_OK &&
                   old.job.n_ranks == line->job.n_ranks &&
                   strcmp(old.job.job_id, line->job.job_id) == 0;
    for (uint32_t rank = 0; rank < line->job.n_ranks; rank++)
        if (line->ranks[rank].sn > newest)
            newest = line->ranks[rank].sn;
    for (uint32_t rank = 0; rank < line->job.n_ranks; rank++) {
        uint64_t sn = line->ranks[rank].sn;
        if (is_known ? sn != old.ranks[rank].sn : sn == newest)
            ranks_out[n++] = rank;
    }
    crmpi_line_free(&old);
    return n;
}

/* ---- list ---- */

struct tally {
    unsigned missing, damaged;
    unsigned unread; /* by this build */
    unsigned elsewhere; /* on other nodes, or missing there */
    uint32_t n_ranks;
};

/* Count a file that is not here. */
static void tally_missing(struct tally *tally, const struct crmpi_line *line)
{
    if (nodes_has_files(line))
        tally->elsewhere++;
    else
        tally->missing++;
}

/* See whether all rank files are there and have their sizes. */
static struct tally line_glance(const char *dir, const struct crmpi_line *line)
{
    struct tally tally = {.n_ranks = line->job.n_ranks};
    struct stat found;
    char path[4096];
    for (uint32_t rank = 0; rank < line->job.n_ranks; rank++) {
        const char *home = nodes_home(dir, line, rank);
        if (home == NULL ||
            crmpi_rank_path(home, rank, line->ranks[rank].sn, 0, path, sizeof path) !=
                CRMPI_OK ||
            lstat(path, &found) != 0)
            tally_missing(&tally, line);
        else if ((uint64_t)found.st_size != line->ranks[rank].file_bytes)
            tally.damaged++;
    }
    return tally;
}

static const char *tally_text(struct tally tally)
{
    static char text[96];
    if (tally.missing && tally.damaged)
        snprintf(text, sizeof text, "%u rank files missing, %u damaged", tally.missing,
                 tally.damaged);
    else if (tally.missing || tally.damaged)
        snprintf(text, sizeof text, "%u rank file%s %s", tally.missing + tally.damaged,
                 tally.missing + tally.damaged == 1 ? "" : "s",
                 tally.missing ? "missing" : "damaged");
    else if (tally.unread)
        snprintf(text, sizeof text, "%u of %u rank files cannot be read here",
                 tally.unread, tally.n_ranks);
    else if (tally.elsewhere)
        snprintf(text, sizeof text, "%u of %u rank files here",
                 tally.n_ranks - tally.elsewhere, tally.n_ranks);
    else
        return "complete";
    return text;
}

static int line_list(const char *dir, uint64_t number, uint64_t before)
{
    struct crmpi_line line;
    if (crmpi_line_read(dir, number, &line) != CRMPI_OK) {
        printf("%8" PRIu64 "  damaged\n", number);
        return TOOL_FAILED;
    }
    struct tally tally = line_glance(dir, &line);
    uint32_t *ranks = tool_alloc(line.job.n_ranks, sizeof *ranks);
    size_t parts = line_parts(dir, &line, before, ranks);
    double written = 0;
    char rate[40] = "-";
    for (size_t i = 0; i < parts; i++)
        written += (double)line.ranks[ranks[i]].file_bytes;
    if (line.save_seconds > 0)
        snprintf(rate, sizeof rate, "%s/s", text_size(written / line.save_seconds));
    printf("%8" PRIu64 "  %-19s %7u %7zu %11s %s %8.2f s %13s  %-14s %s%s", number,
           text_time(line.job.time), line.job.n_ranks, parts,
           text_size((double)line_bytes(&line)), figures_columns(&line, ranks, parts),
           line.save_seconds, rate, text_clean(line.job.policy), tally_text(tally),
           line.in_transit ? ", messages in transit" : "");
    printf(nodes_has_files(&line) ? ", %s\n" : "\n", nodes_levels(&line));
    free(ranks);
    crmpi_line_free(&line);
    return tally.missing || tally.damaged ? TOOL_FAILED : 0;
}

static int list(const char *dir, const uint64_t *numbers, size_t n)
{
    int result = 0;
    if (n == 0) {
        printf("%s has no recovery line\n", dir);
        return 0;
    }
    printf("%8s  %-19s %7s %7s %11s %s %10s %13s  %-14s %s\n", "line", "taken", "ranks",
           "new", "size", figures_head(), "saved in", "bandwidth", "policy", "state");
    for (size_t i = 0; i < n; i++)
        result |= line_list(dir, numbers[i], i > 0 ? numbers[i - 1] : 0);
    return result;
}

/* What former jobs have left, which is kept in folders of their own. */
static enum crmpi_status job_list(int fd, const char *folder, const char *name,
                                  void *context)
{
    struct crmpi_former former;
    char path[4096];

    (void)fd;
    (void)context;
    if (name[0] == '.' ||
        snprintf(path, sizeof path, "%s/%s", folder, name) >= (int)sizeof path ||
        crmpi_former_look(path, &former) != CRMPI_OK || former.n_lines == 0)
        return CRMPI_OK;
    printf("also: %s, %s, %zu line%s, the newest of %s\n", path,
           text_clean(former.job.program), former.n_lines,
           former.n_lines == 1 ? "" : "s", text_time(former.job.time));
    return CRMPI_OK;
}

static void jobs_list(const char *dir)
{
    char path[4096];

    if (snprintf(path, sizeof path, "%s/" CRMPI_JOBS_NAME, dir) < (int)sizeof path &&
        access(path, F_OK) == 0)
        crmpi_entries_visit(path, job_list, NULL);
}

/* ---- show ---- */

static void record_count(void *context, const char *name, uint64_t bytes)
{
    (void)name;
    (void)bytes;
    ++*(unsigned *)context;
}

static void record_print(void *context, const char *name, uint64_t bytes)
{
    (void)context;
    printf("  %-30s %11s\n", text_clean(name), text_size((double)bytes));
}

static void job_print(const char *dir, const struct crmpi_line *line, uint64_t before)
{
    const struct crmpi_job *job = &line->job;
    uint32_t *ranks = tool_alloc(job->n_ranks, sizeof *ranks);
    size_t n = line_parts(dir, line, before, ranks);
    printf("line         %" PRIu64 ", %u ranks, %s\n", job->sn, job->n_ranks,
           text_size((double)line_bytes(line)));
    printf("taken        %s, saved in %.2f s", text_time(job->time), line->save_seconds);
    printf(", policy %s\n", text_clean(job->policy));
    printf("new in it    %s\n", n == job->n_ranks ? "all ranks" : text_ranks(ranks, n));
    figures_print(line, ranks, n);
    printf("in transit   %s\n",
           line->in_transit ? "messages, which are in the senders' logs" : "nothing");
    free(ranks);
    printf("job          %s", text_clean(job->job_id));
    printf(", restarted %" PRIu64 " time%s before", job->incarnation,
           job->incarnation == 1 ? "" : "s");
    if (job->restored > 0)
        printf(", now from line %" PRIu64, job->restored);
    printf("\n");
    if (nodes_has_files(line)) {
        printf("levels       %s\n", nodes_levels(line));
        nodes_print(line);
    }
    printf("program      %s\n", text_clean(job->program));
    printf("MPI          %s\n", text_clean(job->mpi_version));
    printf("host         %s\n", text_clean(job->host));
    if (line->launcher) {
        printf("launcher    ");
        for (size_t i = 0; i < line->launcher_bytes; i += strlen(line->launcher + i) + 1)
            printf(" %s", text_clean(line->launcher + i));
        printf("\n");
    }
}

/* One row of the table of ranks. */
static int rank_row(const char *dir, const struct crmpi_line *line, uint32_t rank)
{
    const struct crmpi_region *regions;
    const struct crmpi_extent *extents;
    const struct crmpi_segment *segments;
    size_t n_regions, n_extents, n_segments;
    unsigned records = 0;
    uint64_t mapped = 0, saved;
    struct crmpi_reader *reader;
    int result = 0;

    const char *home = nodes_home(dir, line, rank);

    printf("%7u %10" PRIu64 " ", rank, line->ranks[rank].sn);
    fflush(stdout);
    if (home == NULL && nodes_has_files(line)) {
        printf("not on this node\n");
        return 0;
    }
    if (crmpi_line_open_rank(home ? home : dir, line, rank, &reader) != CRMPI_OK) {
        printf("missing or damaged\n");
        return TOOL_FAILED;
    }
    crmpi_reader_memory(reader, &regions, &n_regions, &extents, &n_extents);
    for (size_t i = 0; i < n_regions; i++)
        mapped += regions[i].bytes;
    saved = crmpi_extents_bytes(extents, n_extents);
    crmpi_reader_segments(reader, &segments, &n_segments);
    for (size_t i = 0; i < n_segments; i++) {
        mapped += segments[i].view_bytes;
        saved += crmpi_extents_bytes(segments[i].extents, segments[i].n_extents);
    }
    if (crmpi_reader_records(reader, record_count, &records) != CRMPI_OK)
        result = TOOL_FAILED;
    printf("%11s %11s %11s %8zu %8zu %8zu %8u  %s\n",
           text_size((double)line->ranks[rank].file_bytes), text_size((double)saved),
           text_size((double)mapped), n_regions, n_extents, n_segments, records,
           text_clean(crmpi_reader_job(reader)->host));
    crmpi_reader_close(reader);
    return result;
}

static void region_print(const struct crmpi_region *region, uint64_t saved)
{
    printf("  %#16" PRIx64 " %11s %11s  %c%c%c%c  %s\n", region->start,
           text_size((double)region->bytes), text_size((double)saved),
           region->prot & PROT_READ ? 'r' : '-', region->prot & PROT_WRITE ? 'w' : '-',
           region->prot & PROT_EXEC ? 'x' : '-', region->flags & MAP_SHARED ? 's' : 'p',
           text_clean(region->name));
}

/* The rank's segments of windows; "-": saved with the region it lies in. */
static void segments_print(const struct crmpi_reader *reader)
{
    const struct crmpi_segment *segments;
    size_t n;
    crmpi_reader_segments(reader, &segments, &n);
    if (n > 0)
        printf("\n  %8s  %-8s %7s %16s %11s %11s  %s\n", "window", "kind", "members",
               "address", "size", "saved", "name");
    for (size_t i = 0; i < n; i++) {
        const struct crmpi_segment *one = &segments[i];
        double saved = (double)crmpi_extents_bytes(one->extents, one->n_extents);
        printf("  %8" PRIu64 "  %-8s %7u %#16" PRIx64 " %11s %11s  %s\n", one->window,
               crmpi_flavor_text(one->flavor), one->n_members, one->start,
               text_size((double)one->bytes), one->view_bytes ? text_size(saved) : "-",
               text_clean(one->name));
    }
}

/* All of one rank: its regions, its windows, and its records. */
static int rank_show(const char *dir, const struct crmpi_line *line, uint32_t rank)
{
    const struct crmpi_region *regions;
    const struct crmpi_extent *extents;
    size_t n_regions, n_extents, next = 0;
    struct crmpi_reader *reader;
    int result = 0;

    const char *home = nodes_home(dir, line, rank);

    if (crmpi_line_open_rank(home ? home : dir, line, rank, &reader) != CRMPI_OK)
        return TOOL_FAILED;
    crmpi_reader_memory(reader, &regions, &n_regions, &extents, &n_extents);
    printf("rank         %u on %s\n", rank, text_clean(crmpi_reader_job(reader)->host));
    printf("file         %s\n", text_size((double)line->ranks[rank].file_bytes));
    printf("\n  %16s %11s %11s  %s\n", "address", "mapped", "saved", "mode  name");
    for (size_t i = 0; i < n_regions; i++) {
        uint64_t saved = 0, end = regions[i].start + regions[i].bytes;
        for (; next < n_extents && extents[next].start < end; next++)
            saved += extents[next].bytes;
        region_print(&regions[i], saved);
    }
    segments_print(reader);
    if (show_dependencies(reader) != CRMPI_OK)
        result = TOOL_FAILED;
    printf("\n  %-30s %11s\n", "record", "size");
    if (crmpi_reader_records(reader, record_print, NULL) != CRMPI_OK)
        result = TOOL_FAILED;
    crmpi_reader_close(reader);
    return result;
}

static int show(const char *dir, const struct request *request, const uint64_t *numbers,
                size_t n)
{
    struct crmpi_line line;
    uint64_t before = 0;
    int result = 0;
    if (crmpi_line_read(dir, request->numbers[0], &line) != CRMPI_OK)
        return TOOL_FAILED;
    for (size_t i = 0; i < n && numbers[i] < request->numbers[0]; i++)
        before = numbers[i];
    if (request->n_numbers == 1) {
        job_print(dir, &line, before);
        printf("\n%7s %10s %11s %11s %11s %8s %8s %8s %8s  %s\n", "rank", "checkpoint",
               "file", "saved", "mapped", "regions", "extents", "windows", "records",
               "host");
        for (uint32_t rank = 0; rank < line.job.n_ranks; rank++)
            result |= rank_row(dir, &line, rank);
    } else if (request->numbers[1] < line.job.n_ranks) {
        result = rank_show(dir, &line, (uint32_t)request->numbers[1]);
    } else {
        crmpi_error("line %" PRIu64 " has ranks 0 to %u only", line.job.sn,
                    line.job.n_ranks - 1);
        result = TOOL_FAILED;
    }
    crmpi_line_free(&line);
    return result;
}

/* ---- verify ---- */

/* How far verify is, for a line that is written over and over on a terminal. */
struct far {
    uint64_t line, done_before, total;
    int shown;
};

static void far_show(void *context, uint64_t done, uint64_t total)
{
    struct far *far = context;
    (void)total;
    fprintf(stderr, "\rline %" PRIu64 ": %s of %s ", far->line,
            text_size((double)(far->done_before + done)), text_size((double)far->total));
    far->shown = 1;
}

static void far_clear(struct far *far)
{
    if (far->shown)
        fprintf(stderr, "\r%*s\r", 60, "");
    far->shown = 0;
}

static enum crmpi_status rank_verify(const char *dir, const struct crmpi_line *line,
                                     uint32_t rank, struct far *far)
{
    const char *home = nodes_home(dir, line, rank);
    struct crmpi_reader *reader;
    enum crmpi_status status =
        crmpi_line_open_rank(home ? home : dir, line, rank, &reader);
    if (status != CRMPI_OK)
        return status;
    status = crmpi_reader_verify(reader, isatty(STDERR_FILENO) ? far_show : NULL, far);
    crmpi_reader_close(reader);
    return status;
}

/* Whether a running job has dropped the line while it was being looked at. */
static int is_dropped(const char *dir, uint64_t number)
{
    uint64_t *numbers;
    size_t n;
    int found = 0;
    if (crmpi_lines_list(dir, &numbers, &n) != CRMPI_OK)
        return 0;
    for (size_t i = 0; i < n; i++)
        found |= numbers[i] == number;
    free(numbers);
    return !found;
}

static int line_verify(const char *dir, uint64_t number)
{
    struct tally tally = {.n_ranks = 0};
    struct far far = {.line = number};
    struct crmpi_line line;

    if (crmpi_line_read(dir, number, &line) != CRMPI_OK) {
        printf("line %" PRIu64 ": cannot be read\n", number);
        return TOOL_FAILED;
    }
    far.total = line_bytes(&line);
    tally.n_ranks = line.job.n_ranks;
    for (uint32_t rank = 0; rank < line.job.n_ranks; rank++) {
        if (nodes_has_files(&line) && nodes_home(dir, &line, rank) == NULL) {
            tally.elsewhere++;
            continue;
        }
        enum crmpi_status status = rank_verify(dir, &line, rank, &far);
        tally.missing += status == CRMPI_ERR_NOTFOUND;
        tally.unread += status == CRMPI_ERR_UNSUPPORTED;
        tally.damaged += status != CRMPI_OK && status != CRMPI_ERR_NOTFOUND &&
                         status != CRMPI_ERR_UNSUPPORTED;
        far.done_before += line.ranks[rank].file_bytes;
    }
    far_clear(&far);
    int wrong = tally.missing || tally.damaged || tally.unread;
    if (wrong && is_dropped(dir, number)) {
        printf("line %" PRIu64 ": dropped by the running job meanwhile\n", number);
        wrong = 0;
    } else {
        printf("line %" PRIu64 ": %u ranks, %s: %s\n", number, line.job.n_ranks,
               text_size((double)far.total),
               wrong || tally.elsewhere ? tally_text(tally) : "all right");
    }
    crmpi_line_free(&line);
    return wrong ? TOOL_FAILED : 0;
}

static int verify(const char *dir, const struct request *request, const uint64_t *numbers,
                  size_t n)
{
    int result = 0;
    if (request->n_numbers == 1)
        return line_verify(dir, request->numbers[0]);
    if (n == 0) {
        crmpi_error("%s has no recovery line to verify", dir);
        return TOOL_FAILED;
    }
    for (size_t i = 0; i < n; i++)
        result |= line_verify(dir, numbers[i]);
    return result;
}

/* The commands that look at lines. */
static int lines_look(const char *dir, const struct request *request)
{
    uint64_t *numbers;
    size_t n;
    int result;

    if (crmpi_lines_list(dir, &numbers, &n) != CRMPI_OK)
        return TOOL_FAILED;
    if (request->command == LIST) {
        result = list(dir, numbers, n);
        jobs_list(dir);
    } else if (request->command == SHOW) {
        result = show(dir, request, numbers, n);
    } else if (request->command == VERIFY) {
        result = verify(dir, request, numbers, n);
    } else if (request->command == GRAPH) {
        result = look_graph(dir, &request->look);
    } else {
        result = look_explain(dir, &request->look);
    }
    free(numbers);
    return result;
}

int main(int argc, char **argv)
{
    struct request request = request_parse(argc, argv);
    int result;

    tool_config_load(TOOL, request.n_dirs > 0 ? request.dirs[0] : NULL);
    const char *dir = crmpi_config.dir;
    if (request.command == STATS)
        result = request.n_dirs > 0
                     ? stats_show(request.dirs, request.n_dirs, request.svg)
                     : stats_show(&dir, 1, request.svg);
    else
        result = lines_look(dir, &request);
    free(request.dirs);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        crmpi_error("cannot write to standard output");
        return TOOL_FAILED;
    }
    return result;
}
