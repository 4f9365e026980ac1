/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Saving chains of increments, plain or compressed, with blocks in any order, for tests that
 * read them again.  Tests only.
 */
#ifndef CRMPI_TESTS_INCREMENTS_H
#define CRMPI_TESTS_INCREMENTS_H

#include "storage-fixture.h"

/* Pages of the memory that is saved: the second region of the fixture. */
enum { PAGE = 4096, N_PAGES = 2048 };
unsigned char *page_at(size_t page);

/* What the checkpoint before has. */
struct increments {
    struct crmpi_parent parent; /* its number; 0: the next one is a full one */
    unsigned char is_data[N_PAGES];
    int has_window;
};

/**
 * Save the pages that are not zero: those that were changed since the checkpoint before are
 * stored, in an order that depends on @p seed, others are kept; the fixture's first window,
 * if @p has_window, likewise as a whole; and 64 x 16 doubles of the last pages by the name
 * "temperature".  @p compression is that of the task.
 */
enum crmpi_status increment_save(struct increments *chain, const char *path,
                                 const struct crmpi_job *job,
                                 const unsigned char changed[N_PAGES], int has_window,
                                 enum crmpi_compression compression, unsigned seed,
                                 struct crmpi_line_rank *entry_out);

/* Change pages at random, some of them to zeros. */
void pages_change(unsigned char changed_out[N_PAGES], unsigned one_in, unsigned *seed);

#endif
