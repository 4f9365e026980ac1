/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * See cut.h.
 */
#include "wrappers/hand/cut.h"

const struct crmpi_cut crmpi_mpi_cut = {
    .files = crmpi_cut_files,
    .counts = crmpi_cut_counts,
    .set_targets = crmpi_cut_set_targets,
    .at_targets = crmpi_cut_at_targets,
    .open_gate = crmpi_cut_open_gate,
    .refusal = crmpi_cut_refusal,
    .connected = crmpi_cut_connected,
    .progress = crmpi_cut_progress,
    .rebuild = crmpi_mpi_layer_rebuild,
    .resume = crmpi_mpi_layer_resume,
    .group_counts = crmpi_cut_group_counts,
    .neighbours = crmpi_cut_neighbours,
    .drain_begin = crmpi_drain_begin,
    .drain_progress = crmpi_drain_progress,
    .drain_end = crmpi_drain_end,
    .drain_forget = crmpi_drain_forget,
    .settle_progress = crmpi_settle_progress,
    .interval = crmpi_interval,
    .dependencies_note = crmpi_dependencies_note,
    .dependencies_cut = crmpi_dependencies_cut,
    .dependencies_resumed = crmpi_dependencies_resumed,
    .dependencies_given_up = crmpi_dependencies_given_up,
    .dependencies_put_back = crmpi_dependencies_put_back,
    .dependencies_committed = crmpi_dependencies_committed,
    .dependencies_saved = crmpi_dependencies_saved,
    .dependencies_restored = crmpi_dependencies_restored,
    .log_enable = crmpi_log_enable,
    .log_trim = crmpi_log_trim,
    .log_bytes = crmpi_log_bytes,
    .touched = crmpi_touched,
    .touch_granted = crmpi_touch_granted,
    .segments_mapped = crmpi_segments_mapped,
    .segments_list = crmpi_segments_list,
};
