/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A history and a recovery line in words.  Tools.
 */
#include <inttypes.h>
#include <stdlib.h>
#include "tools/explain.h"
#include "tools/text.h"
#include "tools/tool.h"

enum { TURNS = 4, TEXT_BYTES = 512, ROWS_MAX = 20, STEPS_MAX = 40 };

const char *explain_sn_text(uint64_t sn)
{
    static char texts[TURNS][40];
    static unsigned turn;
    char *text = texts[turn++ % TURNS];
    if (sn == CRMPI_SN_NOW)
        return "the running state";
    if (sn == 0)
        return "the beginning";
    snprintf(text, sizeof texts[0], "checkpoint %" PRIu64, sn);
    return text;
}

const char *explain_step_text(const struct graph_subject *subject, size_t step)
{
    static char text[TEXT_BYTES];
    crmpi_recovery_explain(subject->history, subject->line, step, text, sizeof text);
    return text;
}

size_t explain_n_steps(const struct graph_subject *subject)
{
    size_t n = 0;
    for (size_t i = 0; i < subject->line->n_steps; i++)
        n += (size_t)graph_step_is_told(subject->history, &subject->line->steps[i]);
    return n;
}

/* Who is meant in a sentence on ranks. */
static const char *fail_text(const struct graph_subject *subject)
{
    static char text[224];
    uint32_t n_ranks = subject->history->n_ranks;
    uint32_t *failed = tool_alloc(n_ranks, sizeof *failed);
    size_t n = 0;
    for (uint32_t rank = 0; rank < n_ranks; rank++)
        if (!subject->failed || subject->failed[rank])
            failed[n++] = rank;
    if (n == n_ranks)
        snprintf(text, sizeof text, "If all ranks fail");
    else
        snprintf(text, sizeof text, "If %s fail%s", text_ranks(failed, n),
                 n == 1 ? "s" : "");
    free(failed);
    return text;
}

const char *explain_outcome_text(const struct graph_subject *subject)
{
    static char texts[TURNS][TEXT_BYTES];
    static unsigned turn;
    char *text = texts[turn++ % TURNS], who[64], what[96];
    const struct crmpi_history *history = subject->history;
    size_t n_back = 0, n_behind = 0, n_begin = 0;
    for (uint32_t rank = 0; rank < history->n_ranks; rank++) {
        const struct crmpi_entity *entity = &history->entities[rank];
        uint64_t sn = subject->line->sn[rank];
        n_back += sn != CRMPI_SN_NOW;
        n_behind += sn < entity->checkpoints[entity->n_checkpoints - 1].sn;
        n_begin += sn == 0;
    }
    const char *plural = n_back == 1 ? "" : "s";
    if (n_back == history->n_ranks && n_back > 1)
        snprintf(who, sizeof who, "all ranks go");
    else
        snprintf(who, sizeof who, "%zu of %" PRIu32 " rank%s %s", n_back, history->n_ranks,
                 history->n_ranks == 1 ? "" : "s", n_back == 1 ? "goes" : "go");
    if (n_begin > 0)
        snprintf(what, sizeof what, "back, %zu of them to the very beginning", n_begin);
    else if (n_behind == 0)
        snprintf(what, sizeof what, "back to the newest checkpoint%s", plural);
    else if (n_behind == n_back)
        snprintf(what, sizeof what, "back behind the newest checkpoint%s", plural);
    else
        snprintf(what, sizeof what, "back, %zu of them behind the newest checkpoint%s",
                 n_behind, n_behind == 1 ? "" : "s");
    snprintf(text, sizeof texts[0], "%s: %s %s", fail_text(subject), who, what);
    return text;
}

/* A checkpoint of a rank, for a table of ranks that are alike. */
struct entry {
    uint64_t sn;
    int lost;
    uint32_t first; /* of those who took it together */
    uint32_t rank;
    double time;
    uint64_t bytes;
};

static int entry_compare(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    if (x->sn != y->sn)
        return x->sn > y->sn ? -1 : 1;
    if (x->lost != y->lost)
        return x->lost - y->lost;
    if (x->first != y->first)
        return x->first < y->first ? -1 : 1;
    return x->rank < y->rank ? -1 : x->rank > y->rank;
}

static int is_alike(const struct entry *a, const struct entry *b)
{
    return a->sn == b->sn && a->lost == b->lost && a->first == b->first;
}

/* Whether a rank took a checkpoint without any other. */
static int is_alone(const struct crmpi_history *history, const struct entry *entry)
{
    for (size_t i = 0; i < history->n_ranks; i++) {
        const struct crmpi_entity *other = &history->entities[i];
        for (size_t k = 1; k < other->n_checkpoints; k++)
            if (other->rank != entry->rank && other->checkpoints[k].sn == entry->sn &&
                (other->checkpoints[k].first == entry->first ||
                 other->checkpoints[k].first == CRMPI_FIRST_UNKNOWN))
                return 0;
    }
    return entry->sn > 0 && entry->first == entry->rank && history->n_ranks > 1;
}

/* Print a table of entries, with one row for all ranks that are alike. */
static void entries_print(const struct crmpi_history *history, struct entry *entries,
                          size_t n, double latest, FILE *out)
{
    uint32_t *ranks = tool_alloc(n, sizeof *ranks);
    size_t rows = 0;
    qsort(entries, n, sizeof *entries, entry_compare);
    for (size_t i = 0, end; i < n; i = end) {
        const struct entry *one = &entries[i];
        uint64_t bytes = 0;
        double time = one->time;
        for (end = i; end < n && is_alike(one, &entries[end]); end++) {
            ranks[end - i] = entries[end].rank;
            bytes += entries[end].bytes;
            if (entries[end].time < time)
                time = entries[end].time;
        }
        if (rows++ == ROWS_MAX) {
            fprintf(out, "  and %zu more ranks\n", n - i);
            break;
        }
        fprintf(out, "  %-18s %s", explain_sn_text(one->sn), text_ranks(ranks, end - i));
        if (text_time_is_known(time))
            fprintf(out, ", taken %s", text_time(time));
        if (text_time_is_known(time) && latest - time >= 1)
            fprintf(out, ", %s before the newest", text_duration(latest - time));
        if (bytes > 0)
            fprintf(out, ", %s", text_size((double)bytes));
        if (end - i == 1 && is_alone(history, one))
            fprintf(out, ", alone");
        fprintf(out, "%s\n", one->lost ? ", LOST" : "");
    }
    free(ranks);
}

static struct entry entry_make(const struct crmpi_entity *entity, size_t index)
{
    const struct crmpi_checkpoint *one = &entity->checkpoints[index];
    return (struct entry){.sn = one->sn,
                          .lost = one->lost,
                          .first = one->first,
                          .rank = entity->rank,
                          .time = one->time,
                          .bytes = one->bytes};
}

static double latest_time(const struct crmpi_history *history)
{
    double latest = 0;
    for (size_t i = 0; i < history->n_ranks; i++) {
        const struct crmpi_entity *entity = &history->entities[i];
        double time = entity->checkpoints[entity->n_checkpoints - 1].time;
        if (text_time_is_known(time) && time > latest)
            latest = time;
    }
    return latest;
}

static void newest_print(const struct crmpi_history *history, double latest, FILE *out)
{
    struct entry *entries = tool_alloc(history->n_ranks, sizeof *entries);
    fprintf(out, "\nThe newest checkpoints:\n");
    for (size_t i = 0; i < history->n_ranks; i++)
        entries[i] = entry_make(&history->entities[i],
                                history->entities[i].n_checkpoints - 1);
    entries_print(history, entries, history->n_ranks, latest, out);
    free(entries);
}

static void line_print(const struct graph_subject *subject, double latest, FILE *out)
{
    const struct crmpi_history *history = subject->history;
    struct entry *entries = tool_alloc(history->n_ranks, sizeof *entries);
    uint32_t *running = tool_alloc(history->n_ranks, sizeof *running);
    size_t n = 0, n_running = 0;
    for (uint32_t rank = 0; rank < history->n_ranks; rank++) {
        const struct crmpi_entity *entity = &history->entities[rank];
        if (subject->line->sn[rank] == CRMPI_SN_NOW)
            running[n_running++] = rank;
        for (size_t k = 0; k < entity->n_checkpoints; k++)
            if (entity->checkpoints[k].sn == subject->line->sn[rank])
                entries[n++] = entry_make(entity, k);
    }
    fprintf(out, "\nThe recovery line; what came after it would be lost:\n");
    if (n_running > 0)
        fprintf(out, "  %-18s %s\n", "running on", text_ranks(running, n_running));
    entries_print(history, entries, n, latest, out);
    free(running);
    free(entries);
}

static void steps_print(const struct graph_subject *subject, FILE *out)
{
    const struct crmpi_recovery_line *line = subject->line;
    size_t n = explain_n_steps(subject), number = 0;
    if (n == 0)
        fprintf(out, "  Nobody has to go back because of another.\n");
    for (size_t i = 0; i < line->n_steps && number < STEPS_MAX; i++)
        if (graph_step_is_told(subject->history, &line->steps[i]))
            fprintf(out, "  %zu. %s.\n", ++number,
                    explain_step_text(subject, i));
    if (n > STEPS_MAX)
        fprintf(out, "  and %zu more steps.\n", n - STEPS_MAX);
}

static void transit_print(const struct explain_transit *transit, FILE *out)
{
    fprintf(out, "\nIn transit: ");
    if (transit->is_unknown)
        fprintf(out, "not known: what the line depends on is not all there.\n");
    else if (transit->n_messages == 0)
        fprintf(out, "nothing.\n");
    else
        fprintf(out,
                "%" PRIu64 " message%s in %" PRIu64 " stream%s; a restart sends %s again "
                "from the senders' logs.\n",
                transit->n_messages, transit->n_messages == 1 ? "" : "s",
                transit->n_streams, transit->n_streams == 1 ? "" : "s",
                transit->n_messages == 1 ? "it" : "them");
}

void explain(const struct graph_subject *subject, const struct explain_transit *transit,
             FILE *out)
{
    const struct crmpi_history *history = subject->history;
    double latest = latest_time(history);
    size_t n_segments = history->n_entities - history->n_ranks;

    fprintf(out, "Job %s, %s\n", text_clean(subject->job_id), text_clean(subject->program));
    fprintf(out, "Policy %s; %" PRIu32 " rank%s", text_clean(subject->policy),
            history->n_ranks, history->n_ranks == 1 ? "" : "s");
    if (n_segments > 0)
        fprintf(out, ", %zu segment%s of windows", n_segments, n_segments == 1 ? "" : "s");
    fprintf(out, "\n");
    newest_print(history, latest, out);
    fprintf(out, "\n%s.\n", explain_outcome_text(subject));
    if (subject->failed)
        fprintf(out, "  What running ranks have done since their newest checkpoints is in "
                     "no file.  It is taken\n  for what they had done before: that they "
                     "have had to do with the same ones again.\n");
    steps_print(subject, out);
    line_print(subject, latest, out);
    if (transit)
        transit_print(transit, out);
}
