/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reed-Solomon codes, see erasure.h.  Lower half.
 */
#include <stdlib.h>
#include <string.h>
#include "levels/erasure.h"

#if CRMPI_HAVE_ISAL
#include <isa-l.h>
#else
/* Nothing below is called when crmpi_erasure_init() has made no code. */
static int without(int dummy, ...)
{
    (void)dummy;
    abort();
}
#define gf_gen_cauchy1_matrix(...) without(0, __VA_ARGS__)
#define gf_invert_matrix(...) without(0, __VA_ARGS__)
#define ec_init_tables(...) without(0, __VA_ARGS__)
#define ec_encode_data(...) without(0, __VA_ARGS__)
#define ec_encode_data_update(...) without(0, __VA_ARGS__)
#endif

#define TABLE CRMPI_ERASURE_TABLE_BYTES

enum crmpi_status crmpi_erasure_init(struct crmpi_erasure *code, unsigned k, unsigned m)
{
    if (k < 1 || m < 1 || k > CRMPI_ERASURE_MEMBERS_MAX ||
        m > CRMPI_ERASURE_MEMBERS_MAX - k)
        return CRMPI_ERR_USAGE;
    if (!CRMPI_HAVE_ISAL)
        return CRMPI_ERR_UNSUPPORTED;
    code->k = k;
    code->m = m;
    gf_gen_cauchy1_matrix(code->matrix, (int)(k + m), (int)k);
    /* each for itself: how tables of several lie together is ISA-L's secret */
    for (unsigned i = 0; i < k * m; i++)
        ec_init_tables(1, 1, code->matrix + k * k + i, code->tables + TABLE * i);
    return CRMPI_OK;
}

static uint64_t rows_of(const struct crmpi_erasure *code, uint64_t bytes)
{
    uint64_t row = code->k * CRMPI_ERASURE_BLOCK_BYTES;

    return bytes / row + (bytes % row != 0);
}

uint64_t crmpi_erasure_blocks(const struct crmpi_erasure *code, uint64_t largest_bytes)
{
    return rows_of(code, largest_bytes) * code->m;
}

/* (a - b) mod (k + m), for b below 2 (k + m) */
static unsigned minus(const struct crmpi_erasure *code, unsigned a, unsigned b)
{
    unsigned g = code->k + code->m;

    return (a + 2 * g - b) % g;
}

/* The pieces of a row by parity are by descending or wrapped elements: so that a stream
 * goes through the file in order, the elements are what is counted. */
int crmpi_erasure_next(const struct crmpi_erasure *code, unsigned member, unsigned holder,
                       uint64_t file_bytes, uint64_t *cursor,
                       struct crmpi_erasure_piece *piece_out)
{
    for (uint64_t i = *cursor;; i++) {
        uint64_t offset = i * CRMPI_ERASURE_BLOCK_BYTES;
        unsigned element = (unsigned)(i % code->k), stripe, parity;

        if (offset >= file_bytes)
            return 0;
        stripe = minus(code, member, code->m + element);
        parity = minus(code, holder, stripe);
        if (parity >= code->m)
            continue;
        *piece_out = (struct crmpi_erasure_piece){
            .offset = offset,
            .bytes = file_bytes - offset < CRMPI_ERASURE_BLOCK_BYTES
                         ? (size_t)(file_bytes - offset)
                         : CRMPI_ERASURE_BLOCK_BYTES,
            .block = i / code->k * code->m + parity,
            .element = element,
            .parity = parity,
        };
        *cursor = i + 1;
        return 1;
    }
}

void crmpi_erasure_add(const struct crmpi_erasure *code,
                       const struct crmpi_erasure_piece *piece, const void *data,
                       int is_first, void *block)
{
    unsigned char *table = (unsigned char *)code->tables +
                           TABLE * (code->k * piece->parity + piece->element);
    unsigned char *source = (unsigned char *)data, *target = block;
    int bytes = (int)piece->bytes;

    if (!is_first) {
        ec_encode_data_update(bytes, 1, 1, 0, table, source, &target);
        return;
    }
    ec_encode_data(bytes, 1, 1, table, &source, &target);
    memset(target + bytes, 0, CRMPI_ERASURE_BLOCK_BYTES - piece->bytes);
}

/* ---- rebuilding ---- */

/* Choose k blocks of a stripe that are there. */
static unsigned choose(const struct crmpi_erasure *code, unsigned stripe, uint64_t files,
                       uint64_t shares, struct crmpi_erasure_source *sources)
{
    unsigned g = code->k + code->m, n = 0;

    for (unsigned i = 0; i < g && n < code->k; i++) {
        int is_share = i >= code->k;
        unsigned element = is_share ? i - code->k : i;
        unsigned member = (stripe + element + (is_share ? 0 : code->m)) % g;

        if ((is_share ? shares : files) >> member & 1)
            sources[n++] = (struct crmpi_erasure_source){member, is_share, element};
    }
    return n;
}

enum crmpi_status crmpi_erasure_recipe(const struct crmpi_erasure *code, unsigned member,
                                       unsigned element, uint64_t files, uint64_t shares,
                                       struct crmpi_erasure_recipe *recipe_out)
{
    unsigned char rows[CRMPI_ERASURE_MEMBERS_MAX * CRMPI_ERASURE_MEMBERS_MAX];
    unsigned char inverse[CRMPI_ERASURE_MEMBERS_MAX * CRMPI_ERASURE_MEMBERS_MAX];
    unsigned k = code->k;
    struct crmpi_erasure_recipe recipe = {.n = k};
    unsigned stripe = minus(code, member, code->m + element);

    if (choose(code, stripe, files & ~((uint64_t)1 << member), shares, recipe.sources) <
        k)
        return CRMPI_ERR_NOTFOUND;
    for (unsigned i = 0; i < k; i++) {
        const struct crmpi_erasure_source *source = &recipe.sources[i];
        unsigned row = source->element + (source->is_share ? k : 0);

        memcpy(rows + i * k, code->matrix + row * k, k);
    }
    if (gf_invert_matrix(rows, inverse, (int)k) != 0)
        return CRMPI_ERR_INTERNAL; /* any k rows of this matrix have an inverse */
    ec_init_tables((int)k, 1, inverse + element * k, recipe.tables);
    *recipe_out = recipe;
    return CRMPI_OK;
}

unsigned crmpi_erasure_excess(const struct crmpi_erasure *code, unsigned member,
                              uint64_t files, uint64_t shares)
{
    struct crmpi_erasure_source unused[CRMPI_ERASURE_MEMBERS_MAX];
    unsigned most = 0;

    for (unsigned element = 0; element < code->k; element++) {
        unsigned stripe = minus(code, member, code->m + element);
        unsigned n =
            choose(code, stripe, files & ~((uint64_t)1 << member), shares, unused);

        if (code->k - n > most)
            most = code->k - n;
    }
    return most;
}

uint64_t crmpi_erasure_offset(const struct crmpi_erasure *code,
                              const struct crmpi_erasure_source *source, uint64_t row)
{
    return (row * (source->is_share ? code->m : code->k) + source->element) *
           CRMPI_ERASURE_BLOCK_BYTES;
}

void crmpi_erasure_rebuild(const struct crmpi_erasure_recipe *recipe,
                           const unsigned char *const *blocks, size_t bytes, void *out)
{
    unsigned char *target = out;

    ec_encode_data((int)bytes, (int)recipe->n, 1, (unsigned char *)recipe->tables,
                   (unsigned char **)blocks, &target);
}
