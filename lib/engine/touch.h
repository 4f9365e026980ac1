/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Leave to access other ranks' segments of windows, see crmpi_engine_touch().  Lower
 * half, protocol thread.
 */
#ifndef CRMPI_ENGINE_TOUCH_H
#define CRMPI_ENGINE_TOUCH_H

#include "engine/post.h"

/** Begin to take touches; until then nobody has to be asked. */
void crmpi_touch_start(void);

/** Send what threads have asked for. */
void crmpi_touch_send(void);
/** Another rank asks; it is answered by crmpi_touch_answer(). */
void crmpi_touch_take(const struct crmpi_letter *letter);
/** Another rank has answered. */
void crmpi_touch_take_grant(const struct crmpi_letter *letter);
/** Answer those that ask, unless this rank's memory may be being saved. */
void crmpi_touch_answer(void);

/** There are no more checkpoints: grant all, also what is asked from now on. */
void crmpi_touch_stop(void);

#endif
