/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Passing on and keeping control messages (see post.h).  Lower half, protocol thread.
 */
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "engine/post.h"
#include "engine/state.h"

static struct crmpi_engine *const engine = &crmpi_engine;

/* What has come for this rank, in order. */
static struct {
    struct crmpi_letter *first, **end;
} inbox;

void crmpi_post_break_off(const struct crmpi_link *link)
{
    crmpi_info("the connection to rank %u has ended: no more checkpoints",
               link->world_rank);
    engine->broken = 1;
}

static void keep(const struct crmpi_envelope *envelope, const void *head,
                 size_t head_bytes, const void *body, size_t body_bytes)
{
    struct crmpi_letter *letter = malloc(sizeof *letter + envelope->bytes);

    if (letter == NULL) {
        crmpi_error("no memory for a control message: no more checkpoints");
        engine->broken = 1;
        return;
    }
    letter->next = NULL;
    letter->envelope = *envelope;
    if (head_bytes > 0)
        memcpy(letter->bytes, head, head_bytes);
    if (body_bytes > 0)
        memcpy(letter->bytes + head_bytes, body, body_bytes);
    if (inbox.first == NULL)
        inbox.end = &inbox.first;
    *inbox.end = letter;
    inbox.end = &letter->next;
}

/* One step towards where the message has to go. */
static void pass_on(const struct crmpi_envelope *envelope, const void *head,
                    size_t head_bytes, const void *body, size_t body_bytes)
{
    struct crmpi_link *link = crmpi_tree_link(
        &engine->tree, crmpi_route_next(engine->job.world_rank, envelope->to));

    if (!engine->broken &&
        crmpi_link_send(link, envelope, head, head_bytes, body, body_bytes) != CRMPI_OK)
        crmpi_post_break_off(link);
}

void crmpi_post_send(uint32_t to, enum crmpi_channel channel, const void *head,
                     size_t head_bytes, const void *body, size_t body_bytes)
{
    struct crmpi_envelope envelope = {.from = engine->job.world_rank,
                                      .to = to,
                                      .channel = channel,
                                      .bytes = head_bytes + body_bytes};

    if (to == envelope.from)
        keep(&envelope, head, head_bytes, body, body_bytes);
    else
        pass_on(&envelope, head, head_bytes, body, body_bytes);
}

void crmpi_post_receive(struct crmpi_link *link)
{
    enum crmpi_status status = crmpi_link_receive(link);
    struct crmpi_envelope envelope;
    const void *bytes;
    int taken = 0;

    while (!engine->broken &&
           (taken = crmpi_link_next(link, engine->job.world_rank, engine->job.n_ranks,
                                    &envelope, &bytes)) > 0) {
        if (envelope.to == engine->job.world_rank)
            keep(&envelope, bytes, envelope.bytes, NULL, 0);
        else
            pass_on(&envelope, bytes, envelope.bytes, NULL, 0);
    }
    if (taken < 0) {
        crmpi_error("the control message from rank %u makes no sense", link->world_rank);
        engine->broken = 1;
    }
    link->ended = status != CRMPI_OK;
}

struct crmpi_letter *crmpi_post_next(void)
{
    struct crmpi_letter *letter = inbox.first;

    if (letter != NULL)
        inbox.first = letter->next;
    return letter;
}

int crmpi_post_waits(void)
{
    return inbox.first != NULL;
}

void crmpi_post_flush(struct crmpi_link *link)
{
    if (crmpi_link_flush(link) != CRMPI_OK)
        crmpi_post_break_off(link);
}

void crmpi_post_fini(void)
{
    struct crmpi_letter *letter;

    while ((letter = crmpi_post_next()) != NULL)
        free(letter);
}
