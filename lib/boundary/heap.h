/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * crmpi's own heap in the upper half: whatever the lower half must find again after a
 * restart (handles, recipes, saved messages) is allocated here.  Power-of-two size
 * classes with free lists; the state lies in the control page, so it is saved too.
 */
#ifndef CRMPI_BOUNDARY_HEAP_H
#define CRMPI_BOUNDARY_HEAP_H

#include <stddef.h>

/** Allocate @p bytes, zeroed, aligned to 16; NULL if there is no memory.  Thread safe. */
void *crmpi_heap_alloc(size_t bytes);

/** Copy @p old (which holds @p old_bytes) into a new block of @p bytes and free it. */
void *crmpi_heap_grow(void *old, size_t old_bytes, size_t bytes);

/** Duplicate a string or a block. */
void *crmpi_heap_dup(const void *data, size_t bytes);
char *crmpi_heap_strdup(const char *text);

/** Give a block back; NULL is allowed.  The size is kept in front of the block. */
void crmpi_heap_free(void *block);

#endif
