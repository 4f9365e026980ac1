/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The memory of windows, and the lower windows (lower half).
 *
 * Memory that MPI_Win_allocate and _allocate_shared give is shared by the ranks of a node,
 * wherever the library maps it.  The application gets a view of it: a second mapping of
 * the same pages (mremap with an old size of zero makes one), at an address in the upper
 * half that stays through restarts.  Where the library's memory is private, as for a rank
 * that is alone on its node, the view is ordinary memory, and the lower window is created
 * over it.
 *
 * A segment that is allocated for a rank begins on a page of its own, so that a view can
 * be had at any address: displacements in the lower window are in bytes and shifted.
 * The memory of a window of one process is private; pages that can be seen twice are put
 * in its place.
 * Segments of a shared window are contiguous, and their place in a page is the library's:
 * a restart has to find it as it was.
 *
 * The lower window's memory also has the locks, and a note of which pages of each segment
 * have been written (lib/interaction/segments.h): behind the segment, or behind the locks.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/checksum.h"
#include "boundary/raw.h"
#include "threads/trap.h"
#include "wrappers/hand/window.h"

#define PAGE 4096ul
#define PAGE_DOWN(n) ((uint64_t)(n) & ~(PAGE - 1))
#define PAGE_UP(n) PAGE_DOWN((uint64_t)(n) + PAGE - 1)
#define COPY_BYTES (1ul << 20)
/* Of a segment that is allocated: it has an address also if it has no bytes. */
#define ROOM(bytes) PAGE_UP((bytes) ? (bytes) : 1)

/*
 * Views
 */

/* Choose the addresses of a view, if it has none from before a restart. */
static int view_reserve(struct crmpi_win *w, uint64_t bytes)
{
    long at;

    if (w->view_bytes || bytes == 0)
        return MPI_SUCCESS;
    at = crmpi_trap_map(0, bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at < 0)
        return MPI_ERR_NO_MEM;
    w->view_start = at;
    w->view_bytes = bytes;
    return MPI_SUCCESS;
}

/* Show there what is mapped below at @p real. */
static int view_set(struct crmpi_win *w, uint64_t real)
{
    if (w->view_bytes && crmpi_remap((void *)real, 0, w->view_bytes,
                                     (void *)w->view_start) != (void *)w->view_start)
        return MPI_ERR_NO_MEM;
    w->view_real = real;
    return MPI_SUCCESS;
}

/* Move this rank's segment, as a restart has loaded it, into the window's own memory; what
 * is copied is given back at once, for a segment may be half of a node's memory. */
static void segment_move(const struct crmpi_win *w, char *to)
{
    char *from = w->base;

    uint64_t bytes = w->segment_bytes;

    for (uint64_t done = 0; done < bytes;) {
        uint64_t n = bytes - done < COPY_BYTES ? bytes - done : COPY_BYTES;
        uint64_t begin = PAGE_UP(from + done), end = PAGE_DOWN(from + done + n);

        memcpy(to + done, from + done, n);
        if (begin < end)
            madvise((void *)begin, end - begin, MADV_DONTNEED);
        done += n;
    }
}

/*
 * Where memory lies, as ranks tell each other
 */

struct place {
    uint64_t machine, device, inode, offset; /* of the file that is mapped shared */
    int64_t bytes;                           /* of the segment */
    int32_t disp_unit, shift;
    int64_t is_shared;           /* 0: private memory; the rest is not set */
    uint64_t mapped, mapped_end; /* of that file, in this process */
};

/* The mapping of @p address, if it is a shared one of a file. */
struct mapping {
    uint64_t start, end, offset, device, inode;
};

static int mapping_search(const void *address, struct mapping *mapping)
{
    FILE *maps = fopen("/proc/self/maps", "re");
    unsigned long start, end, offset, inode;
    unsigned major, minor;
    char line[4400], shared;
    int found = 0;

    while (maps && !found && fgets(line, sizeof line, maps))
        if (sscanf(line, "%lx-%lx %*c%*c%*c%c %lx %x:%x %lu", &start, &end, &shared,
                   &offset, &major, &minor, &inode) == 7 &&
            (uint64_t)address >= start && (uint64_t)address < end) {
            found = shared == 's' && inode != 0;
            *mapping = (struct mapping){start, end, offset, makedev(major, minor), inode};
            break;
        }
    if (maps)
        fclose(maps);
    return found;
}

/* Linux 6.11 can be asked, and does not tell of all the others. */
struct procmap_query {
    uint64_t size, query_flags, address;
    uint64_t start, end, flags, page_bytes, offset, inode;
    uint32_t major, minor;
    uint32_t name_bytes, build_id_bytes;
    uint64_t name, build_id;
};
#define PROCMAP_QUERY_IOCTL _IOWR('f', 17, struct procmap_query)
#define PROCMAP_SHARED 8

static int mapping_find(const void *address, struct mapping *mapping)
{
    static int fd =
        -1; /* stays open; as any of this half it is none of the application's */
    struct procmap_query query = {.size = sizeof query, .address = (uint64_t)address};

    if (fd < 0)
        fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    if (fd < 0 || ioctl(fd, PROCMAP_QUERY_IOCTL, &query) != 0)
        return mapping_search(address, mapping);
    *mapping = (struct mapping){query.start, query.end, query.offset,
                                makedev(query.major, query.minor), query.inode};
    return query.flags & PROCMAP_SHARED && query.inode != 0;
}

/* The same in all processes of a machine, and in no other's. */
static uint64_t machine_id(void)
{
    static uint64_t known;
    FILE *file;
    struct {
        char boot[64], name[256];
    } id = {"", ""};

    if (known)
        return known;
    file = fopen("/proc/sys/kernel/random/boot_id", "re");
    if (file) {
        if (!fgets(id.boot, sizeof id.boot, file))
            id.boot[0] = 0;
        fclose(file);
    }
    gethostname(id.name, sizeof id.name - 1);
    return known = crmpi_checksum(&id, sizeof id);
}

static struct place place_of(const struct crmpi_win *w, const char *segment,
                             const char *lower_base, struct mapping *mapping)
{
    struct place place = {.bytes = w->size, .disp_unit = w->disp_unit};

    memset(mapping, 0, sizeof *mapping);
    if (!mapping_find(segment, mapping))
        return place;
    place.machine = machine_id();
    place.device = mapping->device;
    place.inode = mapping->inode;
    place.offset = mapping->offset + ((uint64_t)segment - mapping->start);
    place.shift = segment - lower_base;
    place.is_shared = 1;
    place.mapped = mapping->offset;
    place.mapped_end = mapping->offset + (mapping->end - mapping->start);
    return place;
}

/* Where what crmpi needs of a segment ends in the file. */
static uint64_t place_end(const struct place *place)
{
    return place->offset + ROOM(place->bytes) + crmpi_written_bytes(place->bytes);
}

/* Where this process has mapped what another told; NULL: it has not. */
static char *place_here(const struct place *place, const struct place *mine,
                        const struct mapping *mapping)
{
    if (!place->is_shared || place->machine != mine->machine ||
        place->device != mine->device || place->inode != mine->inode ||
        place->offset < mine->mapped || place_end(place) > mine->mapped_end)
        return NULL;
    return (char *)mapping->start + (place->offset - mapping->offset);
}

/* Tell all the place of this rank's segment, and note theirs; *all_out from malloc(). */
static int places_exchange(const struct crmpi_win *w, MPI_Comm comm,
                           const struct place *mine, struct place **all_out)
{
    int n = w->n_members, error;

    *all_out = malloc(n * sizeof **all_out);
    if (!*all_out)
        return MPI_ERR_NO_MEM; /* the others wait for ever: as without crmpi */
    error = PMPI_Allgather(mine, sizeof *mine, MPI_BYTE, *all_out, sizeof *mine, MPI_BYTE,
                           comm);
    if (error != MPI_SUCCESS)
        free(*all_out);
    return error;
}

static struct crmpi_win_target *targets_room(struct crmpi_win *w)
{
    if (!w->targets)
        w->targets = crmpi_upper_alloc(w->n_members * sizeof *w->targets);
    return w->targets;
}

struct crmpi_written *crmpi_win_written(const struct crmpi_win *w, int rank)
{
    const struct crmpi_win_target *target = &w->targets[rank];
    char *at;

    if (w->n_members == 1 || w->flavor != MPI_WIN_FLAVOR_SHARED)
        return (void *)(target->at + ROOM(target->bytes));
    at = (char *)w->targets[0].lock + w->n_members * CRMPI_WIN_LOCK_BYTES;
    for (int i = 0; i < rank; i++)
        at += crmpi_written_bytes(w->targets[i].bytes);
    return (void *)at;
}

/* Begin to note what is written to this rank's segment.  The memory is no other's yet. */
static void written_begin(const struct crmpi_win *w, int rank, int is_whole)
{
    struct crmpi_written *written = crmpi_win_written(w, rank);

    memset(written, 0, crmpi_written_bytes(w->targets[rank].bytes));
    written->is_whole = is_whole;
}

/*
 * MPI_Win_allocate
 */

/* What of memory is crmpi's own. */
static MPI_Aint own_bytes(const struct crmpi_win *w)
{
    return CRMPI_WIN_LOCK_BYTES + PAGE + (MPI_Aint)crmpi_written_bytes(w->size);
}

/* The library's memory is private: the application's own is as good. */
static int allocate_privately(struct crmpi_handle *handle, MPI_Comm comm, MPI_Info info)
{
    struct crmpi_win *w = handle->extra;
    MPI_Win real;
    int error = view_reserve(w, ROOM(w->size));

    crmpi_heap_free(w->targets);
    w->targets = NULL;
    w->is_near = 0;
    w->base = (void *)w->view_start;
    if (error == MPI_SUCCESS)
        error = PMPI_Win_create(w->base, w->size, w->disp_unit, info, comm, &real);
    if (error == MPI_SUCCESS)
        handle->real = real;
    return error;
}

/* Show the segment, whose contents a restart has loaded, to the application. */
static int segment_show(struct crmpi_win *w, char *segment)
{
    int error;

    if (w->view_bytes)
        segment_move(w, segment);
    error = view_reserve(w, ROOM(w->size));
    if (error == MPI_SUCCESS)
        error = view_set(w, (uint64_t)segment);
    w->base = (void *)w->view_start;
    return error;
}

/* Put pages that can be seen twice, or private ones, in place of the segment's. */
static int segment_replace(const struct crmpi_win *w, char *segment, int is_shared)
{
    uint64_t bytes = ROOM(w->size);
    int fd = -1,
        flags = MAP_FIXED | (is_shared ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS);
    void *at;

    if (is_shared) {
        fd = memfd_create("crmpi-window", MFD_CLOEXEC);
        if (fd < 0 || ftruncate(fd, bytes) != 0) {
            if (fd >= 0)
                close(fd);
            return MPI_ERR_NO_MEM;
        }
    }
    at = mmap(segment, bytes, PROT_READ | PROT_WRITE, flags, fd, 0);
    if (fd >= 0)
        close(fd);
    return at == segment ? MPI_SUCCESS : MPI_ERR_NO_MEM;
}

/* A window of one process.  The library gives it private memory. */
static int allocate_alone(struct crmpi_handle *handle, MPI_Comm comm, MPI_Info info)
{
    struct crmpi_win *w = handle->extra;
    MPI_Aint bytes = own_bytes(w) + ROOM(w->size);
    char *lower_base = NULL, *segment;
    MPI_Win real;
    int error = w->flavor == MPI_WIN_FLAVOR_SHARED
                    ? PMPI_Win_allocate_shared(bytes, 1, info, comm, &lower_base, &real)
                    : PMPI_Win_allocate(bytes, 1, info, comm, &lower_base, &real);

    if (error != MPI_SUCCESS)
        return error;
    handle->real = real;
    segment = (char *)PAGE_UP(lower_base + CRMPI_WIN_LOCK_BYTES);
    targets_room(w)[0] = (struct crmpi_win_target){
        .at = segment,
        .lock = (int32_t *)(void *)(segment - CRMPI_WIN_LOCK_BYTES),
        .bytes = w->size,
        .disp_unit = w->disp_unit,
        .shift = segment - lower_base,
    };
    *w->targets[0].lock = 0;
    w->is_near = 1;
    written_begin(w, 0, 1);
    error = segment_replace(w, segment, 1);
    return error == MPI_SUCCESS ? segment_show(w, segment) : error;
}

int crmpi_win_unmake(struct crmpi_win *w)
{
    int is_alone = w->n_members == 1 && w->targets;

    return is_alone ? segment_replace(w, w->targets[0].at, 0) : MPI_SUCCESS;
}

static int by_machine(const void *a, const void *b)
{
    const struct place *x = *(const struct place *const *)a,
                       *y = *(const struct place *const *)b;

    return (x->machine > y->machine) - (x->machine < y->machine);
}

/* Whether the processes of one machine have all mapped all of their segments. */
static int machine_is_seen(const struct place *const *places, int n)
{
    uint64_t mapped = 0, mapped_end = UINT64_MAX;
    int seen = 1;

    for (int i = 0; i < n; i++) {
        mapped = places[i]->mapped > mapped ? places[i]->mapped : mapped;
        mapped_end =
            places[i]->mapped_end < mapped_end ? places[i]->mapped_end : mapped_end;
    }
    for (int i = 0; i < n; i++)
        seen &= places[i]->device == places[0]->device &&
                places[i]->inode == places[0]->inode && places[i]->offset >= mapped &&
                place_end(places[i]) <= mapped_end;
    return seen;
}

/* Whether every rank has mapped all segments of its node: then all that is written to one is
 * seen by those who write it.  All ranks come to the same answer. */
static int places_are_seen(const struct place *places, int n)
{
    const struct place **sorted = malloc(n * sizeof *sorted);
    int seen = sorted != NULL;

    for (int i = 0; sorted && i < n; i++)
        sorted[i] = &places[i];
    if (sorted)
        qsort(sorted, n, sizeof *sorted, by_machine);
    for (int i = 0, end; seen && i < n; i = end) {
        for (end = i + 1; end < n && by_machine(&sorted[i], &sorted[end]) == 0;)
            end++;
        seen = machine_is_seen(sorted + i, end - i);
    }
    free(sorted);
    return seen;
}

static int allocate(struct crmpi_handle *handle, MPI_Comm comm, MPI_Info info)
{
    struct crmpi_win *w = handle->extra;
    int n = w->n_members, all_shared = 1;
    char *lower_base = NULL, *segment;
    struct place *places, mine;
    struct mapping mapping;
    MPI_Win real;
    int error = PMPI_Win_allocate(own_bytes(w) + ROOM(w->size), 1, info, comm,
                                  &lower_base, &real);

    if (error != MPI_SUCCESS)
        return error;
    segment = (char *)PAGE_UP(lower_base + CRMPI_WIN_LOCK_BYTES);
    mine = place_of(w, segment, lower_base, &mapping);
    error = places_exchange(w, comm, &mine, &places);
    if (error != MPI_SUCCESS)
        return error;
    for (int i = 0; i < n; i++)
        all_shared &= places[i].is_shared;
    if (!all_shared) {
        free(places);
        error = PMPI_Win_free(&real);
        return error == MPI_SUCCESS ? allocate_privately(handle, comm, info) : error;
    }
    targets_room(w);
    w->is_near = 1;
    for (int i = 0; i < n; i++) {
        char *at = place_here(&places[i], &mine, &mapping);
        w->targets[i] = (struct crmpi_win_target){.at = at,
                                                  .bytes = places[i].bytes,
                                                  .disp_unit = places[i].disp_unit,
                                                  .shift = places[i].shift};
        if (at)
            w->targets[i].lock = (int32_t *)(void *)(at - CRMPI_WIN_LOCK_BYTES);
        else
            w->is_near = 0;
    }
    int is_whole = places_are_seen(places, n);
    if (w->targets[crmpi_comm_of(w->comm)->rank].at)
        written_begin(w, crmpi_comm_of(w->comm)->rank, is_whole);
    free(places);
    handle->real = real;
    return segment_show(w, segment);
}

/*
 * MPI_Win_allocate_shared
 */

/* Whether the library puts the segments on pages of their own, as the hint asks for. */
static int lie_apart(MPI_Info info)
{
    char value[MPI_MAX_INFO_VAL + 1] = "";
    int flag = 0;

    if (info != MPI_INFO_NULL)
        PMPI_Info_get(info, "alloc_shared_noncontig", MPI_MAX_INFO_VAL, value, &flag);
    return flag && (strcasecmp(value, "true") == 0 || strcasecmp(value, "yes") == 0 ||
                    atoi(value) != 0);
}

/* A segment without bytes has no address if segments lie apart; otherwise its place among
 * the others. */
static int has_place(const struct crmpi_win *w, const struct crmpi_win_target *target)
{
    return target->at && (target->bytes > 0 || !w->is_apart);
}

/* Note where all segments are; the pages that hold them. */
static int segments_query(struct crmpi_win *w, MPI_Win real, const struct place *places,
                          uint64_t *start_out, uint64_t *end_out)
{
    int n = w->n_members, error = MPI_SUCCESS;
    uint64_t start = UINT64_MAX, end = 0;

    targets_room(w);
    for (int i = 0; i < n && error == MPI_SUCCESS; i++) {
        MPI_Aint bytes;
        char *at = NULL;
        int disp_unit;

        error = PMPI_Win_shared_query(real, i, &bytes, &disp_unit, &at);
        w->targets[i] = (struct crmpi_win_target){
            .at = at, .bytes = places[i].bytes, .disp_unit = places[i].disp_unit};
        if (!has_place(w, &w->targets[i]))
            continue;
        start = PAGE_DOWN(at) < start ? PAGE_DOWN(at) : start;
        end = PAGE_UP(at + places[i].bytes) > end ? PAGE_UP(at + places[i].bytes) : end;
    }
    *start_out = start;
    *end_out = end > start ? end : start;
    if (start != UINT64_MAX && end <= start)
        *end_out = start + PAGE; /* the library's memory goes on there */
    return error;
}

/* The last rank's segment is longer than the application knows, by the locks and by what is
 * noted of all segments. */
static MPI_Aint locks_bytes(const struct crmpi_win *w, const struct place *places)
{
    MPI_Aint bytes = (w->n_members + 1) * (MPI_Aint)CRMPI_WIN_LOCK_BYTES;

    for (int i = 0; i < w->n_members; i++)
        bytes += (MPI_Aint)crmpi_written_bytes(places[i].bytes);
    return bytes;
}

static void locks_place(struct crmpi_win *w)
{
    const struct crmpi_win_target *last = &w->targets[w->n_members - 1];
    uint64_t behind = (uint64_t)last->at + last->bytes;
    char *locks = (char *)((behind + CRMPI_WIN_LOCK_BYTES - 1) &
                           ~(uint64_t)(CRMPI_WIN_LOCK_BYTES - 1));

    for (int i = 0; i < w->n_members; i++)
        w->targets[i].lock = (int32_t *)(void *)(locks + i * CRMPI_WIN_LOCK_BYTES);
    w->is_near = 1;
}

static int allocate_shared(struct crmpi_handle *handle, MPI_Comm comm, MPI_Info info,
                           char *why, size_t why_bytes)
{
    struct crmpi_win *w = handle->extra;
    const struct crmpi_comm *c = crmpi_comm_of(w->comm);
    struct place mine = {.disp_unit = w->disp_unit}, *places;
    uint64_t start, end;
    char *segment = NULL;
    MPI_Win real;
    MPI_Aint more;

    w->is_apart = lie_apart(info);
    w->segment_bytes = w->is_apart ? (MPI_Aint)PAGE_UP(w->size) : w->size;
    mine.bytes = w->segment_bytes;
    int error = places_exchange(w, comm, &mine, &places);

    if (error != MPI_SUCCESS)
        return error;
    more = c->rank == w->n_members - 1 ? locks_bytes(w, places) : 0;
    error =
        PMPI_Win_allocate_shared(w->segment_bytes + more, 1, info, comm, &segment, &real);
    if (error == MPI_SUCCESS)
        error = segments_query(w, real, places, &start, &end);
    free(places);
    if (error != MPI_SUCCESS)
        return error;
    handle->real = real;
    locks_place(w);
    written_begin(w, c->rank, 1);
    segment = w->targets[c->rank].at;
    if (w->view_bytes && (w->view_bytes != end - start ||
                          (w->base && (char *)w->base - (char *)w->view_start !=
                                          segment - (char *)start))) {
        snprintf(
            why, why_bytes,
            "this Open MPI places the segments of a shared window otherwise than the "
            "one of the checkpoint: restart with that version");
        return MPI_ERR_WIN;
    }
    if (w->view_bytes)
        segment_move(w, segment);
    error = view_reserve(w, end - start);
    if (error == MPI_SUCCESS)
        error = view_set(w, start);
    w->base = has_place(w, &w->targets[c->rank])
                  ? (char *)w->view_start + (segment - (char *)start)
                  : NULL;
    return error;
}

/*
 * All kinds
 */

static int dynamic(struct crmpi_handle *handle, MPI_Comm comm, MPI_Info info)
{
    const struct crmpi_win *w = handle->extra;
    MPI_Win real;
    int error = PMPI_Win_create_dynamic(info, comm, &real);

    if (error != MPI_SUCCESS)
        return error;
    handle->real = real;
    for (int i = 0; i < w->n_pieces && error == MPI_SUCCESS; i++)
        error = PMPI_Win_attach(real, w->pieces[i].base, w->pieces[i].bytes);
    return error;
}

int crmpi_win_make(struct crmpi_handle *handle, MPI_Comm comm, MPI_Info info, char *why,
                   size_t why_bytes)
{
    struct crmpi_win *w = handle->extra;
    MPI_Win real;
    int error, *model, flag;

    switch (w->flavor) {
    case MPI_WIN_FLAVOR_ALLOCATE:
        error = w->n_members == 1 ? allocate_alone(handle, comm, info)
                                  : allocate(handle, comm, info);
        break;
    case MPI_WIN_FLAVOR_SHARED:
        error = w->n_members == 1 ? allocate_alone(handle, comm, info)
                                  : allocate_shared(handle, comm, info, why, why_bytes);
        break;
    case MPI_WIN_FLAVOR_DYNAMIC:
        error = dynamic(handle, comm, info);
        break;
    default:
        error = PMPI_Win_create(w->base, w->size, w->disp_unit, info, comm, &real);
        if (error == MPI_SUCCESS)
            handle->real = real;
        break;
    }
    if (error != MPI_SUCCESS)
        return error;
    crmpi_win_apply_errhandler(handle);
    PMPI_Win_get_attr(handle->real, MPI_WIN_MODEL, &model, &flag);
    w->model = flag ? *model : MPI_WIN_UNIFIED;
    return w->name ? PMPI_Win_set_name(handle->real, w->name) : MPI_SUCCESS;
}
