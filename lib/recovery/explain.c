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

/* What bound two entities to each other, by importance: words before and behind the cause's
 * name. */
static const struct {
    uint32_t how;
    const char *task[2], *segment[2];
} reasons[] = {
    {CRMPI_HOW_RECEIVED, {"has received messages that", " sent"}, {NULL}},
    {CRMPI_HOW_ATOMIC,
     {"knows of atomic operations that", " had"},
     {"has atomic operations that", " did"}},
    {CRMPI_HOW_READ, {"has read what", " held"}, {NULL}},
    {CRMPI_HOW_WRITE, {"has written what", " got"}, {"holds what", " wrote"}},
    {CRMPI_HOW_SYNC,
     {"has shared locks or memory with", ", as that was"},
     {"has shared locks or memory with", ", as that was"}},
    {CRMPI_HOW_COLLECTIVE, {"has done collectives that", " did"}, {NULL}},
    {CRMPI_HOW_SENT, {"has sent messages, now in no log, that", " received"}, {NULL}},
    {CRMPI_HOW_HOME, {"was saved with what", " had"}, {NULL}},
    {CRMPI_HOW_LINE, {"may depend on what", " did"}, {NULL}},
};

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

static void say_reason(struct words *words, const struct crmpi_history *history,
                       const struct crmpi_step *step)
{
    size_t i = 0, last = sizeof reasons / sizeof *reasons - 1;

    while (i < last && !(step->edge.how & reasons[i].how))
        i++;
    int is_segment = history->entities[step->entity].kind == CRMPI_ENTITY_SEGMENT;
    const char *const *reason =
        is_segment && reasons[i].segment[0] ? reasons[i].segment : reasons[i].task;
    if (step->sn == CRMPI_SN_NOW)
        say(words, "since its last checkpoint it");
    else
        say(words, "its checkpoint %" PRIu64, step->sn);
    say(words, " %s ", reason[0]);
    say_entity(words, &history->entities[step->cause]);
    say(words, "%s after ", reason[1]);
    say_number(words, step->cause_sn);
}

static void say_cause(struct words *words, const struct crmpi_history *history,
                      const struct crmpi_recovery_line *line, size_t i)
{
    const struct crmpi_step *cause = step_of_cause(line, i);

    if (cause == NULL) {
        say(words,
            line->steps[i].cause_sn == 0 ? ", as it has no checkpoint" : ", its newest");
        return;
    }
    say(words, ", and ");
    say_entity(words, &history->entities[cause->entity]);
    say(words, " goes back to ");
    if (cause->to == line->steps[i].cause_sn)
        say(words, "that");
    else
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
        say_cause(&words, history, line, i);
    }
    return (int)words.n;
}
