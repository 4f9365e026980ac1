/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Blocks of CRMPI_BLOCK_BYTES as HDF5's filters make them: a byte shuffle of elements of 8
 * bytes (filter 2), then LZ4 (32004) or Zstandard (32015) in these filters' own formats.
 * Lower half and tools.
 */
#ifndef CRMPI_STORAGE_CODEC_H
#define CRMPI_STORAGE_CODEC_H

#include <stddef.h>
#include "storage/container.h"

#define CRMPI_FILTER_LZ4 32004
#define CRMPI_FILTER_ZSTD 32015
#define CRMPI_CODEC_ELEMENT 8
#define CRMPI_CODEC_ZSTD_LEVEL 1

/** Whether this build has @p compression: lz4 and zstd are optional. */
int crmpi_codec_is_built(enum crmpi_compression compression);

/** Bytes of the workspace that encoding needs; 0 for one that is not built. */
size_t crmpi_codec_workspace_bytes(enum crmpi_compression compression);

/* The rest is for a compression that is built. */

/**
 * Encode one block of CRMPI_BLOCK_BYTES.  Nothing is allocated, locked or logged, so this
 * can be used anywhere.
 * @param workspace  aligned to 64 bytes, one for each thread; its content does not matter
 * @param[out] to  room for CRMPI_BLOCK_BYTES
 * @return the bytes in @p to, fewer than that; 0: it does not shrink, store it as it is
 */
size_t crmpi_codec_encode(enum crmpi_compression compression, const void *from,
                          void *workspace, void *to);

/**
 * Decode a block.
 * @param workspace  room for CRMPI_BLOCK_BYTES
 * @param[out] to  CRMPI_BLOCK_BYTES
 * @return 0, or -1 if @p from is not such a block
 */
int crmpi_codec_decode(enum crmpi_compression compression, const void *from, size_t bytes,
                       void *workspace, void *to);

#endif
