/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Error handlers, error classes and codes.  Runs in the lower half.
 *
 * MPI_ERRORS_ARE_FATAL is also the lower object's handler, so that the MPI library ends
 * the job with its own message.  With any other handler the lower object returns its
 * errors, and the wrappers report them here, where the application's function is called.
 * While crmpi makes calls on its own behalf, at a cut and at a restart, all lower objects do.
 */
#include <stdio.h>
#include <string.h>

#include "wrappers/hand/window.h"

static struct crmpi_errhandler *user_handler(const struct crmpi_handle *handler)
{
    return handler && !(handler->flags & CRMPI_HANDLE_PREDEFINED) ? handler->extra : NULL;
}

/* The lower handler that does its part for @p handler. */
static MPI_Errhandler lower_handler(const void *handler)
{
#if OMPI_MAJOR_VERSION >= 5
    if (handler == CRMPI_UPPER(void *, ompi_mpi_errors_abort))
        return MPI_ERRORS_ABORT;
#endif
    return handler == CRMPI_UPPER(void *, ompi_mpi_errors_are_fatal) ? MPI_ERRORS_ARE_FATAL
                                                                     : MPI_ERRORS_RETURN;
}

static int is_fatal(const void *handler)
{
    return lower_handler(handler) != MPI_ERRORS_RETURN;
}

static int returns_all; /* crmpi's own calls are being made */

/* What the lower object has now. */
static MPI_Errhandler handler_now(const void *handler)
{
    return returns_all ? MPI_ERRORS_RETURN : lower_handler(handler);
}

/* Errors of calls without an object that has a handler are told to this communicator:
 * MPI_COMM_WORLD in MPI-3, and in MPI-4 MPI_COMM_SELF, if Open MPI 5.0 is told to be so new. */
extern _Bool ompi_mpi_compat_mpi3 __attribute__((weak));

static int tells_self(void)
{
    return &ompi_mpi_compat_mpi3 && !ompi_mpi_compat_mpi3;
}

static MPI_Comm listener(void)
{
    return tells_self() ? CRMPI_UPPER(MPI_Comm, ompi_mpi_comm_self)
                        : CRMPI_UPPER(MPI_Comm, ompi_mpi_comm_world);
}

/*
 * The MPI library tells the listener some errors of a call with another object, too, and
 * some calls tell two.  With a handler of the application's on that communicator the lower
 * one has a handler that notes what it is told, in this thread's call.
 */
static __thread struct {
    int n, codes[4];
} told_listener;

static void listener_told(MPI_Comm *comm, int *code, ...)
{
    if (*comm == CRMPI_REAL(MPI_Comm, listener()) && told_listener.n < 4)
        told_listener.codes[told_listener.n++] = *code;
}

static MPI_Errhandler listener_handler(void)
{
    static MPI_Errhandler handler = MPI_ERRHANDLER_NULL;

    if (handler == MPI_ERRHANDLER_NULL &&
        PMPI_Comm_create_errhandler(listener_told, &handler) != MPI_SUCCESS)
        handler = MPI_ERRORS_RETURN;
    return handler;
}

/* Have the application's handler called for @p object, which is of the handler's kind, when
 * the call has come back above.  What it leaves in its arguments makes no difference. */
static int handler_call(struct crmpi_handle *handler, void *object, int error)
{
    struct crmpi_errhandler *user = user_handler(handler), thrower = {0};
    struct crmpi_after *after;

    if (handler && handler == CRMPI_UPPER(void *, ompi_mpi_errors_throw_exceptions))
        user = &thrower;
    if (!user || crmpi_thread->n_after == CRMPI_AFTER_MAX)
        return error;
    if (((const struct crmpi_handle *)object)->flags & CRMPI_HANDLE_FREED) {
        crmpi_handle_release(crmpi_thread->after_held);
        crmpi_handle_hold(object); /* only the request that failed kept it, perhaps */
        crmpi_thread->after_held = object;
    }
    after = &crmpi_thread->after[crmpi_thread->n_after++];
    *after = (struct crmpi_after){user->function, object, error, user->is_fortran};
    if (user->is_fortran)
        after->object = (void *)(intptr_t)crmpi_handle_c2f(object);
    return error;
}

/*
 * End the job for an error that crmpi has found, with the MPI library's words and the name of
 * the application's call.  Weak: without these the name is that of the call made here.
 */
extern void ompi_mpi_errors_are_fatal_comm_handler(MPI_Comm *comm, int *code, ...)
    __attribute__((weak));
extern void ompi_mpi_errors_are_fatal_win_handler(MPI_Win *win, int *code, ...)
    __attribute__((weak));

static void comm_fatal(MPI_Comm real, MPI_Errhandler handler, int error,
                       const char *function)
{
    if (real && handler == MPI_ERRORS_ARE_FATAL && ompi_mpi_errors_are_fatal_comm_handler)
        ompi_mpi_errors_are_fatal_comm_handler(&real, &error, function);
    PMPI_Comm_call_errhandler(real ? real : MPI_COMM_WORLD, error);
}

static void win_fatal(MPI_Win real, MPI_Errhandler handler, int error,
                      const char *function)
{
    if (handler == MPI_ERRORS_ARE_FATAL && ompi_mpi_errors_are_fatal_win_handler)
        ompi_mpi_errors_are_fatal_win_handler(&real, &error, function);
    PMPI_Win_call_errhandler(real, error);
}

static int comm_tell(MPI_Comm comm, int error, const char *function)
{
    struct crmpi_comm *c = crmpi_comm_of(comm);

    if (!c)
        return error; /* before MPI_Init: the MPI library has spoken */
    if (is_fatal(c->errhandler))
        comm_fatal(CRMPI_REAL(MPI_Comm, comm), lower_handler(c->errhandler), error, function);
    return handler_call(c->errhandler, comm, error);
}

/* Tell the listener what the library has told it; returns 1 if @p error, which the
 * handler may change, is among that. */
static int listener_tell(int *error, const char *function)
{
    int n = told_listener.n, codes[4], is_told = 0;

    if (__builtin_expect(n == 0, 1))
        return 0;
    memcpy(codes, told_listener.codes, sizeof codes);
    told_listener.n = 0; /* a handler may call MPI */
    for (int i = 0; i < n; i++) {
        int is_it = codes[i] == *error, told = comm_tell(listener(), codes[i], function);

        if (is_it)
            *error = told;
        is_told |= is_it;
    }
    return is_told;
}

int crmpi_comm_error(MPI_Comm comm, int error, const char *function)
{
    if (listener_tell(&error, function))
        return error;
    if (!crmpi_comm_of(comm))
        comm = listener();
    return comm_tell(comm, error, function);
}

int crmpi_win_error(MPI_Win win, int error, const char *function)
{
    struct crmpi_win *w = CRMPI_EXTRA(win, win);

    if (!w)
        return crmpi_comm_error(NULL, error, function);
    if (listener_tell(&error, function))
        return error;
    if (is_fatal(w->errhandler) && CRMPI_REAL(MPI_Win, win))
        win_fatal(CRMPI_REAL(MPI_Win, win), lower_handler(w->errhandler), error, function);
    return handler_call(w->errhandler, win, error);
}

/* Errors on MPI_FILE_NULL, as of MPI_File_open, go to its own handler. */
static struct crmpi_handle **file_handler(MPI_File file)
{
    struct crmpi_file *f = CRMPI_EXTRA(file, file);

    return f ? &f->errhandler : &crmpi_objects_root->file_null_errhandler;
}

int crmpi_file_error(MPI_File file, int error, const char *function)
{
    if (listener_tell(&error, function))
        return error;
    if (is_fatal(*file_handler(file)) && CRMPI_EXTRA(file, file) &&
        CRMPI_REAL(MPI_File, file)) /* what the library has found it has said */
        PMPI_File_call_errhandler(CRMPI_REAL(MPI_File, file), error);
    return handler_call(*file_handler(file), file, error);
}

void crmpi_comm_apply_errhandler(struct crmpi_handle *comm)
{
    struct crmpi_comm *c = comm->extra;

    MPI_Errhandler handler = handler_now(c->errhandler);

    if (comm == (void *)listener() && handler == MPI_ERRORS_RETURN && !returns_all)
        handler = listener_handler();
    PMPI_Comm_set_errhandler(comm->real, handler);
}

void crmpi_win_apply_errhandler(struct crmpi_handle *handle)
{
    struct crmpi_win *w = handle->extra;

    PMPI_Win_set_errhandler(handle->real, handler_now(w->errhandler));
}

int crmpi_file_apply_errhandler(MPI_File file)
{
    return PMPI_File_set_errhandler(CRMPI_REAL(MPI_File, file),
                                    handler_now(*file_handler(file)));
}

static void handler_apply(struct crmpi_handle *handle, void *kind)
{
    if (handle->flags & CRMPI_HANDLE_FREED || !handle->real)
        return;
    switch (*(enum crmpi_kind *)kind) {
    case CRMPI_COMM:
        if (is_fatal(((struct crmpi_comm *)handle->extra)->errhandler))
            crmpi_comm_apply_errhandler(handle);
        break;
    case CRMPI_WIN:
        if (is_fatal(((struct crmpi_win *)handle->extra)->errhandler))
            crmpi_win_apply_errhandler(handle);
        break;
    default:
        if (is_fatal(((struct crmpi_file *)handle->extra)->errhandler))
            crmpi_file_apply_errhandler((void *)handle);
    }
}

void crmpi_errors_return(int all)
{
    enum crmpi_kind kinds[] = {CRMPI_COMM, CRMPI_WIN, CRMPI_FILE};

    if (all == returns_all)
        return;
    returns_all = all;
    crmpi_comm_apply_errhandler(CRMPI_UPPER(void *, ompi_mpi_comm_world));
    crmpi_comm_apply_errhandler(CRMPI_UPPER(void *, ompi_mpi_comm_self));
    crmpi_file_apply_errhandler(CRMPI_UPPER(MPI_File, ompi_mpi_file_null));
    for (int i = 0; i < 3; i++)
        crmpi_handle_visit(kinds[i], handler_apply, &kinds[i]);
}

void crmpi_errors_restart(void)
{
    returns_all = 1;
    crmpi_comm_apply_errhandler(CRMPI_UPPER(void *, ompi_mpi_comm_world));
    crmpi_comm_apply_errhandler(CRMPI_UPPER(void *, ompi_mpi_comm_self));
}

/*
 * Handlers
 */

static int handler_create(int kind, void *function, int is_fortran, MPI_Errhandler *out,
                          const char *name)
{
    if (!function || !out)
        return crmpi_comm_error(NULL, MPI_ERR_ARG, name);
    struct crmpi_handle *handle = crmpi_handle_create(CRMPI_ERRHANDLER, MPI_ERRORS_RETURN,
                                                      sizeof(struct crmpi_errhandler));
    struct crmpi_errhandler *handler = handle->extra;
    handler->function = function;
    handler->kind = kind;
    handler->is_fortran = is_fortran;
    *out = (void *)handle;
    return MPI_SUCCESS;
}

int crmpi_lower_MPI_Comm_create_errhandler(MPI_Comm_errhandler_function *function,
                                           MPI_Errhandler *errhandler)
{
    return handler_create(CRMPI_COMM, (void *)function, 0, errhandler,
                          "MPI_Comm_create_errhandler");
}

int crmpi_lower_MPI_Errhandler_create(MPI_Handler_function *function,
                                      MPI_Errhandler *errhandler)
{
    return handler_create(CRMPI_COMM, (void *)function, 0, errhandler,
                          "MPI_Errhandler_create");
}

int crmpi_lower_MPI_Win_create_errhandler(MPI_Win_errhandler_function *function,
                                          MPI_Errhandler *errhandler)
{
    return handler_create(CRMPI_WIN, (void *)function, 0, errhandler,
                          "MPI_Win_create_errhandler");
}

int crmpi_lower_MPI_File_create_errhandler(MPI_File_errhandler_function *function,
                                           MPI_Errhandler *errhandler)
{
    return handler_create(CRMPI_FILE, (void *)function, 0, errhandler,
                          "MPI_File_create_errhandler");
}

int crmpi_lower_CRMPI_Errhandler_create_fortran(int kind, void *function,
                                                MPI_Errhandler *errhandler)
{
    return handler_create(kind, function, 1, errhandler, "MPI_Comm_create_errhandler");
}

int crmpi_lower_MPI_Errhandler_free(MPI_Errhandler *errhandler)
{
    if (!errhandler || !crmpi_handle_real(*errhandler) ||
        *errhandler == CRMPI_UPPER(MPI_Errhandler, ompi_mpi_errhandler_null))
        return crmpi_comm_error(NULL, MPI_ERR_ARG, "MPI_Errhandler_free");
    crmpi_handle_release((void *)*errhandler);
    *errhandler = CRMPI_UPPER(MPI_Errhandler, ompi_mpi_errhandler_null);
    return MPI_SUCCESS;
}

/* Whether @p handler may be set on an object of @p kind. */
static int handler_fits(MPI_Errhandler handler, int kind)
{
    struct crmpi_errhandler *user = user_handler((void *)handler);

    return crmpi_handle_real(handler) &&
           handler != CRMPI_UPPER(MPI_Errhandler, ompi_mpi_errhandler_null) &&
           (!user || user->kind == kind);
}

static void handler_replace(struct crmpi_handle **slot, MPI_Errhandler handler)
{
    struct crmpi_handle *old = *slot;

    crmpi_handle_hold((void *)handler);
    *slot = (void *)handler;
    crmpi_handle_release(old);
}

static MPI_Errhandler handler_get(struct crmpi_handle *handler)
{
    crmpi_handle_hold(handler);
    return (void *)handler;
}

static int comm_set_errhandler(MPI_Comm comm, MPI_Errhandler handler, const char *name)
{
    struct crmpi_comm *c = crmpi_comm_of(comm);

    if (!c)
        return crmpi_comm_error(NULL, MPI_ERR_COMM, name);
    if (!handler_fits(handler, CRMPI_COMM))
        return crmpi_comm_error(comm, MPI_ERR_ARG, name);
    handler_replace(&c->errhandler, handler);
    crmpi_comm_apply_errhandler((void *)comm);
    return MPI_SUCCESS;
}

int crmpi_lower_MPI_Comm_set_errhandler(MPI_Comm comm, MPI_Errhandler errhandler)
{
    return comm_set_errhandler(comm, errhandler, "MPI_Comm_set_errhandler");
}

int crmpi_lower_MPI_Errhandler_set(MPI_Comm comm, MPI_Errhandler errhandler)
{
    return comm_set_errhandler(comm, errhandler, "MPI_Errhandler_set");
}

static int comm_get_errhandler(MPI_Comm comm, MPI_Errhandler *handler, const char *name)
{
    struct crmpi_comm *c = crmpi_comm_of(comm);

    if (!c)
        return crmpi_comm_error(NULL, MPI_ERR_COMM, name);
    if (!handler)
        return crmpi_comm_error(NULL, MPI_ERR_ARG, name);
    *handler = handler_get(c->errhandler);
    return MPI_SUCCESS;
}

int crmpi_lower_MPI_Comm_get_errhandler(MPI_Comm comm, MPI_Errhandler *erhandler)
{
    return comm_get_errhandler(comm, erhandler, "MPI_Comm_get_errhandler");
}

int crmpi_lower_MPI_Errhandler_get(MPI_Comm comm, MPI_Errhandler *errhandler)
{
    return comm_get_errhandler(comm, errhandler, "MPI_Errhandler_get");
}

int crmpi_lower_MPI_Win_set_errhandler(MPI_Win win, MPI_Errhandler errhandler)
{
    struct crmpi_win *w = CRMPI_EXTRA(win, win);

    if (!w)
        return crmpi_comm_error(NULL, MPI_ERR_WIN, "MPI_Win_set_errhandler");
    if (!handler_fits(errhandler, CRMPI_WIN))
        return crmpi_win_error(win, MPI_ERR_ARG, "MPI_Win_set_errhandler");
    handler_replace(&w->errhandler, errhandler);
    return PMPI_Win_set_errhandler(CRMPI_REAL(MPI_Win, win),
                                   lower_handler(w->errhandler));
}

int crmpi_lower_MPI_Win_get_errhandler(MPI_Win win, MPI_Errhandler *errhandler)
{
    struct crmpi_win *w = CRMPI_EXTRA(win, win);

    if (!w)
        return crmpi_comm_error(NULL, MPI_ERR_WIN, "MPI_Win_get_errhandler");
    if (!errhandler)
        return crmpi_win_error(win, MPI_ERR_ARG, "MPI_Win_get_errhandler");
    *errhandler = handler_get(w->errhandler);
    return MPI_SUCCESS;
}

int crmpi_lower_MPI_File_set_errhandler(MPI_File file, MPI_Errhandler errhandler)
{
    if (!crmpi_handle_real(file))
        return crmpi_file_error(CRMPI_UPPER(MPI_File, ompi_mpi_file_null), MPI_ERR_FILE,
                                "MPI_File_set_errhandler");
    if (!handler_fits(errhandler, CRMPI_FILE))
        return crmpi_file_error(file, MPI_ERR_ARG, "MPI_File_set_errhandler");
    handler_replace(file_handler(file), errhandler);
    return crmpi_file_apply_errhandler(file);
}

int crmpi_lower_MPI_File_get_errhandler(MPI_File file, MPI_Errhandler *errhandler)
{
    if (!crmpi_handle_real(file) || !errhandler)
        return crmpi_comm_error(NULL, errhandler ? MPI_ERR_FILE : MPI_ERR_ARG,
                                "MPI_File_get_errhandler");
    *errhandler = handler_get(*file_handler(file));
    return MPI_SUCCESS;
}

int crmpi_lower_MPI_Comm_call_errhandler(MPI_Comm comm, int errorcode)
{
    if (!crmpi_comm_of(comm))
        return crmpi_comm_error(NULL, MPI_ERR_COMM, "MPI_Comm_call_errhandler");
    crmpi_comm_error(comm, errorcode, "MPI_Comm_call_errhandler");
    return MPI_SUCCESS;
}

int crmpi_lower_MPI_Win_call_errhandler(MPI_Win win, int errorcode)
{
    struct crmpi_win *w = CRMPI_EXTRA(win, win);

    if (!w)
        return crmpi_comm_error(NULL, MPI_ERR_WIN, "MPI_Win_call_errhandler");
    PMPI_Win_call_errhandler(CRMPI_REAL(MPI_Win, win), errorcode);
    crmpi_win_error(win, errorcode, "MPI_Win_call_errhandler");
    return MPI_SUCCESS;
}

int crmpi_lower_MPI_File_call_errhandler(MPI_File file, int errorcode)
{
    if (!CRMPI_EXTRA(file, file))
        return crmpi_comm_error(NULL, MPI_ERR_ARG, "MPI_File_call_errhandler");
    PMPI_File_call_errhandler(CRMPI_REAL(MPI_File, file), errorcode);
    crmpi_file_error(file, errorcode, "MPI_File_call_errhandler");
    return MPI_SUCCESS;
}

/*
 * Sessions
 */

#if OMPI_MAJOR_VERSION >= 5
static struct crmpi_session *session_of(MPI_Session session)
{
    return CRMPI_EXTRA(session, session);
}

int crmpi_session_error(MPI_Session session, int error, const char *function)
{
    struct crmpi_session *s = session_of(session);

    if (!s)
        return crmpi_comm_error(NULL, error, function);
    if (listener_tell(&error, function))
        return error;
    if (lower_handler(s->errhandler) == MPI_ERRORS_ABORT)
        PMPI_Abort(MPI_COMM_SELF, error); /* whose handler may be another */
    if (is_fatal(s->errhandler))
        comm_fatal(MPI_COMM_SELF, MPI_ERRORS_ARE_FATAL, error, function);
    return handler_call(s->errhandler, session, error);
}

int crmpi_lower_MPI_Session_create_errhandler(MPI_Session_errhandler_function *function,
                                              MPI_Errhandler *errhandler)
{
    return handler_create(CRMPI_SESSION, (void *)function, 0, errhandler,
                          "MPI_Session_create_errhandler");
}

int crmpi_session_set_errhandler(MPI_Session session, MPI_Errhandler errhandler)
{
    if (!handler_fits(errhandler, CRMPI_SESSION))
        return MPI_ERR_ARG;
    handler_replace(&session_of(session)->errhandler, errhandler);
    return MPI_SUCCESS;
}

int crmpi_lower_MPI_Session_set_errhandler(MPI_Session session, MPI_Errhandler errhandler)
{
    int error = session_of(session) ? crmpi_session_set_errhandler(session, errhandler)
                                    : MPI_ERR_SESSION;

    return error == MPI_SUCCESS
               ? error
               : crmpi_session_error(session, error, "MPI_Session_set_errhandler");
}

int crmpi_lower_MPI_Session_get_errhandler(MPI_Session session, MPI_Errhandler *erhandler)
{
    if (!session_of(session) || !erhandler)
        return crmpi_session_error(session, erhandler ? MPI_ERR_SESSION : MPI_ERR_ARG,
                                   "MPI_Session_get_errhandler");
    *erhandler = handler_get(session_of(session)->errhandler);
    return MPI_SUCCESS;
}

int crmpi_lower_MPI_Session_call_errhandler(MPI_Session session, int errorcode)
{
    if (!session_of(session))
        return crmpi_comm_error(NULL, MPI_ERR_SESSION, "MPI_Session_call_errhandler");
    crmpi_session_error(session, errorcode, "MPI_Session_call_errhandler");
    return MPI_SUCCESS;
}
#endif

/*
 * Classes and codes
 */

static void code_note(int number, int of_class)
{
    struct crmpi_objects *o = crmpi_objects_root;
    size_t bytes = o->n_error_codes * sizeof *o->error_codes;

    o->error_codes =
        crmpi_upper_grow(o->error_codes, bytes, bytes + sizeof *o->error_codes);
    o->error_codes[o->n_error_codes++] =
        (struct crmpi_error_code){number, of_class, NULL};
}

int crmpi_lower_MPI_Add_error_class(int *errorclass)
{
    int error = PMPI_Add_error_class(errorclass);

    if (error != MPI_SUCCESS)
        return crmpi_comm_error(NULL, error, "MPI_Add_error_class");
    code_note(*errorclass, -1);
    return MPI_SUCCESS;
}

int crmpi_lower_MPI_Add_error_code(int errorclass, int *errorcode)
{
    int error = PMPI_Add_error_code(errorclass, errorcode);

    if (error != MPI_SUCCESS)
        return crmpi_comm_error(NULL, error, "MPI_Add_error_code");
    code_note(*errorcode, errorclass);
    return MPI_SUCCESS;
}

int crmpi_lower_MPI_Add_error_string(int errorcode, const char *string)
{
    struct crmpi_objects *o = crmpi_objects_root;
    int error = PMPI_Add_error_string(errorcode, string);

    if (error != MPI_SUCCESS)
        return crmpi_comm_error(NULL, error, "MPI_Add_error_string");
    for (int i = 0; i < o->n_error_codes; i++)
        if (o->error_codes[i].number == errorcode) {
            crmpi_heap_free(o->error_codes[i].text);
            o->error_codes[i].text = crmpi_upper_dup(string, strlen(string) + 1);
        }
    return MPI_SUCCESS;
}

enum crmpi_status crmpi_errors_rebuild(char *why, size_t why_bytes)
{
    struct crmpi_objects *o = crmpi_objects_root;

    for (int i = 0; i < o->n_error_codes; i++) {
        const struct crmpi_error_code *code = &o->error_codes[i];
        int number, error;

        if (code->of_class < 0)
            error = PMPI_Add_error_class(&number);
        else
            error = PMPI_Add_error_code(code->of_class, &number);
        if (error == MPI_SUCCESS && code->text)
            error = PMPI_Add_error_string(number, code->text);
        if (error != MPI_SUCCESS || number != code->number) {
            snprintf(why, why_bytes, "this MPI library numbers error codes differently");
            return CRMPI_ERR_MPI;
        }
    }
    return CRMPI_OK;
}
