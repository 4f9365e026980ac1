/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A fetch: telling people about it, in a line or two however many ranks there are (see
 * fetching.h).  Lower half.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "base/config.h"
#include "base/log.h"
#include "levels/fetching.h"

#define RANGES_MAX 8
#define LOST_MAX 8

struct text {
    char bytes[1024];
    size_t used;
};

static void add(struct text *text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void add(struct text *text, const char *format, ...)
{
    size_t room = sizeof text->bytes - text->used;
    va_list arguments;
    int n;

    va_start(arguments, format);
    n = vsnprintf(text->bytes + text->used, room, format, arguments);
    va_end(arguments);
    text->used += n < 0 ? 0 : (size_t)n < room ? (size_t)n : room - 1;
}

/* How the data of a rank were had: the way of those of its files that took most. */
static enum crmpi_way way_of(const struct crmpi_fetch *fetch, uint32_t world_rank)
{
    enum crmpi_way way = CRMPI_WAY_THERE;

    for (size_t i = 0; i < fetch->n_generations; i++) {
        const struct crmpi_want *want = &fetch->generations[i].list[world_rank];
        if (want->sn && want->way > way)
            way = want->way;
    }
    return way;
}

/* "rank 2", "ranks 0-3, 7", as far as they can be listed. */
static uint32_t add_ranks(struct text *text, const struct crmpi_fetch *fetch,
                          enum crmpi_way way)
{
    struct text ranges = {.used = 0};
    uint32_t n = 0, n_ranges = 0;

    for (uint32_t rank = 0; rank < fetch->n_ranks; rank++) {
        uint32_t end = rank;

        if (way_of(fetch, rank) != way)
            continue;
        while (end + 1 < fetch->n_ranks && way_of(fetch, end + 1) == way)
            end++;
        if (++n_ranges <= RANGES_MAX && end > rank)
            add(&ranges, "%s%u-%u", n ? ", " : "", rank, end);
        else if (n_ranges <= RANGES_MAX)
            add(&ranges, "%s%u", n ? ", " : "", rank);
        n += end - rank + 1;
        rank = end;
    }
    if (n > 0 && n_ranges <= RANGES_MAX)
        add(text, "rank%s %s", n > 1 ? "s" : "", ranges.bytes);
    else if (n > 0)
        add(text, "%u ranks (%s, ...)", n, ranges.bytes);
    return n;
}

void crmpi_fetch_report(const struct crmpi_fetch *fetch, uint64_t number, int is_older,
                        unsigned n_copies, unsigned n_shares)
{
    static const char *const how[CRMPI_N_WAYS] = {
        [CRMPI_WAY_THERE] = "in place",
        [CRMPI_WAY_MOVED] = "from another node",
        [CRMPI_WAY_PARTNER] = "from the partner's copy",
        [CRMPI_WAY_REBUILT] = "rebuilt from shares",
        [CRMPI_WAY_GLOBAL] = "from the global directory",
    };
    struct text text = {.used = 0};
    int is_news = is_older || n_copies || n_shares;

    add(&text, "%sline %" PRIu64 ":", is_older ? "falling back to " : "", number);
    for (int way = CRMPI_WAY_THERE; way < CRMPI_WAY_LOST; way++) {
        size_t before = text.used;
        uint32_t n;

        add(&text, "%s ", text.bytes[text.used - 1] == ':' ? "" : ";");
        n = add_ranks(&text, fetch, (enum crmpi_way)way);
        if (n == 0) {
            text.used = before;
            text.bytes[before] = '\0';
            continue;
        }
        is_news |= way != CRMPI_WAY_THERE;
        add(&text, " %s", how[way]);
    }
    if (n_copies)
        add(&text, "; %u partner cop%s made anew", n_copies, n_copies > 1 ? "ies" : "y");
    if (n_shares)
        add(&text, "; %u share%s made anew", n_shares, n_shares > 1 ? "s" : "");
    if (is_news)
        crmpi_warn("%s", text.bytes);
    else
        crmpi_info("%s", text.bytes);
}

/* Why one rank's data are lost. */
static void report_one(const struct crmpi_fetch *fetch, const struct crmpi_want *want)
{
    unsigned set = crmpi_config.levels.set;
    const struct crmpi_share *group;
    struct text text = {.used = 0};

    if (want->excess > 0) {
        group = &fetch->inventory.shares[want->share];
        for (unsigned i = 0; i < group->k + group->m; i++)
            add(&text, "%s%u", i ? ", " : "", group->members[i].world_rank);
        crmpi_error(
            "the data of rank %u are lost: in its group (ranks %s) %u node%s more "
            "%s lost than the %u that can be",
            want->world_rank, text.bytes, want->excess, want->excess > 1 ? "s" : "",
            want->excess > 1 ? "are" : "is", group->m);
    } else if (set & CRMPI_LEVEL_PARTNER) {
        crmpi_error("the data of rank %u are lost: neither its file nor its partner's "
                    "copy is on any node: 1 node more is lost than the 1 that can be",
                    want->world_rank);
    } else {
        crmpi_error(
            "the data of rank %u are lost: neither its file nor %s is on any node",
            want->world_rank,
            set & CRMPI_LEVEL_ERASURE ? "a share of its group" : "a copy");
    }
}

void crmpi_fetch_report_lost(const struct crmpi_fetch *fetch, uint64_t number)
{
    const struct crmpi_wants *last = &fetch->generations[fetch->n_generations - 1];
    uint32_t n_lost = 0;

    for (uint32_t rank = 0; rank < fetch->n_ranks; rank++)
        if (last->list[rank].sn && last->list[rank].way == CRMPI_WAY_LOST &&
            n_lost++ < LOST_MAX)
            report_one(fetch, &last->list[rank]);
    if (n_lost > LOST_MAX)
        crmpi_error("and those of %u more ranks", n_lost - LOST_MAX);
    crmpi_error("line %" PRIu64 " cannot be had: the data of %u of %u ranks are lost",
                number, n_lost, fetch->n_ranks);
}
