/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Open MPI files at the cut and in a restarted job (lower half).  At the cut every rank
 * notes where its file pointers are and how long the files are; their contents are saved as
 * those of other files (lib/files), if all ranks are.  A restart opens each file again, in all its members and in the order of its
 * communicators' ids, and puts everything back.
 */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/checksum.h"
#include "base/config.h"
#include "wrappers/hand/cut.h"
#include "wrappers/objects.h"

/* It has been opened, and not closed. */
static int is_open(const struct crmpi_handle *handle)
{
    return !((struct crmpi_file *)handle->extra)->opener &&
           !(handle->flags & CRMPI_HANDLE_FREED);
}

static int is_written(const struct crmpi_file *file)
{
    return (file->amode & (MPI_MODE_WRONLY | MPI_MODE_RDWR)) != 0;
}

/*
 * The cut
 */

static int note(struct crmpi_file *file, MPI_File real)
{
    int error = PMPI_File_get_size(real, &file->size);

    file->position = file->shared_position = 0;
    if (error == MPI_SUCCESS && !(file->amode & MPI_MODE_SEQUENTIAL))
        error = PMPI_File_get_position(real, &file->position);
    if (error == MPI_SUCCESS && file->uses_shared)
        error = PMPI_File_get_position_shared(real, &file->shared_position);
    return error;
}

enum crmpi_status crmpi_file_note(void)
{
    for (struct crmpi_handle *h = crmpi_handle_first(CRMPI_FILE); h; h = h->next) {
        struct crmpi_file *file = h->extra;

        if (is_open(h) && note(file, h->real) != MPI_SUCCESS) {
            crmpi_error("the MPI file %s does not tell its length or pointers",
                        file->name);
            return CRMPI_ERR_MPI;
        }
    }
    return CRMPI_OK;
}

struct visit {
    void (*call)(void *context, const char *path, int is_written);
    void *context;
};

static int visits(struct crmpi_handle *handle, void *context)
{
    const struct crmpi_file *file = handle->extra;
    const struct visit *visit = context;

    if (is_open(handle) && crmpi_comm_of(file->comm)->rank == 0)
        visit->call(visit->context, file->path + file->prefix, is_written(file));
    return 0;
}

void crmpi_cut_files(void (*call)(void *context, const char *path, int is_written),
                     void *context)
{
    struct visit visit = {call, context};

    crmpi_handle_find(CRMPI_FILE, visits, &visit);
}

struct refusal {
    char *why;
    size_t why_bytes;
};

/* This component of Open MPI keeps what is written at the shared pointer in files of its
 * own.  Unless the user asks for it, it is not used: see crmpi_host_environment(). */
static int is_kept_elsewhere(const struct crmpi_file *file)
{
    const char *components = getenv("OMPI_MCA_sharedfp");

    return file->uses_shared && is_written(file) && components && components[0] != '^' &&
           strstr(components, "individual");
}

/* One that is being closed may be gone already, and will be closed before the cut. */
static int refuses(struct crmpi_handle *handle, void *context)
{
    const struct crmpi_file *file = handle->extra;
    const struct refusal *refusal = context;

    if (!is_open(handle) || crmpi_comm_of(file->comm)->under_way ||
        crmpi_comm_of(file->comm)->rank != 0)
        return 0;
    if (is_kept_elsewhere(file)) {
        snprintf(
            refusal->why, refusal->why_bytes,
            "Open MPI's component sharedfp/individual keeps data of the open MPI file "
            "%s in other files: run with --mca sharedfp ^individual",
            file->name);
        return 1;
    }
    if (access(file->path + file->prefix, F_OK) == 0)
        return 0;
    snprintf(refusal->why, refusal->why_bytes,
             "the open MPI file %s cannot be opened again: %s", file->name,
             strerror(errno));
    return 1;
}

int crmpi_file_refusal(char *why, size_t why_bytes)
{
    struct refusal refusal = {why, why_bytes};

    return crmpi_handle_find(CRMPI_FILE, refuses, &refusal) != NULL;
}

/*
 * Sidecars: where the ranks are on several nodes Open MPI keeps a shared file pointer in
 * a file beside the file, FILE-JOB-PID.lock of its own I/O and .FILE.shfp.PID.RANDOM of
 * ROMIO.  JOB is the launcher's name of the job, PID the process of the file's rank 0.
 */

static void sidecars_remove(const char *directory, const char *base)
{
    const struct crmpi_objects *o = crmpi_objects_root;
    char lock[NAME_MAX + 64], shfp[NAME_MAX + 64];
    DIR *entries = opendir(directory);

    snprintf(lock, sizeof lock, "%s-%s-%d.lock", base, o->killed_job, o->killed_pid);
    snprintf(shfp, sizeof shfp, ".%s.shfp.%d.", base, o->killed_pid);
    for (struct dirent *entry; entries && (entry = readdir(entries));)
        if ((strcmp(entry->d_name, lock) == 0 ||
             strncmp(entry->d_name, shfp, strlen(shfp)) == 0) &&
            unlinkat(dirfd(entries), entry->d_name, 0) == 0)
            crmpi_info("%s/%s: removed, left by the process of the checkpoint", directory,
                       entry->d_name);
    if (entries)
        closedir(entries);
}

/* A process with the same number, as in containers, makes what it needs under the same
 * name, or has it in use for another open of the file. */
void crmpi_file_sidecar_remove(MPI_Comm comm, const char *name)
{
    const char *slash = strrchr(name, '/');
    char directory[PATH_MAX] = ".";

    if (crmpi_objects_root->killed_pid == 0 ||
        crmpi_objects_root->killed_pid == crmpi_objects_root->pid ||
        crmpi_comm_of(comm)->rank != 0)
        return;
    if (slash)
        snprintf(directory, sizeof directory, "%.*s",
                 (int)(slash > name ? slash - name : 1), name);
    sidecars_remove(directory, slash ? slash + 1 : name);
}

void crmpi_file_start(void)
{
    struct crmpi_objects *o = crmpi_objects_root;
    const char *job = getenv("PMIX_NAMESPACE");

    o->killed_pid = o->pid;
    memcpy(o->killed_job, o->job, sizeof o->job);
    o->pid = getpid();
    snprintf(o->job, sizeof o->job, "%s", job ? job : "");
}

/*
 * Restart
 */

static enum crmpi_status cannot(const struct crmpi_file *file, const char *what,
                                char *why, size_t why_bytes)
{
    snprintf(why, why_bytes, "the MPI file %s: %s", file->path + file->prefix, what);
    return CRMPI_ERR_MPI;
}

/* As an ordinary file: see restart/files.c.  One rank does so. */
static enum crmpi_status length_restore(const struct crmpi_file *file, char *why,
                                        size_t why_bytes)
{
    const char *path = file->path + file->prefix;
    struct stat about;

    if (stat(path, &about) != 0)
        return cannot(file, strerror(errno), why, why_bytes);
    if (!is_written(file))
        return CRMPI_OK;
    if (about.st_size < file->size)
        return cannot(file,
                      "it is shorter than it was at the checkpoint: put the file back as "
                      "it was then, or a later state of it",
                      why, why_bytes);
    if (crmpi_config.truncate && about.st_size > file->size &&
        truncate(path, file->size) != 0)
        return cannot(file, strerror(errno), why, why_bytes);
    return CRMPI_OK;
}

/* A rank's view of a file's length. */
struct seen {
    uint64_t path; /* a checksum of it */
    int64_t size;
};

/* All that all ranks saw, from malloc(); NULL: it failed. */
static struct seen *seen_gather(const struct seen *mine, int n, int *n_out)
{
    int n_ranks, bytes = n * (int)sizeof *mine, sum = 0, *counts, *places;
    struct seen *all = NULL;

    PMPI_Comm_size(crmpi_private_world, &n_ranks);
    counts = calloc(n_ranks, sizeof *counts);
    places = calloc(n_ranks, sizeof *places);
    if (counts && places &&
        PMPI_Allgather(&bytes, 1, MPI_INT, counts, 1, MPI_INT, crmpi_private_world) ==
            MPI_SUCCESS) {
        for (int i = 0; i < n_ranks; i++) {
            places[i] = sum;
            sum += counts[i];
        }
        all = malloc(sum + 1);
        if (all && PMPI_Allgatherv(mine, bytes, MPI_BYTE, all, counts, places, MPI_BYTE,
                                   crmpi_private_world) != MPI_SUCCESS) {
            free(all);
            all = NULL;
        }
    }
    *n_out = sum / (int)sizeof *all;
    free(counts);
    free(places);
    return all;
}

/* Ranks on different nodes may have seen different lengths of a file, which may also be
 * open in several ways; the largest is the true one. */
static int lengths_agree(struct crmpi_handle **list, size_t n)
{
    struct seen *mine = calloc(n + 1, sizeof *mine), *all = NULL;
    int n_all = 0;

    for (size_t i = 0; mine && i < n; i++) {
        const struct crmpi_file *file = list[i]->extra;
        const char *path = file->path + file->prefix;

        mine[i] = (struct seen){crmpi_checksum(path, strlen(path)), file->size};
    }
    if (mine)
        all = seen_gather(mine, (int)n, &n_all);
    for (size_t i = 0; all && i < n; i++)
        for (int k = 0; k < n_all; k++)
            if (all[k].path == mine[i].path &&
                all[k].size > ((struct crmpi_file *)list[i]->extra)->size)
                ((struct crmpi_file *)list[i]->extra)->size = all[k].size;
    int done = all != NULL;
    free(mine);
    free(all);
    return done;
}

/* Open it, with all its members. */
static int open_again(struct crmpi_handle *handle)
{
    struct crmpi_file *file = handle->extra;
    int amode = file->amode & ~(MPI_MODE_CREATE | MPI_MODE_EXCL | MPI_MODE_SEQUENTIAL);
    MPI_Info info = crmpi_info_make((void *)file->info);
    MPI_File real;
    int error = PMPI_File_open(CRMPI_REAL(MPI_Comm, file->comm), file->path, amode,
                               file->info ? info : MPI_INFO_NULL, &real);

    if (error == MPI_SUCCESS)
        handle->real = real;
    if (error == MPI_SUCCESS && file->datarep)
        error = PMPI_File_set_view(real, file->displacement,
                                   CRMPI_REAL(MPI_Datatype, file->etype),
                                   CRMPI_REAL(MPI_Datatype, file->filetype),
                                   file->datarep, file->info ? info : MPI_INFO_NULL);
    if (file->info)
        crmpi_info_drop(info);
    if (error == MPI_SUCCESS)
        error = PMPI_File_seek(real, file->position, MPI_SEEK_SET);
    if (error == MPI_SUCCESS && file->uses_shared)
        error = PMPI_File_seek_shared(real, file->shared_position, MPI_SEEK_SET);
    if (error == MPI_SUCCESS && file->atomicity)
        error = PMPI_File_set_atomicity(real, 1);
    if (error == MPI_SUCCESS)
        error = crmpi_file_apply_errhandler((void *)handle);
    return error;
}

static enum crmpi_status rebuild(struct crmpi_handle *handle, char *why, size_t why_bytes)
{
    struct crmpi_file *file = handle->extra;
    const struct crmpi_comm *comm = crmpi_comm_of(file->comm);
    enum crmpi_status status = CRMPI_OK;
    char text[MPI_MAX_ERROR_STRING] = "";
    /* all put the shared pointer back, also those that have not used it */
    MPI_Offset mine[2] = {file->shared_position, file->uses_shared}, all[2];
    int n, error = PMPI_Allreduce(mine, all, 2, MPI_OFFSET, MPI_MAX,
                                  CRMPI_REAL(MPI_Comm, file->comm));

    if (error == MPI_SUCCESS) {
        file->shared_position = all[0];
        file->uses_shared = (int32_t)all[1];
    }
    if (error == MPI_SUCCESS && comm->rank == 0)
        status = length_restore(file, why, why_bytes);
    if (status != CRMPI_OK)
        return status;
    crmpi_file_sidecar_remove(file->comm, file->path + file->prefix);
    if (error == MPI_SUCCESS)
        error = open_again(handle);
    if (error == MPI_SUCCESS)
        return CRMPI_OK;
    PMPI_Error_string(error, text, &n);
    return cannot(file, text, why, why_bytes);
}

static int by_comm(const void *a, const void *b)
{
    const struct crmpi_file *x = (*(struct crmpi_handle *const *)a)->extra;
    const struct crmpi_file *y = (*(struct crmpi_handle *const *)b)->extra;
    uint64_t x_id = crmpi_comm_of(x->comm)->id, y_id = crmpi_comm_of(y->comm)->id;

    return x_id < y_id ? -1 : x_id > y_id;
}

enum crmpi_status crmpi_files_rebuild(char *why, size_t why_bytes)
{
    enum crmpi_status status = CRMPI_OK;
    struct crmpi_handle **list, *h;
    size_t n = 0;

    crmpi_file_start();
    for (h = crmpi_handle_first(CRMPI_FILE); h; h = h->next)
        n++;
    list = malloc((n + 1) * sizeof *list);
    if (!list) {
        snprintf(why, why_bytes, "no memory");
        return CRMPI_ERR_NOMEM;
    }
    n = 0;
    for (h = crmpi_handle_first(CRMPI_FILE); h; h = h->next)
        if (is_open(h))
            list[n++] = h;
    qsort(list, n, sizeof *list, by_comm);
    if (!lengths_agree(list, n)) {
        snprintf(why, why_bytes, "the lengths of MPI files cannot be compared");
        status = CRMPI_ERR_MPI;
    }
    for (size_t i = 0; i < n && status == CRMPI_OK; i++)
        status = rebuild(list[i], why, why_bytes);
    free(list);
    crmpi_file_apply_errhandler(CRMPI_UPPER(MPI_File, ompi_mpi_file_null));
    return status;
}
