/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The content of the task, of a segment or of a named region in a container: its dataset
 * of bytes, which lie in the data area, and the tables that say what they are.  Lower half
 * and tools; see hdf.h about threads.
 */
#ifndef CRMPI_STORAGE_CONTENT_H
#define CRMPI_STORAGE_CONTENT_H

#include "storage/container.h"
#include "storage/image.h"

/**
 * Check a content in itself, as the comment at struct crmpi_content has it.
 * @param path, group  for the one line that says what is wrong; CRMPI_ERR_CORRUPT then
 * @param[out] data_out  stored and kept extents, ascending; from malloc()
 */
enum crmpi_status crmpi_content_check(const char *path, const char *group,
                                      const struct crmpi_content *content,
                                      struct crmpi_extent **data_out, size_t *n_data_out);

/** Check that the blocks of all contents lie in the data area that ends at @p data_end, and
 * none over another. */
enum crmpi_status crmpi_content_check_places(const char *path,
                                             const struct crmpi_content *const *contents,
                                             size_t n, uint64_t data_end);

/** Write GROUP/memory, /extents, /kept and /blocks. */
enum crmpi_status crmpi_content_write(struct crmpi_image *image, const char *path,
                                      const char *group,
                                      const struct crmpi_content *content);

/** Read them; what HDF5 has for memory agrees, but nothing else is checked.  For
 * crmpi_content_fini(). */
enum crmpi_status crmpi_content_read(struct crmpi_image *image, const char *path,
                                     const char *group,
                                     struct crmpi_content *content_out);

/** Free the arrays of a content that was read. */
void crmpi_content_fini(struct crmpi_content *content);

/* The same for named regions: /task/named/NAME, and its blocks, /task/named_blocks/NAME. */

/** Check a named region in itself, and that its content is just its bytes, plain. */
enum crmpi_status crmpi_named_check(const char *path, const struct crmpi_named *named,
                                    const struct crmpi_content *content);
enum crmpi_status crmpi_named_write(struct crmpi_image *image, const char *path,
                                    const struct crmpi_named *named,
                                    const struct crmpi_content *content);

/** List them by their names; CRMPI_ERR_CORRUPT if something else is there.
 * @param[out] named_out  from malloc(), only with names, at most CRMPI_NAMED_MAX */
enum crmpi_status crmpi_named_find(struct crmpi_image *image, const char *path,
                                   struct crmpi_named **named_out, size_t *n_out);

/** Read the rest of one, unchecked as above. */
enum crmpi_status crmpi_named_read(struct crmpi_image *image, const char *path,
                                   struct crmpi_named *named,
                                   struct crmpi_content *content_out);

#endif
