/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the tests of lib/storage share: a rank's memory at its addresses, a temporary
 * directory, and a log that is read instead of shown.  Tests only.
 */
#ifndef CRMPI_TESTS_STORAGE_FIXTURE_H
#define CRMPI_TESTS_STORAGE_FIXTURE_H

#include <stddef.h>
#include <stdint.h>
#include "storage/container.h"

/* The process's memory as the tests save it: three regions, of which some pages are, and
 * the segments of three windows: one between others' in its view, one in memory of the
 * application, one of zeros. */
enum { N_REGIONS = 3, N_EXTENTS = 4, N_SEGMENTS = 3 };
extern const struct crmpi_region regions[N_REGIONS];
extern const struct crmpi_extent small_extents[N_EXTENTS]; /* less than one block */
extern const struct crmpi_extent large_extents[N_EXTENTS]; /* blocks that span extents */
extern const struct crmpi_segment segments[N_SEGMENTS];

/* Abort the test if its preparations fail; also outside of Check. */
void require(int condition);

/* Map all regions and views, and fill the extents, and those of the segments, with bytes
 * that depend on seed; check them, and that nothing else in the views was written to. */
void memory_map(void);
void memory_fill(const struct crmpi_extent *extents, unsigned seed);
int memory_is(const struct crmpi_extent *extents, unsigned seed);

/* A rank file being saved, straight from memory; each as the writer's functions. */
enum { SAVING_CONTENTS = 256 };
extern int saving_sync; /* 0: files are not brought to the disk */
struct saving {
    struct crmpi_writer *writer;
    uint64_t data_end;
    struct crmpi_content contents[SAVING_CONTENTS];
    size_t n;
    crmpi_progress_fn progress; /* may be NULL */
    void *context;
};
enum crmpi_status saving_begin(struct saving *saving, const char *path,
                               const struct crmpi_job *job);
enum crmpi_status saving_memory(struct saving *saving, const struct crmpi_region *list,
                                size_t n_regions, const struct crmpi_extent *extents,
                                size_t n_extents);
enum crmpi_status saving_segment(struct saving *saving,
                                 const struct crmpi_segment *segment);
enum crmpi_status saving_close(struct saving *saving, uint64_t *bytes_out,
                               uint64_t *digest_out);
void saving_abort(struct saving *saving);

/* Write all segments. */
enum crmpi_status segments_save(struct saving *saving);

/* Dependencies with something in every table, for 2 ranks or more; and writing them. */
struct crmpi_dependencies dependencies_make(const struct crmpi_job *job);
enum crmpi_status dependencies_save(struct saving *saving, const struct crmpi_job *job);

/* A directory of its own for every test (checked fixture), and paths in it. */
extern char folder[256];
void folder_make(void);
void folder_remove(void);
const char *in_folder(const char *name); /* in a static buffer, of which there are four */

/* Whether a directory has exactly these names, separated by blanks, in order. */
int folder_has(const char *path, const char *names);

/* Lines logged since the last log_reset(), and the newest of them. */
extern unsigned log_lines;
extern char log_last[8192];
void log_reset(void);

/* Save small_extents and the segments, filled by seed, with two records and
 * dependencies; the checkpoint's sn is seed, too. */
enum crmpi_status small_save(const char *path, unsigned seed);
/* Whether path holds just that. */
int small_is(const char *path, unsigned seed);

struct crmpi_job job_make(uint32_t world_rank, uint64_t sn);

unsigned char *file_get(const char *path, size_t *bytes_out);
void file_put(const char *path, const void *data, size_t bytes);
/* Make the digest right again, so that what is wrong otherwise is looked at. */
void file_seal(unsigned char *data, size_t bytes);
/* Where the data area ends if an offset lies in it; else the offset. */
uint64_t hole_end(const unsigned char *data, uint64_t at);

#endif
