/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A rank's memory of its files (see kept.h).  Lower half.
 *
 * If there is no memory for a file, all that is known is forgotten but not dropped: files
 * that are not known are left where they are.
 */
#include <string.h>
#include "boundary/heap.h"
#include "engine/kept.h"

#define FIRST_CAPACITY 8

static void forget_all(struct crmpi_kept *kept)
{
    kept->n = 0;
}

static void add(struct crmpi_kept *kept, const struct crmpi_kept_file *file)
{
    uint64_t capacity = kept->capacity ? 2 * kept->capacity : FIRST_CAPACITY;
    struct crmpi_kept_file *grown;

    if (kept->n == kept->capacity) {
        grown = crmpi_heap_grow(kept->files, kept->capacity * sizeof *grown,
                                capacity * sizeof *grown);
        if (grown == NULL) {
            forget_all(kept);
            return;
        }
        kept->files = grown;
        kept->capacity = capacity;
    }
    kept->files[kept->n++] = *file;
}

/* The files there are go no further than line @p last. */
static void end_at(struct crmpi_kept *kept, uint64_t last)
{
    for (uint64_t i = 0; i < kept->n; i++)
        if (kept->files[i].last > last)
            kept->files[i].last = last;
}

static void remove_at(struct crmpi_kept *kept, uint64_t i)
{
    kept->n--;
    memmove(&kept->files[i], &kept->files[i + 1], (kept->n - i) * sizeof *kept->files);
}

static uint64_t newest(const struct crmpi_kept *kept)
{
    return kept->n > 0 ? kept->files[kept->n - 1].sn : 0;
}

/* Which line had the file first was not known yet when the memory was saved; it cannot
 * have a lower number.  Nor was it whether it has become an increment. */
void crmpi_kept_restored(struct crmpi_kept *kept, uint64_t sn, uint64_t line)
{
    while (kept->n > 0 && kept->files[kept->n - 1].sn >= sn)
        kept->n--;
    end_at(kept, line);
    add(kept, &(struct crmpi_kept_file){
                  .sn = sn, .first = sn, .last = UINT64_MAX, .parent = newest(kept)});
}

void crmpi_kept_committed(struct crmpi_kept *kept, uint64_t sn, uint64_t line,
                          int is_increment)
{
    end_at(kept, line - 1);
    add(kept, &(struct crmpi_kept_file){.sn = sn,
                                        .first = line,
                                        .last = UINT64_MAX,
                                        .parent = is_increment ? newest(kept) : 0});
}

void crmpi_kept_saved(struct crmpi_kept *kept, uint64_t sn, int is_increment)
{
    add(kept, &(struct crmpi_kept_file){.sn = sn,
                                        .first = sn,
                                        .last = UINT64_MAX,
                                        .is_alone = 1,
                                        .parent = is_increment ? newest(kept) : 0});
}

static int may_be_in(const struct crmpi_kept_file *file, uint64_t line)
{
    return !file->is_alone && line >= file->first && line <= file->last;
}

static int is_parent(const struct crmpi_kept *kept, uint64_t i)
{
    for (uint64_t later = i + 1; later < kept->n; later++)
        if (kept->files[later].parent == kept->files[i].sn)
            return 1;
    return 0;
}

static int is_needed(const struct crmpi_kept_file *file, const uint64_t *lines, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (file->is_alone && lines[i] > file->sn)
            return 0;
        if (may_be_in(file, lines[i]))
            return 1;
    }
    return (int)file->is_alone;
}

int crmpi_kept_knows(const struct crmpi_kept *kept, uint64_t line)
{
    for (uint64_t i = 0; i < kept->n; i++)
        if (may_be_in(&kept->files[i], line))
            return 1;
    return 0;
}

void crmpi_kept_forget(struct crmpi_kept *kept, const uint64_t *lines, size_t n)
{
    for (uint64_t i = kept->n; i-- > 0;) /* parents are older */
        if (!is_needed(&kept->files[i], lines, n) && !is_parent(kept, i))
            remove_at(kept, i);
}

uint64_t crmpi_kept_take_alone(struct crmpi_kept *kept, uint64_t sn)
{
    for (uint64_t i = 0; i < kept->n; i++) {
        uint64_t found = kept->files[i].sn;
        if (!kept->files[i].is_alone || found >= sn || is_parent(kept, i))
            continue;
        remove_at(kept, i);
        return found;
    }
    return 0;
}
