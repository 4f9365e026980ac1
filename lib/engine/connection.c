/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Connections to other jobs, which forbid checkpoints as long as they last: rank 0 says so
 * when the first rank is refused for one, and again when no such rank is left; of those that
 * come and go often, only now and then.  Lower half, protocol thread.
 */
#include <stdio.h>
#include <string.h>
#include "base/log.h"
#include "engine/post.h"
#include "engine/state.h"
#include "interaction/cut.h"

#define SAID_AGAIN_MS 60000
#define CONNECTED_BYTES (sizeof CRMPI_CONNECTED - 1)

static struct crmpi_engine *const engine = &crmpi_engine;

int crmpi_connection_is_why(const char *why)
{
    return strncmp(why, CRMPI_CONNECTED, CONNECTED_BYTES) == 0;
}

/* Threads are parked, so what was said before of an end does not hold any more. */
void crmpi_connection_refused(const char *why)
{
    if (!crmpi_connection_is_why(why))
        return;
    __atomic_store_n(&engine->unconnected, 0, __ATOMIC_RELEASE);
    if (engine->connection[0] == '\0')
        snprintf(engine->connection, sizeof engine->connection, "%s",
                 why + CONNECTED_BYTES);
}

void crmpi_connection_tell(void)
{
    int over = __atomic_exchange_n(&engine->unconnected, 0, __ATOMIC_ACQ_REL);

    if (engine->connection[0] != '\0' && !engine->connection_told) {
        engine->connection_told = 1;
        crmpi_post_send(0, CRMPI_CHANNEL_CONNECTED, engine->connection,
                        strlen(engine->connection), NULL, 0);
    }
    if (!over || !engine->connection_told)
        return;
    engine->connection_told = 0;
    engine->connection[0] = '\0';
    crmpi_post_send(0, CRMPI_CHANNEL_CONNECTED, NULL, 0, NULL, 0);
}

/* Whether the one that begins now is told. */
static int is_news(void)
{
    static int64_t said_ms;
    int64_t now_ms = crmpi_clock_ms();

    if (said_ms != 0 && now_ms - said_ms < SAID_AGAIN_MS)
        return 0;
    said_ms = now_ms;
    return 1;
}

void crmpi_connection_take(const struct crmpi_letter *letter)
{
    static enum crmpi_log_level level;

    if (letter->envelope.bytes > 0 && engine->n_connected++ == 0) {
        level = is_news() ? CRMPI_LOG_WARN : CRMPI_LOG_INFO;
        crmpi_log(level, "no checkpoints for now: rank %u has %.*s",
                  letter->envelope.from, (int)letter->envelope.bytes,
                  (const char *)letter->bytes);
    } else if (letter->envelope.bytes == 0 && engine->n_connected > 0 &&
               --engine->n_connected == 0) {
        crmpi_log(level, "checkpoints are possible again: no rank is connected to another "
                         "job any more");
    }
}

void crmpi_engine_unconnected(void)
{
    if (!__atomic_load_n(&engine->alive, __ATOMIC_ACQUIRE))
        return;
    __atomic_store_n(&engine->unconnected, 1, __ATOMIC_RELEASE);
    crmpi_engine_wake();
}
