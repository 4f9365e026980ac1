/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Trying to restore a line, see attempt.h.  Lower half and tools.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>
#include "storage/attempt.h"
#include "storage/note.h"

#define NAME "CRMPI_ATTEMPT"
#define RESTORING_NAME "restoring"
#define REFUSED_NAME "refused"

static const char *attempt(void)
{
    const char *name = getenv(NAME);

    return name != NULL ? name : "";
}

void crmpi_attempt_begin(const char *dir)
{
    char name[CRMPI_ATTEMPT_BYTES], text[128];
    uint64_t number;

    crmpi_note_remove(dir, REFUSED_NAME);
    crmpi_note_remove(dir, RESTORING_NAME);
    unsetenv(NAME);
    if (getrandom(&number, sizeof number, 0) != sizeof number)
        return;
    snprintf(name, sizeof name, "%016" PRIx64, number);
    snprintf(text, sizeof text, "crmpi restoring 1\nattempt %s\n", name);
    if (crmpi_note_put(dir, RESTORING_NAME, text) == CRMPI_OK)
        setenv(NAME, name, 1);
}

/* Whether a file is there that is of this attempt. */
static int note_read(const char *dir, const char *name, const char *title, char *text,
                     size_t bytes)
{
    char format[64], found[CRMPI_ATTEMPT_BYTES] = "";

    snprintf(format, sizeof format, "crmpi %s 1 attempt %%39s", title);
    return crmpi_note_get(dir, name, text, bytes) == CRMPI_OK &&
           sscanf(text, format, found) == 1 && strcmp(found, attempt()) == 0;
}

static int refusal_parse(const char *text, struct crmpi_refusal *refusal)
{
    const char *reason = strstr(text, "\nreason ");

    *refusal = (struct crmpi_refusal){0};
    if (sscanf(text,
               "crmpi refused 1 attempt %*s status %d rank %" SCNu32 " host %255[^\n]",
               &refusal->exit_status, &refusal->world_rank, refusal->host) != 3 ||
        reason == NULL)
        return 0;
    snprintf(refusal->reason, sizeof refusal->reason, "%s", reason + strlen("\nreason "));
    refusal->reason[strcspn(refusal->reason, "\n")] = '\0';
    return 1;
}

enum crmpi_attempt_outcome crmpi_attempt_end(const char *dir,
                                             struct crmpi_refusal *refusal_out)
{
    enum crmpi_attempt_outcome outcome = CRMPI_ATTEMPT_RESTORED;
    char text[CRMPI_REASON_BYTES + 512];

    if (attempt()[0] == '\0')
        return outcome;
    if (note_read(dir, RESTORING_NAME, RESTORING_NAME, text, sizeof text)) {
        outcome = CRMPI_ATTEMPT_CUT;
        crmpi_note_remove(dir, RESTORING_NAME);
    }
    if (note_read(dir, REFUSED_NAME, REFUSED_NAME, text, sizeof text)) {
        if (refusal_parse(text, refusal_out))
            outcome = CRMPI_ATTEMPT_REFUSED;
        crmpi_note_remove(dir, REFUSED_NAME);
    }
    crmpi_note_sweep(dir, REFUSED_NAME); /* the launcher kills ranks that would refuse, too */
    return outcome;
}

int crmpi_attempt_is_watched(void)
{
    return attempt()[0] != '\0';
}

void crmpi_attempt_refuse(const char *dir, const struct crmpi_refusal *refusal)
{
    char text[CRMPI_REASON_BYTES + 512];

    if (!crmpi_attempt_is_watched())
        return;
    snprintf(text, sizeof text,
             "crmpi refused 1\nattempt %.39s\nstatus %d\nrank %" PRIu32
             "\nhost %s\nreason %s\n",
             attempt(), refusal->exit_status, refusal->world_rank, refusal->host,
             refusal->reason);
    crmpi_note_put_first(dir, REFUSED_NAME, text, refusal->world_rank);
}

void crmpi_attempt_succeed(const char *dir)
{
    if (crmpi_attempt_is_watched())
        crmpi_note_remove(dir, RESTORING_NAME);
}
