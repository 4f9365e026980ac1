/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * MPI files: opening, closing, what is kept of them, and how their accesses and a cut
 * agree (lower half).
 *
 * An access that waits for nobody is done as a whole, so its data and the file pointer it
 * moves are never parted by a cut.  A collective of a file is preceded by a barrier and
 * counted on a communicator of the file's own: all members have done it at a cut, or none
 * has begun it.  So at a cut nothing is under way in the library but nonblocking
 * accesses, which the drain completes.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "wrappers/hand/p2p.h"
#include "files/journal.h"
#include "wrappers/objects.h"

static struct crmpi_file *file_of(MPI_File file)
{
    return CRMPI_EXTRA(file, file);
}

static void note_shared(MPI_File file)
{
    if (file_of(file))
        file_of(file)->uses_shared = 1;
}

void crmpi_file_alone_begin(MPI_File file)
{
    (void)file;
    crmpi_whole_begin();
}

void crmpi_file_shared_begin(MPI_File file)
{
    note_shared(file);
    crmpi_whole_begin();
}

void crmpi_file_alone_end(MPI_File file)
{
    (void)file;
    crmpi_whole_end();
}

/* A file that is none is left to the MPI library, which will say so. */
void crmpi_file_joint_begin(MPI_File file)
{
    if (file_of(file))
        crmpi_meet_begin(file_of(file)->comm);
}

void crmpi_file_ordered_begin(MPI_File file)
{
    note_shared(file);
    crmpi_file_joint_begin(file);
}

/* It counts also if it failed: perhaps it did so in this rank alone. */
void crmpi_file_joint_end(MPI_File file)
{
    if (file_of(file))
        crmpi_meet_end(file_of(file)->comm);
}

void crmpi_file_begun_begin(MPI_File file)
{
    if (file_of(file)) {
        crmpi_call_resumed();
        crmpi_collective_begin(file_of(file)->comm);
    }
    crmpi_whole_begin();
}

void crmpi_file_begun_end(MPI_File file)
{
    if (file_of(file))
        crmpi_collective_end(file_of(file)->comm);
    crmpi_whole_end();
}

/*
 * Opening and closing
 */

void crmpi_file_destroy(struct crmpi_handle *handle)
{
    struct crmpi_file *file = handle->extra;

    crmpi_handle_release(file->errhandler);
    crmpi_handle_release(file->info);
    crmpi_handle_release(file->told);
    crmpi_handle_release((void *)file->etype);
    crmpi_handle_release((void *)file->filetype);
    crmpi_heap_free(file->name);
    crmpi_heap_free(file->path);
    crmpi_heap_free(file->datarep);
}

static int is_being_opened(struct crmpi_handle *handle, void *thread)
{
    return ((struct crmpi_file *)handle->extra)->opener == thread;
}

/* The file that this thread opens, with its communicator: also of a call made again. */
static int opening(MPI_Comm comm, struct crmpi_handle **handle_out)
{
    struct crmpi_handle *handle =
        crmpi_handle_find(CRMPI_FILE, is_being_opened, crmpi_thread);
    MPI_Comm own = NULL, real = MPI_COMM_NULL;
    int error = MPI_SUCCESS;

    if (!handle) {
        crmpi_make_begin(comm);
        error = PMPI_Comm_dup(CRMPI_REAL(MPI_Comm, comm), &real);
        error = crmpi_make_end(comm, error, real, &own, "MPI_File_open");
        if (error != MPI_SUCCESS)
            return error;
        handle = crmpi_handle_create(CRMPI_FILE, NULL, sizeof(struct crmpi_file));
        struct crmpi_file *file = handle->extra;
        file->comm = own;
        file->opener = crmpi_thread;
        file->errhandler = crmpi_objects_root->file_null_errhandler;
        crmpi_handle_hold(file->errhandler);
    }
    *handle_out = handle;
    return error;
}

/* It may begin with the kind of a file system, as in "nfs:results/data". */
static void path_note(struct crmpi_file *file)
{
    const char *name = file->name, *colon = strchr(name, ':');
    char directory[4096] = "", *path;

    if (colon && access(name, F_OK) != 0)
        file->prefix = colon + 1 - name;
    if (name[file->prefix] != '/' && getcwd(directory, sizeof directory - 1))
        strcat(directory, "/");
    path = crmpi_upper_alloc(strlen(directory) + strlen(name) + 1);
    memcpy(path, name, file->prefix);
    strcpy(path + file->prefix, directory);
    strcat(path, name + file->prefix);
    file->path = path;
}

/* What is in the file is noted as if the program had opened it itself: by one rank. */
static void journal_note(const struct crmpi_file *file, const char *name, int amode)
{
    const char *colon = strchr(name, ':');
    int writes = (amode & (MPI_MODE_WRONLY | MPI_MODE_RDWR)) != 0;

    if (crmpi_comm_of(file->comm)->rank != 0 || (!writes && !(amode & MPI_MODE_CREATE)))
        return;
    if (colon && access(name, F_OK) != 0)
        name = colon + 1;
    crmpi_journal_touch_below(name, CRMPI_TOUCH_OPEN,
                              (writes ? O_RDWR : O_RDONLY) |
                                  (amode & MPI_MODE_CREATE ? O_CREAT : 0));
}

int crmpi_lower_MPI_File_delete(const char *filename, MPI_Info info)
{
    MPI_Info real = crmpi_info_make(info);
    int error;

    if (filename)
        crmpi_journal_touch_below(filename, CRMPI_TOUCH_REMOVE, 0);
    error = PMPI_File_delete(filename, real);
    crmpi_info_drop(real);
    return error == MPI_SUCCESS
               ? error
               : crmpi_file_error(CRMPI_UPPER(MPI_File, ompi_mpi_file_null), error,
                                  "MPI_File_delete");
}

/* The library's list is what the application has given, or less. */
static void hints_note(MPI_File fh, MPI_Info info)
{
    struct crmpi_file *file = file_of(fh);
    MPI_Info real = MPI_INFO_NULL;

    crmpi_info_merge(&file->info, info);
    if (PMPI_File_get_info(CRMPI_REAL(MPI_File, fh), &real) == MPI_SUCCESS)
        crmpi_info_tell(&file->told, info, real, NULL);
}

int crmpi_lower_MPI_File_open(MPI_Comm comm, const char *filename, int amode,
                              MPI_Info info, MPI_File *fh)
{
    MPI_File none = CRMPI_UPPER(MPI_File, ompi_mpi_file_null), real = NULL;
    const struct crmpi_comm *c = crmpi_comm_of(comm);
    struct crmpi_handle *handle;
    struct crmpi_file *file;
    MPI_Info info_real;
    int error;

    if (!c || c->remote_size || !info || !filename || !fh) {
        error = PMPI_File_open(CRMPI_REAL(MPI_Comm, comm), filename, amode,
                               info ? MPI_INFO_NULL : NULL, fh ? &real : NULL);
        return c && c->remote_size ? crmpi_comm_error(comm, error, "MPI_File_open")
                                   : crmpi_file_error(none, error, "MPI_File_open");
    }
    error = opening(comm, &handle);
    if (error != MPI_SUCCESS)
        return error;
    file = handle->extra;
    crmpi_meet_begin(file->comm);
    crmpi_file_sidecar_remove(file->comm, filename);
    journal_note(file, filename, amode);
    info_real = crmpi_info_make(info);
    error = PMPI_File_open(CRMPI_REAL(MPI_Comm, file->comm), filename, amode, info_real,
                           &real);
    crmpi_info_drop(info_real);
    file->opener = NULL;
    crmpi_meet_end(file->comm);
    if (error != MPI_SUCCESS) {
        crmpi_comm_leave((void *)file->comm);
        crmpi_handle_release(handle);
        *fh = none;
        return crmpi_file_error(none, error, "MPI_File_open");
    }
    handle->real = real;
    file->name = crmpi_upper_dup(filename, strlen(filename) + 1);
    path_note(file);
    file->amode = amode;
    file->uses_shared = (amode & MPI_MODE_APPEND) != 0;
    hints_note((void *)handle, info);
    *fh = (void *)handle;
    return MPI_SUCCESS;
}

/* Its communicator ends with it: closing is the last collective of that. */
int crmpi_lower_MPI_File_close(MPI_File *fh)
{
    struct crmpi_handle *handle = fh ? (void *)*fh : NULL;
    struct crmpi_file *file = fh ? file_of(*fh) : NULL;
    MPI_File real = fh ? CRMPI_REAL(MPI_File, *fh) : NULL;
    int error;

    crmpi_file_joint_begin((void *)handle);
    error = PMPI_File_close(fh ? &real : NULL);
    if (error != MPI_SUCCESS) {
        crmpi_file_joint_end((void *)handle);
        return crmpi_file_error(file ? (void *)handle
                                     : CRMPI_UPPER(void *, ompi_mpi_file_null),
                                error, "MPI_File_close");
    }
    struct crmpi_handle *comm = (void *)file->comm;
    handle->real = NULL;
    handle->flags |= CRMPI_HANDLE_FREED;
    crmpi_meet_end((void *)comm);
    crmpi_comm_leave(comm);
    crmpi_handle_release(handle);
    *fh = CRMPI_UPPER(MPI_File, ompi_mpi_file_null);
    return MPI_SUCCESS;
}

/*
 * What is kept
 */

/* Opened again it has others. */
int crmpi_lower_MPI_File_get_amode(MPI_File fh, int *amode)
{
    int error = PMPI_File_get_amode(CRMPI_REAL(MPI_File, fh), amode);

    if (error != MPI_SUCCESS)
        return crmpi_file_error(fh, error, "MPI_File_get_amode");
    *amode = file_of(fh)->amode;
    return MPI_SUCCESS;
}

int crmpi_lower_MPI_File_set_atomicity(MPI_File fh, int flag)
{
    crmpi_file_joint_begin(fh);
    int error = PMPI_File_set_atomicity(CRMPI_REAL(MPI_File, fh), flag);
    if (error == MPI_SUCCESS)
        file_of(fh)->atomicity = flag != 0;
    crmpi_file_joint_end(fh);
    return error == MPI_SUCCESS ? error
                                : crmpi_file_error(fh, error, "MPI_File_set_atomicity");
}

int crmpi_lower_MPI_File_set_info(MPI_File fh, MPI_Info info)
{
    MPI_Info info_real = crmpi_info_make(info);

    crmpi_file_joint_begin(fh);
    int error = PMPI_File_set_info(CRMPI_REAL(MPI_File, fh), info_real);
    if (error == MPI_SUCCESS)
        hints_note(fh, info);
    crmpi_file_joint_end(fh);
    crmpi_info_drop(info_real);
    return error == MPI_SUCCESS ? error
                                : crmpi_file_error(fh, error, "MPI_File_set_info");
}

int crmpi_lower_MPI_File_get_info(MPI_File fh, MPI_Info *info_used)
{
    struct crmpi_file *file = file_of(fh);
    MPI_Info real = CRMPI_NOTHING(MPI_Info);
    int error = PMPI_File_get_info(CRMPI_REAL(MPI_File, fh), info_used ? &real : NULL);

    error = crmpi_info_used(file ? &file->told : NULL, error, real, info_used);
    return error == MPI_SUCCESS ? error
                                : crmpi_file_error(fh, error, "MPI_File_get_info");
}

static void type_replace(MPI_Datatype *slot, MPI_Datatype type)
{
    crmpi_hold(type);
    crmpi_drop(*slot);
    *slot = type;
}

/* A sequential file that was opened again is no such file to the MPI library, so it does
 * not take MPI_DISPLACEMENT_CURRENT: where the shared pointer stands. */
static MPI_Offset displacement_find(const struct crmpi_file *file, MPI_File real,
                                    MPI_Offset disp)
{
    MPI_Offset position = 0;
    int amode = 0;

    if (!file || disp != MPI_DISPLACEMENT_CURRENT ||
        !(file->amode & MPI_MODE_SEQUENTIAL) ||
        PMPI_File_get_amode(real, &amode) != MPI_SUCCESS || amode & MPI_MODE_SEQUENTIAL)
        return disp;
    if (crmpi_comm_of(file->comm)->rank == 0 &&
        PMPI_File_get_position_shared(real, &position) == MPI_SUCCESS)
        PMPI_File_get_byte_offset(real, position, &disp);
    PMPI_Bcast(&disp, 1, MPI_OFFSET, 0, CRMPI_REAL(MPI_Comm, file->comm));
    return disp;
}

/* MPI_DISPLACEMENT_CURRENT is where the shared pointer stands now, not at a restart. */
static MPI_Offset displacement_read(MPI_File real, MPI_Offset disp)
{
    MPI_Datatype types[2];
    char datarep[MPI_MAX_DATAREP_STRING];

    if (disp != MPI_DISPLACEMENT_CURRENT ||
        PMPI_File_get_view(real, &disp, &types[0], &types[1], datarep) != MPI_SUCCESS)
        return disp;
    for (int i = 0; i < 2; i++) {
        int ints, addresses, parts, combiner = MPI_COMBINER_NAMED;

        PMPI_Type_get_envelope(types[i], &ints, &addresses, &parts, &combiner);
        if (combiner != MPI_COMBINER_NAMED)
            PMPI_Type_free(&types[i]);
    }
    return disp;
}

int crmpi_lower_MPI_File_set_view(MPI_File fh, MPI_Offset disp, MPI_Datatype etype,
                                  MPI_Datatype filetype, const char *datarep,
                                  MPI_Info info)
{
    MPI_Info info_real = crmpi_info_make(info);
    MPI_File real = CRMPI_REAL(MPI_File, fh);
    struct crmpi_file *file = file_of(fh);

    crmpi_file_joint_begin(fh);
    disp = displacement_find(file, real, disp);
    int error =
        PMPI_File_set_view(real, disp, CRMPI_REAL(MPI_Datatype, etype),
                           CRMPI_REAL(MPI_Datatype, filetype), datarep, info_real);
    if (error == MPI_SUCCESS) {
        file->displacement = displacement_read(real, disp);
        type_replace(&file->etype, etype);
        type_replace(&file->filetype, filetype);
        crmpi_heap_free(file->datarep);
        file->datarep = crmpi_upper_dup(datarep, strlen(datarep) + 1);
        hints_note(fh, info);
    }
    crmpi_file_joint_end(fh);
    crmpi_info_drop(info_real);
    return error == MPI_SUCCESS ? error
                                : crmpi_file_error(fh, error, "MPI_File_set_view");
}
