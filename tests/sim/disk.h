/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What simulated jobs leave on disk: the newest line, and what ranks have saved alone
 * since; and lines in that, found without the code that is under test.  Test.
 */
#ifndef CRMPI_TESTS_SIM_DISK_H
#define CRMPI_TESTS_SIM_DISK_H

#include <stddef.h>
#include <stdint.h>
#include "sim/traffic.h"

void disk_init(const struct traffic_program *program);
void disk_fini(void);

uint64_t disk_line_number(void);
/** A copy of what the newest line has of a rank. */
void disk_load(uint32_t r, struct traffic_rank *rank_out);

/** Rank files: of a checkpoint of all, which counts when it is committed; of one alone.
 * The dependencies are taken over. */
void disk_write_together(uint32_t r, const struct traffic_rank *rank,
                         struct crmpi_dependencies *dependencies);
void disk_write_alone(uint32_t r, const struct traffic_rank *rank,
                      struct crmpi_dependencies *dependencies);
/** 0, or -1 if some rank has not saved, or the number has been used. */
int disk_commit(uint64_t sn);

/** What one rank has saved alone: the newest number, how many are left; drop those before
 * a number, for good or as rank 0 says. */
uint64_t disk_newest(uint32_t r);
size_t disk_n_files(uint32_t r);
void disk_drop_before(uint32_t r, uint64_t sn);
void disk_trim(uint32_t r, uint64_t sn);
/** Lose some files by chance; returns how many. */
unsigned disk_lose_some(void);

enum disk_what { DISK_LEFT, DISK_ALL }; /* also what was trimmed */

/** The newest consistent line, by the counts of messages. */
void disk_line(uint64_t *sn_out, enum disk_what what);
/** How many checkpoints it is behind the newest of a rank, at most. */
size_t disk_lag(void);
/** Check the line that is left by trying all of them, if there are not too many, and that
 * of lib/recovery; and that all messages it needs are in logs.  What is wrong, or NULL. */
const char *disk_check_line(const uint64_t *sn);
/** Make a restart's line: with a number above all others, and nothing else is left. */
void disk_make_line(const uint64_t *sn);

#endif
