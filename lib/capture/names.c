/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Checkpoints of named regions only (see names.h).  Lower half.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/config.h"
#include "boundary/control.h"
#include "capture/names.h"
#include "capture/wishes.h"
#include "storage/plain.h"

static enum crmpi_status command_save(struct crmpi_writer *writer)
{
    const char *words = (const char *)crmpi_control->arguments;
    size_t bytes = crmpi_control->environment - crmpi_control->arguments;
    struct crmpi_command *command = calloc(1, sizeof *command + bytes);
    enum crmpi_status status;

    if (!command)
        return CRMPI_ERR_NOMEM;
    if (!getcwd(command->directory, sizeof command->directory))
        command->directory[0] = 0;
    memcpy(command + 1, words, bytes);
    for (size_t i = 0; i < bytes; i++)
        command->n_words += words[i] == '\0';
    status = crmpi_writer_record(writer, CRMPI_RECORD_COMMAND, command,
                                 sizeof *command + bytes);
    free(command);
    return status;
}

static enum crmpi_status regions_save(struct crmpi_writer *writer,
                                      const struct crmpi_wishes *wishes,
                                      struct crmpi_content *contents, uint64_t *data_end)
{
    const struct crmpi_content none = {0}; /* of the process itself */
    enum crmpi_status status = crmpi_writer_task(writer, NULL, 0, &none);

    for (size_t i = 0; i < wishes->n_named && status == CRMPI_OK; i++) {
        const struct crmpi_named *named = &wishes->named[i];
        struct crmpi_extent extent = {named->start, named->bytes};

        status =
            crmpi_plain_write(writer, &extent, 1, data_end, NULL, NULL, &contents[i]);
        if (status == CRMPI_OK)
            status = crmpi_writer_named(writer, named, &contents[i]);
    }
    return status;
}

static enum crmpi_status file_write(const struct crmpi_capture_request *request,
                                    const struct crmpi_wishes *wishes,
                                    struct crmpi_content *contents,
                                    struct crmpi_capture_result *result_out)
{
    struct crmpi_writer *writer;
    uint64_t data_end = CRMPI_DATA_OFFSET;
    enum crmpi_status status =
        crmpi_writer_create(request->path, request->job, NULL, &writer);

    if (status != CRMPI_OK)
        return status;
    status = regions_save(writer, wishes, contents, &data_end);
    if (status == CRMPI_OK)
        status = command_save(writer);
    if (status == CRMPI_OK)
        return crmpi_writer_close(writer, data_end, crmpi_config.sync,
                                  &result_out->file_bytes, &result_out->digest);
    crmpi_writer_abort(writer);
    return status;
}

enum crmpi_status crmpi_names_capture(const struct crmpi_capture_request *request,
                                      struct crmpi_capture_result *result_out, char *why,
                                      size_t why_bytes)
{
    struct crmpi_capture_result result = {0};
    struct crmpi_content *contents = NULL;
    struct crmpi_wishes wishes;
    enum crmpi_status status = crmpi_wishes_list(&wishes);

    if (status == CRMPI_OK && wishes.n_named == 0) {
        snprintf(why, why_bytes,
                 "no memory has a name (CRMPI_Name), and no other is saved "
                 "(CRMPI_SAVE=named)");
        crmpi_wishes_fini(&wishes);
        return CRMPI_ERR_UNSUPPORTED;
    }
    if (status == CRMPI_OK && !(contents = calloc(wishes.n_named, sizeof *contents)))
        status = CRMPI_ERR_NOMEM;
    if (status == CRMPI_OK)
        status = file_write(request, &wishes, contents, &result);
    for (size_t i = 0; i < wishes.n_named; i++) {
        result.figures.memory_bytes += wishes.named[i].bytes;
        if (contents)
            crmpi_plain_free(&contents[i]);
    }
    free(contents);
    crmpi_wishes_fini(&wishes);
    if (status != CRMPI_OK) {
        snprintf(why, why_bytes, "writing %s failed: %s", request->path,
                 crmpi_status_text(status));
        return status;
    }
    result.figures.changed_bytes = result.figures.raw_bytes = result.figures.memory_bytes;
    *result_out = result;
    return CRMPI_OK;
}
