/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Windows: making and freeing them, what they are asked and told (lower half).
 */
#include <dlfcn.h>
#include <string.h>
#include <sys/mman.h>

#include "wrappers/hand/window.h"

/* Hints that are never true of the lower window: crmpi's own epochs are locks, and its memory
 * is larger than what the application asks for. */
static const char *const untrue[] = {"no_locks", "same_size", NULL};

MPI_Info crmpi_win_info_make(MPI_Info info)
{
    MPI_Info real = info ? crmpi_info_make(info) : MPI_INFO_NULL;
    char value[2];
    int flag = 0;

    for (int i = 0; untrue[i] && real && real != MPI_INFO_NULL; i++)
        if (PMPI_Info_get(real, untrue[i], 1, value, &flag) == MPI_SUCCESS && flag)
            PMPI_Info_set(real, untrue[i], "false");
    return real;
}

/*
 * Making
 */

/* What the application asks for. */
static struct crmpi_handle *handle_create(const struct crmpi_win *recipe)
{
    struct crmpi_handle *handle =
        crmpi_handle_create(CRMPI_WIN, NULL, sizeof(struct crmpi_win));
    struct crmpi_win *w = handle->extra;

    *w = *recipe;
    w->segment_bytes = w->size;
    w->errhandler = CRMPI_UPPER(void *, ompi_mpi_errors_are_fatal);
    return handle;
}

/* The communicator is crmpi's own: errors on it are the window's. */
static int comm_make(MPI_Comm comm, MPI_Comm *own_out)
{
    MPI_Comm real;
    int error = PMPI_Comm_dup(CRMPI_REAL(MPI_Comm, comm), &real);

    if (error == MPI_SUCCESS)
        *own_out = crmpi_comm_adopt_own(real, comm);
    return error;
}

static void own_free(MPI_Comm own)
{
    crmpi_collective_end(own);
    crmpi_comm_leave((void *)own);
}

static int arguments_check(const struct crmpi_win *recipe, MPI_Info info, MPI_Comm comm,
                           const void *out, const MPI_Win *win)
{
    const struct crmpi_comm *c = crmpi_comm_of(comm);

    if (!c || c->remote_size)
        return MPI_ERR_COMM;
    if (!crmpi_handle_real(info) && !CRMPI_EXTRA(info, info))
        return MPI_ERR_INFO;
    if (!win)
        return MPI_ERR_WIN;
    if (recipe->size < 0)
        return MPI_ERR_SIZE;
    if (recipe->disp_unit <= 0 && recipe->flavor != MPI_WIN_FLAVOR_SHARED)
        return MPI_ERR_DISP;
    return out ? MPI_SUCCESS : MPI_ERR_ARG;
}

/* Open MPI's component for networks without remote access gives up locks it was told not to
 * take, and then grants none to others; and it does not take a lock before the first
 * operation. */
static int library_check(const struct crmpi_comm *comm)
{
    static int is_checked; /* they are all loaded by MPI_Init */
    void *component;

    if (is_checked)
        return MPI_SUCCESS;
    component = dlopen("mca_osc_pt2pt.so", RTLD_LAZY | RTLD_NOLOAD);
    is_checked = component == NULL;
    if (!component)
        return MPI_SUCCESS;
    dlclose(component);
    if (comm->rank == 0)
        crmpi_error(
            "windows cannot be had with Open MPI's component osc/pt2pt: leave it out "
            "(mpirun --mca osc ^pt2pt)");
    return MPI_ERR_UNSUPPORTED_OPERATION;
}

/* What MPI_Win_get_info is to tell: of hints that crmpi keeps to itself what was given. */
static void hints_note(struct crmpi_handle *handle, MPI_Info info)
{
    struct crmpi_win *w = handle->extra;
    MPI_Info real = MPI_INFO_NULL;

    PMPI_Win_get_info(handle->real, &real);
    crmpi_info_tell(&w->told, info, real, untrue);
}

/* @param out  where to store the base, if MPI gives the memory; else not NULL */
static int create(const struct crmpi_win *recipe, MPI_Info info, MPI_Comm comm, void *out,
                  MPI_Win *win, const char *function)
{
    int error = arguments_check(recipe, info, comm, out, win);
    struct crmpi_handle *handle;
    struct crmpi_win *w;
    MPI_Comm own;
    char why[256] = "";

    if (error == MPI_SUCCESS)
        error = library_check(crmpi_comm_of(comm));
    if (error != MPI_SUCCESS)
        return crmpi_comm_error(comm, error, function);
    /* in the making of its communicator all members meet: a thread may park there */
    crmpi_make_begin(comm);
    error = comm_make(comm, &own);
    if (error != MPI_SUCCESS)
        return crmpi_comm_error(comm, error, function);
    crmpi_meet_enter(comm);
    handle = handle_create(recipe);
    w = handle->extra;
    w->comm = own;
    w->n_members = crmpi_comm_of(own)->size;
    w->logging = crmpi_ledger->logging;
    w->marks = crmpi_upper_alloc(w->n_members);
    crmpi_win_marks_clear(w);
    crmpi_info_merge(&w->info, info);
    MPI_Info info_real = crmpi_win_info_make(info);
    error = crmpi_win_make(handle, CRMPI_REAL(MPI_Comm, own), info_real, why, sizeof why);
    crmpi_info_drop(info_real);
    if (error == MPI_SUCCESS)
        hints_note(handle, info);
    crmpi_meet_end(comm);
    if (error != MPI_SUCCESS) {
        if (why[0])
            crmpi_error("%s: %s", function, why);
        crmpi_handle_release(handle);
        own_free(own);
        return crmpi_comm_error(comm, error, function);
    }
    if (recipe->flavor == MPI_WIN_FLAVOR_ALLOCATE ||
        recipe->flavor == MPI_WIN_FLAVOR_SHARED)
        memcpy(out, &w->base, sizeof w->base);
    *win = (void *)handle;
    return MPI_SUCCESS;
}

int crmpi_lower_MPI_Win_create(void *base, MPI_Aint size, int disp_unit, MPI_Info info,
                               MPI_Comm comm, MPI_Win *win)
{
    const struct crmpi_win recipe = {.flavor = MPI_WIN_FLAVOR_CREATE,
                                     .base = base,
                                     .size = size,
                                     .disp_unit = disp_unit};

    return create(&recipe, info, comm, &base, win, "MPI_Win_create");
}

int crmpi_lower_MPI_Win_allocate(MPI_Aint size, int disp_unit, MPI_Info info,
                                 MPI_Comm comm, void *baseptr, MPI_Win *win)
{
    const struct crmpi_win recipe = {
        .flavor = MPI_WIN_FLAVOR_ALLOCATE, .size = size, .disp_unit = disp_unit};

    return create(&recipe, info, comm, baseptr, win, "MPI_Win_allocate");
}

int crmpi_lower_MPI_Win_allocate_shared(MPI_Aint size, int disp_unit, MPI_Info info,
                                        MPI_Comm comm, void *baseptr, MPI_Win *win)
{
    const struct crmpi_win recipe = {
        .flavor = MPI_WIN_FLAVOR_SHARED, .size = size, .disp_unit = disp_unit};

    return create(&recipe, info, comm, baseptr, win, "MPI_Win_allocate_shared");
}

int crmpi_lower_MPI_Win_create_dynamic(MPI_Info info, MPI_Comm comm, MPI_Win *win)
{
    const struct crmpi_win recipe = {
        .flavor = MPI_WIN_FLAVOR_DYNAMIC, .base = MPI_BOTTOM, .disp_unit = 1};

    return create(&recipe, info, comm, &comm, win, "MPI_Win_create_dynamic");
}

/*
 * Freeing
 */

/* The window is no more; a request that nobody waited for may keep the handle. */
static void forget(struct crmpi_handle *handle)
{
    struct crmpi_win *w = handle->extra;

    if (w->view_bytes)
        munmap((void *)w->view_start, w->view_bytes);
    w->view_bytes = 0;
    w->epoch = CRMPI_EPOCH_NONE;
    handle->real = NULL;
    handle->flags |= CRMPI_HANDLE_FREED;
}

void crmpi_win_destroy(struct crmpi_handle *handle)
{
    struct crmpi_win *w = handle->extra;

    forget(handle);
    crmpi_win_group_fini(&w->posted);
    crmpi_win_group_fini(&w->started);
    crmpi_heap_free(w->targets);
    crmpi_heap_free(w->locks);
    crmpi_heap_free(w->marks);
    crmpi_log_clear(&w->puts);
    crmpi_heap_free(w->pieces);
    crmpi_heap_free(w->name);
    crmpi_handle_release(w->info);
    crmpi_handle_release(w->told);
    crmpi_handle_release(w->errhandler);
}

int crmpi_lower_MPI_Win_free(MPI_Win *handle)
{
    struct crmpi_win *w = handle ? crmpi_win_of(*handle) : NULL;
    MPI_Win real;
    MPI_Comm own;
    int error;

    if (!w || w->epoch > CRMPI_EPOCH_FENCE || w->posted.is_open)
        return crmpi_win_error(handle ? *handle : NULL,
                               w ? MPI_ERR_RMA_SYNC : MPI_ERR_WIN, "MPI_Win_free");
    /* Open MPI frees it also if a function that deletes fails */
    if (crmpi_settings_delete(CRMPI_WIN, *handle, &w->attributes) != MPI_SUCCESS)
        crmpi_settings_drop(CRMPI_WIN, &w->attributes);
    own = w->comm;
    real = CRMPI_REAL(MPI_Win, *handle);
    crmpi_win_close(w, real);
    crmpi_meet_begin(own);
    error = crmpi_win_unmake(w);
    if (error == MPI_SUCCESS)
        error = PMPI_Win_free(&real);
    crmpi_meet_end(own);
    if (error != MPI_SUCCESS)
        return crmpi_win_error(*handle, error, "MPI_Win_free");
    forget((void *)*handle);
    crmpi_handle_release((void *)*handle);
    own_free(own);
    *handle = CRMPI_UPPER(MPI_Win, ompi_mpi_win_null);
    return MPI_SUCCESS;
}

/*
 * Dynamic windows: the library registers the application's own memory.
 */

int crmpi_lower_MPI_Win_attach(MPI_Win win, void *base, MPI_Aint size)
{
    struct crmpi_win *w = crmpi_win_of(win);
    int error;

    crmpi_whole_begin();
    error = PMPI_Win_attach(CRMPI_REAL(MPI_Win, win), base, size);
    if (error == MPI_SUCCESS) {
        crmpi_lock(&w->changing);
        w->pieces = crmpi_upper_grow(w->pieces, w->n_pieces * sizeof *w->pieces,
                                     (w->n_pieces + 1) * sizeof *w->pieces);
        w->pieces[w->n_pieces++] = (struct crmpi_win_piece){base, size};
        crmpi_unlock(&w->changing);
    }
    crmpi_whole_end();
    return crmpi_win_result(win, error, "MPI_Win_attach");
}

int crmpi_lower_MPI_Win_detach(MPI_Win win, const void *base)
{
    struct crmpi_win *w = crmpi_win_of(win);
    int error;

    crmpi_whole_begin();
    error = PMPI_Win_detach(CRMPI_REAL(MPI_Win, win), base);
    if (error == MPI_SUCCESS) {
        crmpi_lock(&w->changing);
        for (int i = 0; i < w->n_pieces; i++)
            if (w->pieces[i].base == base) {
                memmove(&w->pieces[i], &w->pieces[i + 1],
                        (w->n_pieces - i - 1) * sizeof *w->pieces);
                w->n_pieces--;
                break;
            }
        crmpi_unlock(&w->changing);
    }
    crmpi_whole_end();
    return crmpi_win_result(win, error, "MPI_Win_detach");
}

/*
 * Names, hints, segments
 */

int crmpi_lower_MPI_Win_set_name(MPI_Win win, const char *win_name)
{
    struct crmpi_win *w = crmpi_win_of(win);
    int error = PMPI_Win_set_name(CRMPI_REAL(MPI_Win, win), win_name);

    if (error != MPI_SUCCESS)
        return crmpi_win_error(win, error, "MPI_Win_set_name");
    crmpi_heap_free(w->name);
    w->name = crmpi_upper_dup(win_name, strlen(win_name) + 1);
    return MPI_SUCCESS;
}

int crmpi_lower_MPI_Win_set_info(MPI_Win win, MPI_Info info)
{
    struct crmpi_win *w = crmpi_win_of(win);
    MPI_Info real = crmpi_win_info_make(info);
    int error = PMPI_Win_set_info(CRMPI_REAL(MPI_Win, win), real);

    crmpi_info_drop(real);
    if (error != MPI_SUCCESS)
        return crmpi_win_error(win, error, "MPI_Win_set_info");
    crmpi_info_merge(&w->info, info);
    hints_note((void *)win, info);
    return MPI_SUCCESS;
}

int crmpi_lower_MPI_Win_get_info(MPI_Win win, MPI_Info *info_used)
{
    struct crmpi_win *w = crmpi_win_of(win);
    MPI_Info real = CRMPI_NOTHING(MPI_Info);
    int error = PMPI_Win_get_info(CRMPI_REAL(MPI_Win, win), info_used ? &real : NULL);

    error = crmpi_info_used(w ? &w->told : NULL, error, real, info_used);
    return crmpi_win_result(win, error, "MPI_Win_get_info");
}

/* The lowest rank that has memory. */
static const struct crmpi_win_target *first_target(const struct crmpi_win *w)
{
    static const struct crmpi_win_target none;

    for (int rank = 0; rank < w->n_members; rank++)
        if (w->targets[rank].bytes > 0)
            return &w->targets[rank];
    return &none;
}

int crmpi_lower_MPI_Win_shared_query(MPI_Win win, int rank, MPI_Aint *size,
                                     int *disp_unit, void *baseptr)
{
    const struct crmpi_win *w = crmpi_win_of(win);
    const struct crmpi_win_target *target;
    void *base;

    if (!w || w->flavor != MPI_WIN_FLAVOR_SHARED || (rank < 0 && rank != MPI_PROC_NULL) ||
        rank >= w->n_members)
        return crmpi_win_result(win,
                                PMPI_Win_shared_query(CRMPI_REAL(MPI_Win, win), rank,
                                                      size, disp_unit, baseptr),
                                "MPI_Win_shared_query");
    if (!size || !disp_unit || !baseptr)
        return crmpi_win_error(win, MPI_ERR_ARG, "MPI_Win_shared_query");
    target = rank == MPI_PROC_NULL ? first_target(w) : &w->targets[rank];
    base = w->view_bytes && target->at && (target->bytes > 0 || !w->is_apart)
               ? (char *)w->view_start + ((uint64_t)target->at - w->view_real)
               : NULL;
    *size = target->bytes;
    *disp_unit = target->disp_unit;
    memcpy(baseptr, &base, sizeof base);
    return MPI_SUCCESS;
}
