/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The functions that the MPI layer offers to the rooms below (lower half); what they do is in
 * interaction/cut.h.
 */
#ifndef CRMPI_WRAPPERS_HAND_CUT_H
#define CRMPI_WRAPPERS_HAND_CUT_H

#include "interaction/cut.h"

/* file_cut.c */
void crmpi_cut_files(void (*call)(void *context, const char *path, int is_written),
                     void *context);

/* gate.c */
enum crmpi_status crmpi_cut_counts(struct crmpi_collective_count **counts_out,
                                   size_t *n_out);
void crmpi_cut_set_targets(const struct crmpi_collective_count *targets, size_t n);
int crmpi_cut_at_targets(void);
void crmpi_cut_open_gate(void);
enum crmpi_status crmpi_cut_group_counts(const struct crmpi_group_list *group,
                                         struct crmpi_collective_count **counts_out,
                                         size_t *n_out);

/* layer.c */
int crmpi_cut_refusal(char *why, size_t why_bytes);
enum crmpi_status crmpi_mpi_layer_rebuild(char *why, size_t why_bytes);

/* foreign.c */
int crmpi_cut_connected(char *why, size_t why_bytes);

/* drain.c */
void crmpi_cut_progress(void);
enum crmpi_status crmpi_drain_begin(const struct crmpi_group_list *group,
                                    uint64_t attempt);
int crmpi_drain_progress(void);
enum crmpi_status crmpi_drain_end(void);
void crmpi_drain_forget(void);

/* reduction.c */
void crmpi_mpi_layer_resume(void);

/* ledger.c */
enum crmpi_status crmpi_cut_neighbours(const struct crmpi_group_list *group,
                                       uint32_t **ranks_out, size_t *n_out);
uint64_t crmpi_interval(void);
enum crmpi_status crmpi_dependencies_note(uint64_t sn, int alone,
                                          const struct crmpi_member *cohort,
                                          size_t n_cohort,
                                          struct crmpi_dependencies *dependencies_out);
void crmpi_touched(uint32_t origin, uint64_t interval, uint64_t window, uint32_t how);

/* settle.c */
int crmpi_settle_progress(char *why, size_t why_bytes);

/* ledger_cut.c */
enum crmpi_status crmpi_dependencies_cut(uint64_t sn, int alone);
void crmpi_dependencies_resumed(void);
void crmpi_dependencies_given_up(void);
void crmpi_dependencies_put_back(void);
void crmpi_dependencies_committed(void);
void crmpi_dependencies_saved(void);
enum crmpi_status crmpi_dependencies_restored(uint64_t line, int in_transit);

/* sent_log.c, alone.c */
void crmpi_log_enable(int enable, uint64_t limit_bytes);
void crmpi_log_trim(const struct crmpi_stream *arrived, size_t n);
uint64_t crmpi_log_bytes(void);

/* touch.c */
void crmpi_touch_granted(uint32_t owner, uint64_t interval, uint64_t window,
                         uint32_t how);

/* window_cut.c */
enum crmpi_status crmpi_segments_mapped(struct crmpi_mapped_segment **list_out,
                                        size_t *n_out);
enum crmpi_status crmpi_segments_list(struct crmpi_window_segment **list_out,
                                      size_t *n_out);

/** They, for crmpi-host. */
extern const struct crmpi_cut crmpi_mpi_cut;

#endif
