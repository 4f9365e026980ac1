/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Actions that outlive the policy's call: copies with all that they point to; and events
 * that were made for it.  Lower half.
 */
#include <stdlib.h>
#include <string.h>
#include "engine/state.h"

/* What an action points to need not be aligned: some of it lies in messages. */
static int copy(const void *from, size_t n, size_t item_bytes, const void **to_out)
{
    void *to = NULL;

    if (from != NULL && n > 0) {
        to = malloc(n * item_bytes);
        if (to == NULL)
            return 0;
        memcpy(to, from, n * item_bytes);
    }
    *to_out = to;
    return 1;
}

#define COPY(list, n)                                                                    \
    copy(action->list, action->n, sizeof *action->list, (const void **)&copied.list)

enum crmpi_status crmpi_action_copy(struct crmpi_action *copy_out,
                                    const struct crmpi_action *action)
{
    struct crmpi_action copied = *action;

    copied.group = NULL;
    copied.cohort = NULL;
    copied.arrived = NULL;
    copied.targets = NULL; /* of actions that are done at once, like `why` */
    copied.n_targets = 0;
    copied.why = NULL;
    copied.saved = NULL;
    copied.kept = NULL;
    if (!COPY(group, n_group) || !COPY(cohort, n_cohort) || !COPY(arrived, n_arrived) ||
        !COPY(saved, n_saved) || !COPY(kept, n_kept)) {
        crmpi_action_fini(&copied);
        return CRMPI_ERR_NOMEM;
    }
    *copy_out = copied;
    return CRMPI_OK;
}

void crmpi_action_fini(struct crmpi_action *action)
{
    free((void *)action->group);
    free((void *)action->cohort);
    free((void *)action->arrived);
    free((void *)action->saved);
    free((void *)action->kept);
    *action = (struct crmpi_action){0};
}

void crmpi_event_fini(struct crmpi_event *event)
{
    free((void *)event->counts);
    free((void *)event->neighbours);
    free((void *)event->dependencies);
    free((void *)event->kept);
    event->counts = NULL;
    event->neighbours = NULL;
    event->dependencies = NULL;
    event->kept = NULL;
}
