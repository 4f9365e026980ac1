/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which messages a line has sent and not received (see history.h).  What contradicts is
 * found on the way, and refused.  Pure; lower half, tools and tests.
 */
#include <stdlib.h>
#include "recovery/records.h"

struct search {
    const struct crmpi_dependencies **on_line; /* of each rank; NULL: its channels are
                                                  empty, or it is at the beginning */
    const uint64_t *sn;
    struct crmpi_late *late;
    size_t n, room;
};

/* The counts of two checkpoints belong together: both since the same base, or since the
 * one which has empty channels. */
static int is_comparable(const struct search *s, uint32_t one, uint32_t other)
{
    const struct crmpi_dependencies *d = s->on_line[other];
    return d ? d->base == s->on_line[one]->base : s->sn[other] <= s->on_line[one]->base;
}

static enum crmpi_status late_add(struct search *s, const struct crmpi_late *late)
{
    if (s->n == s->room) {
        size_t room = s->room ? 2 * s->room : 64;
        struct crmpi_late *more = realloc(s->late, room * sizeof *more);
        if (more == NULL)
            return CRMPI_ERR_NOMEM;
        s->late = more;
        s->room = room;
    }
    s->late[s->n++] = *late;
    return CRMPI_OK;
}

/* What has been sent in a stream, against what the peer has received. */
static enum crmpi_status sent_check(struct search *s, uint32_t rank,
                                    const struct crmpi_stream *stream)
{
    const struct crmpi_dependencies *peer = s->on_line[stream->peer];
    const struct crmpi_stream *other = NULL;
    struct crmpi_late late = {.sender = rank,
                              .receiver = stream->peer,
                              .comm = stream->comm,
                              .tag = stream->tag,
                              .sent = stream->sent};

    if (stream->peer == rank)
        other = stream;
    else if (peer)
        other = crmpi_stream_find(peer, stream->comm, rank, stream->tag);
    if (other)
        late.received = other->received;
    if (stream->sent == 0 && late.received == 0)
        return CRMPI_OK;
    if (stream->tag == CRMPI_TAG_OTHER || !is_comparable(s, rank, stream->peer) ||
        late.received > late.sent || late.received < stream->unlogged)
        return CRMPI_ERR_MISMATCH;
    return late.received < late.sent ? late_add(s, &late) : CRMPI_OK;
}

/* What has been received in a stream has to have been sent; where the peer knows the
 * stream, sent_check() compares. */
static enum crmpi_status received_check(const struct search *s, uint32_t rank,
                                        const struct crmpi_stream *stream)
{
    const struct crmpi_dependencies *peer = s->on_line[stream->peer];

    if (stream->received == 0 || stream->peer == rank ||
        (peer && crmpi_stream_find(peer, stream->comm, rank, stream->tag)))
        return CRMPI_OK;
    return CRMPI_ERR_MISMATCH;
}

static enum crmpi_status rank_check(struct search *s, uint32_t rank)
{
    const struct crmpi_dependencies *d = s->on_line[rank];
    enum crmpi_status status = CRMPI_OK;

    for (size_t i = 0; d && i < d->n_streams && status == CRMPI_OK; i++) {
        if (d->streams[i].tag == CRMPI_TAG_ROOTED)
            continue; /* no messages that are in transit */
        status = sent_check(s, rank, &d->streams[i]);
        if (status == CRMPI_OK)
            status = received_check(s, rank, &d->streams[i]);
    }
    return status;
}

enum crmpi_status crmpi_recovery_late(const struct crmpi_history *history,
                                      const uint64_t *sn, struct crmpi_late **late_out,
                                      size_t *n_out)
{
    struct search s = {.on_line = calloc(history->n_ranks, sizeof *s.on_line), .sn = sn};
    enum crmpi_status status = s.on_line ? CRMPI_OK : CRMPI_ERR_NOMEM;

    for (uint32_t r = 0; r < history->n_ranks && status == CRMPI_OK; r++) {
        const struct crmpi_record *record =
            sn[r] ? crmpi_record_find(&history->records->tasks[r], sn[r]) : NULL;
        if (sn[r] > 0 && (!record || record->about.lost))
            status = CRMPI_ERR_MISMATCH;
        else if (record && record->dependencies.is_alone)
            s.on_line[r] = &record->dependencies;
    }
    for (uint32_t r = 0; r < history->n_ranks && status == CRMPI_OK; r++)
        status = rank_check(&s, r);
    free(s.on_line);
    if (status != CRMPI_OK) {
        free(s.late);
        return status;
    }
    *late_out = s.late;
    *n_out = s.n;
    return CRMPI_OK;
}
