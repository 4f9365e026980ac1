/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The pump: it looks at memory cell by cell, and writes what has to be stored to the file
 * of a checkpoint, in blocks.  Lower half.
 *
 * It runs in the thread that saves, or in a process that was split off (background.h): so
 * it allocates nothing, takes no lock and uses no stdio, HDF5 or log, and what comes of it
 * lies in memory that both processes share.
 */
#ifndef CRMPI_CAPTURE_PUMP_H
#define CRMPI_CAPTURE_PUMP_H

#include "capture/datamap.h"
#include "storage/container.h"

/* Memory to look at: within one region or segment. */
struct crmpi_span {
    uint64_t start, bytes;
    uint64_t source; /* where its bytes are read: at start, or in a copy */
    uint64_t copy;   /* where they are copied to before a process is split off; 0: not */
    uint64_t cell;   /* number of its first cell */
    uint64_t owner;  /* see datamap.h */
    uint32_t content;
    uint32_t flags; /* CRMPI_SPAN_* */
};
enum {
    CRMPI_SPAN_WHOLE = 1,  /* stored whatever it is */
    CRMPI_SPAN_SHARED = 2, /* not copied when it is written: a process split off sees what
                               others write */
    CRMPI_SPAN_PRESENT = 4, /* private pages that exist */
};

/** How many cells memory has. */
uint64_t crmpi_cells_of(uint64_t start, uint64_t bytes);

/* Spans of one content that are dealt with at once: blocks do not reach over units. */
#define CRMPI_UNIT_BYTES ((uint64_t)32 << 20) /* a unit's spans have at most */
struct crmpi_unit {
    size_t first, n; /* spans */
    uint64_t bytes, cells;
};

enum crmpi_cell {
    CRMPI_CELL_UNKNOWN = 0, /* not looked at */
    CRMPI_CELL_ZERO,
    CRMPI_CELL_KEPT, /* as it was in the base */
    CRMPI_CELL_STORED,
};

/* A block in the file: the stored cells from one on. */
struct crmpi_pumped {
    uint64_t cell;
    uint64_t bytes, file_offset, stored_bytes, checksum; /* as in struct crmpi_block */
    uint32_t content;
};

/* What the processes share, and atomic. */
struct crmpi_pump_state {
    uint64_t next_unit, done_units;
    uint64_t file_end;
    uint64_t n_blocks;
    uint64_t done_bytes;            /* of spans */
    uint64_t write_bytes, write_ns; /* by system calls, and how long they took */
    int32_t error;                  /* an errno */
    int32_t is_ready;               /* of the process split off, see background.h */
};

struct crmpi_pump {
    int fd;
    const struct crmpi_datamap *base; /* what is like there is kept; NULL: nothing is */
    int hashing;                      /* whether hashes are wanted */
    int giving_up; /* give memory back once it is written: in a process split off */
    enum crmpi_compression compression;
    size_t n_workers; /* that there are buffers for; more than one only with compression,
                         as other blocks lie in the file in their order */
    char *buffers;
    size_t worker_bytes;
    struct crmpi_span *spans;
    size_t n_spans;
    struct crmpi_unit *units;
    size_t n_units;
    uint64_t bytes, n_cells;
    void *area; /* the shared memory */
    size_t area_bytes;
    struct crmpi_pump_state *state;
    uint8_t *cells; /* enum crmpi_cell */
    struct crmpi_hash *hashes;
    struct crmpi_pumped *blocks;
    size_t block_room;
};

/**
 * Number the cells of spans, which are ascending within each content and at most
 * CRMPI_UNIT_BYTES long, divide them into units, and make the shared memory.
 * @param spans  from malloc(); the pump's from now on, unless it fails
 */
enum crmpi_status crmpi_pump_init(struct crmpi_pump *pump, struct crmpi_span *spans,
                                  size_t n_spans, int hashing);

/** Have blocks compressed, but for those of spans that are stored whole, by as many workers
 * as @p n_workers. */
enum crmpi_status crmpi_pump_compress(struct crmpi_pump *pump,
                                      enum crmpi_compression compression,
                                      size_t n_workers);

void crmpi_pump_uncompress(struct crmpi_pump *pump);

/** Deal with the units before number @p end that are left, as worker number @p worker.
 * Stops where another worker has failed.  Returns 0 or an errno, which is in the state,
 * too. */
int crmpi_pump_run(struct crmpi_pump *pump, size_t worker, size_t end);

/** How many units from the first on have to be dealt with by one worker, in order. */
size_t crmpi_pump_ordered(const struct crmpi_pump *pump);

/** Look at the spans from unit @p first on that have a place for a copy, and copy what of
 * them has to be stored. */
void crmpi_pump_copy(struct crmpi_pump *pump, size_t first);

void crmpi_pump_fini(struct crmpi_pump *pump);

#endif
