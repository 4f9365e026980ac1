/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Checkpoints of named regions only (CRMPI_SAVE=named): a file without the process, from
 * which the program is started anew.  Lower half.
 */
#ifndef CRMPI_CAPTURE_NAMES_H
#define CRMPI_CAPTURE_NAMES_H

#include "capture/capture.h"

/* How to start the program anew: struct crmpi_command, and behind it the words of its
 * command line, each ended by \0. */
#define CRMPI_RECORD_COMMAND "/task/command"
struct crmpi_command {
    char directory[4096];
    uint64_t n_words;
};

/** Write such a file, with the application's threads parked; as crmpi_capture_begin(). */
enum crmpi_status crmpi_names_capture(const struct crmpi_capture_request *request,
                                      struct crmpi_capture_result *result_out, char *why,
                                      size_t why_bytes);

#endif
