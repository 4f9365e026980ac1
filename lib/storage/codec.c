/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Compressed blocks, see codec.h.  Lower half and tools.
 */
#include <emmintrin.h>
#include <endian.h>
#include <stdint.h>
#include <string.h>
#include "storage/codec.h"
#if CRMPI_HAVE_LZ4
#include <lz4.h>
#endif
#if CRMPI_HAVE_ZSTD
#define ZSTD_STATIC_LINKING_ONLY /* contexts in memory of our own */
#include <zstd.h>
#endif

#define ELEMENTS (CRMPI_BLOCK_BYTES / CRMPI_CODEC_ELEMENT)

/* ---- byte shuffle: byte b of element i goes to place b * ELEMENTS + i ---- */

/* Transpose 16 elements: a[b] gets byte b of all of them, and b[] is of use meanwhile. */
static inline void transpose_in(__m128i a[8], __m128i b[8])
{
    for (int k = 0; k < 8; k++) /* the two elements' bytes by turns */
        b[k] = _mm_unpacklo_epi8(a[k], _mm_shuffle_epi32(a[k], 0x4e));
    for (int k = 0; k < 4; k++) {
        a[2 * k] = _mm_unpacklo_epi16(b[2 * k], b[2 * k + 1]);
        a[2 * k + 1] = _mm_unpackhi_epi16(b[2 * k], b[2 * k + 1]);
    }
    for (int k = 0; k < 4; k++) {
        int from = k + (k & 2);
        b[2 * k] = _mm_unpacklo_epi32(a[from], a[from + 2]);
        b[2 * k + 1] = _mm_unpackhi_epi32(a[from], a[from + 2]);
    }
    for (int k = 0; k < 4; k++) {
        a[2 * k] = _mm_unpacklo_epi64(b[k], b[k + 4]);
        a[2 * k + 1] = _mm_unpackhi_epi64(b[k], b[k + 4]);
    }
}

/* The reverse: of 8 rows of 16 bytes, 16 elements, two in each of a[]. */
static inline void transpose_out(__m128i a[8], __m128i b[8])
{
    for (int k = 0; k < 4; k++) { /* bytes 2k and 2k + 1 of elements 0-7, and 8-15 */
        b[k] = _mm_unpacklo_epi8(a[2 * k], a[2 * k + 1]);
        b[k + 4] = _mm_unpackhi_epi8(a[2 * k], a[2 * k + 1]);
    }
    for (int h = 0; h < 2; h++) /* bytes 0-3 or 4-7 of four elements */
        for (int k = 0; k < 2; k++) {
            a[4 * h + k] = _mm_unpacklo_epi16(b[4 * h + 2 * k], b[4 * h + 2 * k + 1]);
            a[4 * h + 2 + k] = _mm_unpackhi_epi16(b[4 * h + 2 * k], b[4 * h + 2 * k + 1]);
        }
    for (int k = 0; k < 4; k++) {
        b[2 * k] = _mm_unpacklo_epi32(a[2 * k], a[2 * k + 1]);
        b[2 * k + 1] = _mm_unpackhi_epi32(a[2 * k], a[2 * k + 1]);
    }
    memcpy(a, b, 8 * sizeof *a);
}

static void shuffle(const char *from, char *to)
{
    __m128i a[8], b[8];
    for (size_t i = 0; i < ELEMENTS; i += 16) {
        for (int k = 0; k < 8; k++)
            a[k] =
                _mm_loadu_si128((const __m128i *)(const void *)(from + 8 * i + 16 * k));
        transpose_in(a, b);
        for (size_t k = 0; k < 8; k++)
            _mm_storeu_si128((__m128i *)(void *)(to + k * ELEMENTS + i), a[k]);
    }
}

static void unshuffle(const char *from, char *to)
{
    __m128i a[8], b[8];
    for (size_t i = 0; i < ELEMENTS; i += 16) {
        for (size_t k = 0; k < 8; k++)
            a[k] =
                _mm_loadu_si128((const __m128i *)(const void *)(from + k * ELEMENTS + i));
        transpose_out(a, b);
        for (int k = 0; k < 8; k++)
            _mm_storeu_si128((__m128i *)(void *)(to + 8 * i + 16 * k), a[k]);
    }
}

/* ---- codecs: of one shuffled block ---- */

struct codec {
    size_t (*state_bytes)(void);
    /* the bytes in `to`, fewer than a block; or 0 */
    size_t (*encode)(const char *shuffled, void *state, char *to);
    /* whether `from` is such a block */
    int (*decode)(const char *from, size_t bytes, char *shuffled);
};

#if CRMPI_HAVE_LZ4
/* What filter 32004 has in front of the compressed bytes; big endian. */
struct lz4_head {
    uint64_t bytes;       /* of the chunk */
    uint32_t block_bytes; /* that it was cut into: it is one */
    uint32_t compressed_bytes;
} __attribute__((packed));

static size_t lz4_state_bytes(void)
{
    return (size_t)LZ4_sizeofState();
}

static size_t lz4_encode(const char *shuffled, void *state, char *to)
{
    const int room = (int)(CRMPI_BLOCK_BYTES - sizeof(struct lz4_head) - 1);
    int bytes = LZ4_compress_fast_extState(state, shuffled, to + sizeof(struct lz4_head),
                                           CRMPI_BLOCK_BYTES, room, 1);
    struct lz4_head head = {htobe64(CRMPI_BLOCK_BYTES), htobe32(CRMPI_BLOCK_BYTES),
                            htobe32((uint32_t)bytes)};
    if (bytes <= 0)
        return 0;
    memcpy(to, &head, sizeof head);
    return (size_t)bytes + sizeof head;
}

static int lz4_decode(const char *from, size_t bytes, char *shuffled)
{
    struct lz4_head head;
    if (bytes <= sizeof head || bytes >= CRMPI_BLOCK_BYTES)
        return 0;
    memcpy(&head, from, sizeof head);
    return be64toh(head.bytes) == CRMPI_BLOCK_BYTES &&
           be32toh(head.block_bytes) == CRMPI_BLOCK_BYTES &&
           be32toh(head.compressed_bytes) == bytes - sizeof head &&
           LZ4_decompress_safe(from + sizeof head, shuffled, (int)(bytes - sizeof head),
                               CRMPI_BLOCK_BYTES) == CRMPI_BLOCK_BYTES;
}
#endif

#if CRMPI_HAVE_ZSTD
static size_t zstd_state_bytes(void)
{
    return ZSTD_estimateCCtxSize(CRMPI_CODEC_ZSTD_LEVEL);
}

static size_t zstd_encode(const char *shuffled, void *state, char *to)
{
    ZSTD_CCtx *context = ZSTD_initStaticCCtx(state, zstd_state_bytes());
    if (!context)
        return 0;
    size_t bytes = ZSTD_compressCCtx(context, to, CRMPI_BLOCK_BYTES - 1, shuffled,
                                     CRMPI_BLOCK_BYTES, CRMPI_CODEC_ZSTD_LEVEL);
    return ZSTD_isError(bytes) ? 0 : bytes;
}

static int zstd_decode(const char *from, size_t bytes, char *shuffled)
{
    return ZSTD_decompress(shuffled, CRMPI_BLOCK_BYTES, from, bytes) == CRMPI_BLOCK_BYTES;
}
#endif

static const struct codec codecs[] = {
    [CRMPI_COMPRESSION_NONE] = {NULL, NULL, NULL},
#if CRMPI_HAVE_LZ4
    [CRMPI_COMPRESSION_LZ4] = {lz4_state_bytes, lz4_encode, lz4_decode},
#endif
#if CRMPI_HAVE_ZSTD
    [CRMPI_COMPRESSION_ZSTD] = {zstd_state_bytes, zstd_encode, zstd_decode},
#endif
};

int crmpi_codec_is_built(enum crmpi_compression compression)
{
    return compression < sizeof codecs / sizeof *codecs && codecs[compression].encode;
}

size_t crmpi_codec_workspace_bytes(enum crmpi_compression compression)
{
    return crmpi_codec_is_built(compression)
               ? CRMPI_BLOCK_BYTES + codecs[compression].state_bytes()
               : 0;
}

size_t crmpi_codec_encode(enum crmpi_compression compression, const void *from,
                          void *workspace, void *to)
{
    char *shuffled = workspace, *state = shuffled + CRMPI_BLOCK_BYTES;

    shuffle(from, shuffled);
    return codecs[compression].encode(shuffled, state, to);
}

int crmpi_codec_decode(enum crmpi_compression compression, const void *from, size_t bytes,
                       void *workspace, void *to)
{
    if (!codecs[compression].decode(from, bytes, workspace))
        return -1;
    unshuffle(workspace, to);
    return 0;
}
