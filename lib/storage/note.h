/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Small text files in the checkpoint directory: DIR/ended, DIR/moving, DIR/refused.  Lower
 * half and tools.  Failures are logged.
 */
#ifndef CRMPI_STORAGE_NOTE_H
#define CRMPI_STORAGE_NOTE_H

#include <stddef.h>
#include "base/status.h"

/** Write DIR/NAME, as a whole or not at all, in the place of what was there. */
enum crmpi_status crmpi_note_put(const char *dir, const char *name, const char *text);

/** The same, unless somebody else was first: then CRMPI_ERR_PERMISSION, and no word of it.
 * @param self  no other process that may be doing so has the same */
enum crmpi_status crmpi_note_put_first(const char *dir, const char *name,
                                       const char *text, unsigned long self);

/** Read DIR/NAME, as far as there is room; CRMPI_ERR_NOTFOUND, not logged: there is none. */
enum crmpi_status crmpi_note_get(const char *dir, const char *name, char *text_out,
                                 size_t bytes);

void crmpi_note_remove(const char *dir, const char *name);

/** Remove what processes that were killed while they wrote DIR/NAME have left: nobody may be
 * writing it. */
void crmpi_note_sweep(const char *dir, const char *name);

#endif
