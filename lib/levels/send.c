/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sending files to ranks that keep something of them (see exchange.h).  Lower half.
 *
 * The bytes go from the page cache to the socket, as the file has just been written.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/fault.h"
#include "base/log.h"
#include "levels/exchange.h"
#include "storage/file.h"

#define CALL_LIMIT_MS 30000
#define LOOK_MS 1000
#define TURN_BYTES ((size_t)4 << 20) /* of one sending, before others have their turn */

static void end(struct crmpi_sending *sending, enum crmpi_status status)
{
    if (sending->fd >= 0)
        close(sending->fd);
    sending->fd = -1;
    sending->status = status;
    sending->is_over = 1;
}

static int send_whole(int fd, const void *bytes, size_t n)
{
    while (n > 0) {
        ssize_t sent = send(fd, bytes, n, MSG_NOSIGNAL);

        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0)
            return 0;
        bytes = (const char *)bytes + sent;
        n -= (size_t)sent;
    }
    return 1;
}

/* Connect, and send what comes before the bytes. */
static enum crmpi_status begin(const struct crmpi_exchange_peers *peers,
                               struct crmpi_sending *sending)
{
    int fd = crmpi_address_call(peers->all, peers->self, sending->to, peers->key,
                                CALL_LIMIT_MS);

    sending->fd = fd;
    sending->is_over = sending->is_all_sent = 0;
    sending->cursor = sending->offset = sending->answered = 0;
    sending->left =
        sending->head.kind == CRMPI_EXCHANGE_COPY ? sending->head.file_bytes : 0;
    if (fd < 0)
        return CRMPI_ERR_IO; /* why was logged */
    if (send_whole(fd, &sending->head, sizeof sending->head) &&
        send_whole(fd, sending->numbers,
                   sending->head.n_numbers * sizeof *sending->numbers) &&
        fcntl(fd, F_SETFL, O_NONBLOCK) == 0)
        return CRMPI_OK;
    crmpi_warn("sending to rank %u: %s", sending->to, strerror(errno));
    return CRMPI_ERR_IO;
}

/* Go to the next piece, if there is one and the last is done. */
static int has_more(struct crmpi_sending *sending)
{
    struct crmpi_erasure_piece piece;

    if (sending->left > 0)
        return 1;
    if (sending->head.kind != CRMPI_EXCHANGE_STREAM ||
        !crmpi_erasure_next(sending->code, sending->member, sending->holder,
                            sending->head.file_bytes, &sending->cursor, &piece))
        return 0;
    sending->offset = piece.offset;
    sending->left = piece.bytes;
    return 1;
}

/* Send what the socket takes. */
static void go_on(struct crmpi_sending *sending)
{
    size_t turn = 0;

    while (turn < TURN_BYTES && has_more(sending)) {
        int error = crmpi_fault("levels.send");
        off_t offset = (off_t)sending->offset;
        ssize_t sent = -1;

        if (error > 0)
            errno = error;
        else
            sent = sendfile(sending->fd, sending->file, &offset, sending->left);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0 && errno == EAGAIN)
            return;
        if (sent <= 0) {
            crmpi_warn("sending to rank %u: %s", sending->to,
                       sent < 0 ? strerror(errno) : "the file has become shorter");
            end(sending, sent < 0 ? crmpi_file_status(errno) : CRMPI_ERR_IO);
            return;
        }
        sending->offset += (uint64_t)sent;
        sending->left -= (uint64_t)sent;
        turn += (size_t)sent;
    }
    sending->is_all_sent = !has_more(sending);
}

static void take_answer(struct crmpi_sending *sending)
{
    ssize_t got = recv(sending->fd, (char *)&sending->answer + sending->answered,
                       sizeof sending->answer - sending->answered, 0);

    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) {
        crmpi_warn("rank %u does not answer: %s", sending->to,
                   got < 0 ? strerror(errno) : "the connection has ended");
        end(sending, CRMPI_ERR_IO);
        return;
    }
    sending->answered += (size_t)got;
    if (sending->answered < sizeof sending->answer)
        return;
    if (sending->answer.sn != sending->head.sn || !sending->is_all_sent ||
        sending->answer.kind != sending->head.kind)
        end(sending, CRMPI_ERR_FORMAT);
    else
        end(sending, (enum crmpi_status)sending->answer.status);
}

static unsigned poll_all(struct crmpi_sending *sendings, unsigned n,
                         struct pollfd *entries)
{
    unsigned n_left = 0;

    for (unsigned i = 0; i < n; i++) {
        entries[i] = (struct pollfd){.fd = sendings[i].is_over ? -1 : sendings[i].fd,
                                     .events = POLLIN};
        if (!sendings[i].is_all_sent)
            entries[i].events |= POLLOUT;
        n_left += !sendings[i].is_over;
    }
    if (n_left > 0 && poll(entries, n, LOOK_MS) <= 0)
        for (unsigned i = 0; i < n; i++)
            entries[i].revents = 0;
    return n_left;
}

enum crmpi_status crmpi_exchange_send(const struct crmpi_exchange_peers *peers,
                                      struct crmpi_sending *sendings, unsigned n,
                                      int (*is_given_up)(void))
{
    struct pollfd entries[CRMPI_SENDINGS_MAX];
    enum crmpi_status status = CRMPI_OK;

    for (unsigned i = 0; i < n; i++) {
        status = begin(peers, &sendings[i]);
        if (status != CRMPI_OK)
            end(&sendings[i], status);
    }
    while (poll_all(sendings, n, entries) > 0) {
        for (unsigned i = 0; i < n; i++) {
            if (!sendings[i].is_over && is_given_up())
                end(&sendings[i], CRMPI_ERR_IO);
            if (!sendings[i].is_over && entries[i].revents & POLLOUT)
                go_on(&sendings[i]);
            if (!sendings[i].is_over && entries[i].revents & ~POLLOUT)
                take_answer(&sendings[i]);
        }
    }
    status = CRMPI_OK;
    for (unsigned i = 0; i < n && status == CRMPI_OK; i++)
        status = sendings[i].status;
    return status;
}
