/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The steps of a search for a line in words.  Pure; tools and tests.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include "recovery/history.h"

struct words {
    char *text;
    size_t room, n;
};

__attribute__((format(printf, 2, 3))) static void say(struct words *words,
                                                      const char *format, ...)
{
    va_list arguments;
    size_t left = words->n < words->room ? words->room - words->n : 0;

    va_start(arguments, format);
    int n = vsnprintf(left ? words->text + words->n : NULL, left, format, arguments);
    va_end(arguments);
    if (n > 0)
        words->n += (size_t)n;
}

static void say_entity(struct words *words, const struct crmpi_entity *entity)
{
    if (entity->kind == CRMPI_ENTITY_SEGMENT)
        say(words, "window %" PRIu64 " of rank %" PRIu32, entity->window, entity->rank);
    else
        say(words, "rank %" PRIu32, entity->rank);
}

static void say_number(struct words *words, uint64_t sn)
{
    if (sn == 0)
        say(words, "the beginning");
    else
        say(words, "checkpoint %" PRIu64, sn);
}

/* What bound two entities to each other, by importance. */
static const struct {
    uint32_t how;
    const char *words;   /* of a task */
    const char *segment; /* of a segment; NULL: the same */
    int is_after;        /* when that was in the cause matters */
} reasons[] = {
    {CRMPI_HOW_RECEIVED, "has received messages of", NULL, 1},
    {CRMPI_HOW_ATOMIC, "has seen atomic operations on", "has been changed by", 1},
    {CRMPI_HOW_READ, "has read from", NULL, 1},
    {CRMPI_HOW_WRITE, "has written to", "has been written by", 1},
    {CRMPI_HOW_SYNC, "has shared locks or memory with", NULL, 1},
    {CRMPI_HOW_COLLECTIVE, "has done collectives with", NULL, 1},
    {CRMPI_HOW_SENT, "has sent messages, which are in no log, to", NULL, 1},
    {CRMPI_HOW_HOME, "belongs to", NULL, 0},
    {CRMPI_HOW_LINE, "was taken together, as far as is known, with", NULL, 1},
};

static void say_reason(struct words *words, const struct crmpi_history *history,
                       const struct crmpi_step *step)
{
    const struct crmpi_entity *entity = &history->entities[step->entity];
    size_t i = 0, last = sizeof reasons / sizeof *reasons - 1;

    while (i < last && !(step->edge.how & reasons[i].how))
        i++;
    if (step->sn == CRMPI_SN_NOW)
        say(words, "since its last checkpoint it");
    else
        say(words, "its checkpoint %" PRIu64, step->sn);
    say(words, " %s ",
        entity->kind == CRMPI_ENTITY_SEGMENT && reasons[i].segment ? reasons[i].segment
                                                                   : reasons[i].words);
    say_entity(words, &history->entities[step->cause]);
    if (reasons[i].is_after && step->cause_sn > 0)
        say(words, " after checkpoint %" PRIu64, step->cause_sn);
}

/* The last step of the cause before this one; NULL: it is where it began. */
static const struct crmpi_step *step_of_cause(const struct crmpi_recovery_line *line,
                                              size_t i)
{
    uint32_t cause = line->steps[i].cause;
    while (i-- > 0)
        if (line->steps[i].entity == cause)
            return &line->steps[i];
    return NULL;
}

static void say_cause(struct words *words, const struct crmpi_recovery_line *line,
                      size_t i)
{
    const struct crmpi_step *cause = step_of_cause(line, i);

    if (cause == NULL) {
        say(words, line->steps[i].cause_sn == 0 ? ", which has none" : ", its newest");
        return;
    }
    say(words, ", which goes back to ");
    say_number(words, cause->to);
    if (cause->edge.how == 0 && cause->sn != CRMPI_SN_NOW)
        say(words, " because its checkpoint %" PRIu64 " is lost", cause->sn);
    else if (cause->edge.how == 0)
        say(words, " because it failed");
}

int crmpi_recovery_explain(const struct crmpi_history *history,
                           const struct crmpi_recovery_line *line, size_t i, char *text,
                           size_t text_bytes)
{
    const struct crmpi_step *step = &line->steps[i];
    struct words words = {.text = text, .room = text_bytes};

    say_entity(&words, &history->entities[step->entity]);
    say(&words, " goes back ");
    if (step->from != CRMPI_SN_NOW)
        say(&words, "from %" PRIu64 " ", step->from);
    say(&words, "to ");
    say_number(&words, step->to);
    say(&words, ": ");
    if (step->edge.how == 0 && step->sn == CRMPI_SN_NOW) {
        say(&words, "it failed");
    } else if (step->edge.how == 0) {
        say(&words, "its checkpoint %" PRIu64 " is lost", step->sn);
    } else if (step->cause == step->entity) {
        say(&words, "what its checkpoint %" PRIu64 " depends on is not known", step->sn);
    } else {
        say_reason(&words, history, step);
        say_cause(&words, line, i);
    }
    return (int)words.n;
}
