/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A thread that does the phases of a checkpoint that take time, so that the protocol
 * thread passes on other ranks' messages meanwhile.  One action at a time.  Lower half.
 */
#ifndef CRMPI_ENGINE_WORKER_H
#define CRMPI_ENGINE_WORKER_H

#include "base/status.h"
#include "policy/policy.h"

/** @param work  does an action, in that thread; 1 and the result if it has one */
enum crmpi_status crmpi_worker_start(int (*work)(const struct crmpi_action *action,
                                                 struct crmpi_event *result_out));
/** Wait for what is under way, and end the thread. */
void crmpi_worker_stop(void);

/** Begin an action, which is taken over; crmpi_engine_wake() tells when it is done. */
void crmpi_worker_do(struct crmpi_action *action);

/** Tell whether an action is under way, or its end has not been taken yet. */
int crmpi_worker_is_busy(void);

/** What the worker has been at for longer than @p limit_ms although it should not take
 * time, in words; NULL: nothing.  Told again after that time. */
const char *crmpi_worker_hangs(int64_t limit_ms);

/**
 * Take the end of an action.
 * @param[out] has_result_out  whether there is a result, for crmpi_event_fini()
 * @return 1, or 0 if nothing has ended
 */
int crmpi_worker_take(struct crmpi_event *result_out, int *has_result_out);

#endif
