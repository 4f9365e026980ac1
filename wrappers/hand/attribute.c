/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Attributes of communicators, datatypes and windows, and their keyvals.  Runs in the
 * lower half, and knows nothing of the MPI library's own attributes but the predefined
 * ones: all is kept in the upper heap, so a restart has nothing to do.
 *
 * A keyval lives until it is freed and no attribute has it; only then is its slot used
 * again.
 */
#include <pthread.h>
#include <string.h>

#include "wrappers/hand/window.h"

#define FIRST_KEYVAL 64 /* above all predefined ones */

struct crmpi_keyval {
    int32_t kind; /* CRMPI_COMM, CRMPI_TYPE, CRMPI_WIN; 0: the slot is free */
    int32_t how;  /* enum crmpi_attribute_how of the functions: who made the keyval */
    int32_t refs; /* the application's keyval, and each attribute */
    void *copy, *delete;
    MPI_Aint extra_state;
};

/* Guards the table and the lists; never held in a callback. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* With the lock held. */
static struct crmpi_keyval *keyval_of(int kind, int number)
{
    struct crmpi_objects *o = crmpi_objects_root;
    int i = number - FIRST_KEYVAL;

    return i >= 0 && i < o->n_keyvals && o->keyvals[i].kind == kind ? &o->keyvals[i]
                                                                    : NULL;
}

/* Copy the keyval; tells whether there is one. */
static int keyval_get(int kind, int number, struct crmpi_keyval *keyval_out)
{
    pthread_mutex_lock(&lock);
    const struct crmpi_keyval *keyval = keyval_of(kind, number);
    if (keyval && keyval_out)
        *keyval_out = *keyval;
    pthread_mutex_unlock(&lock);
    return keyval != NULL;
}

static void keyval_release(int kind, int number)
{
    pthread_mutex_lock(&lock);
    struct crmpi_keyval *keyval = keyval_of(kind, number);
    if (--keyval->refs == 0)
        memset(keyval, 0, sizeof *keyval);
    pthread_mutex_unlock(&lock);
}

static int keyval_create(int kind, int how, void *copy, void *delete,
                         MPI_Aint extra_state, int *number, const char *name)
{
    struct crmpi_objects *o = crmpi_objects_root;
    struct crmpi_keyval keyval = {kind, how, 1, copy, delete, extra_state};
    int i = 0;

    if (!copy || !delete || !number)
        return crmpi_comm_error(NULL, MPI_ERR_ARG, name);
    pthread_mutex_lock(&lock);
    while (i < o->n_keyvals && o->keyvals[i].kind)
        i++;
    if (i == o->n_keyvals) {
        size_t bytes = o->n_keyvals * sizeof keyval;
        o->keyvals = crmpi_upper_grow(o->keyvals, bytes, 2 * bytes + 16 * sizeof keyval);
        o->n_keyvals = 2 * o->n_keyvals + 16;
    }
    o->keyvals[i] = keyval;
    pthread_mutex_unlock(&lock);
    *number = FIRST_KEYVAL + i;
    return MPI_SUCCESS;
}

static int keyval_free(int kind, int *number, const char *name)
{
    if (!number || !keyval_get(kind, *number, NULL))
        return crmpi_comm_error(NULL, number ? MPI_ERR_OTHER : MPI_ERR_ARG, name);
    keyval_release(kind, *number);
    *number = MPI_KEYVAL_INVALID;
    return MPI_SUCCESS;
}

/*
 * The lists.  Functions of the application run without the lock, with copies of what they
 * need: they may create and delete attributes and keyvals themselves.
 */

/* The value as a C program sees it. */
static void *value_in_c(struct crmpi_attribute *attribute)
{
    return attribute->how == CRMPI_ATTRIBUTE_C ? (void *)(intptr_t)attribute->value
                                               : &attribute->value;
}

/* As the functions of @p keyval see it. */
static void *value_for(const struct crmpi_keyval *keyval,
                       struct crmpi_attribute *attribute)
{
    return keyval->how == CRMPI_ATTRIBUTE_C ? value_in_c(attribute)
                                            : (void *)(intptr_t)attribute->value;
}

/* With the lock held: the place in the list. */
static struct crmpi_attribute **place(struct crmpi_attribute **list, int keyval)
{
    while (*list && (*list)->keyval != keyval)
        list = &(*list)->next;
    return list;
}

static struct crmpi_attribute *find(struct crmpi_attribute **list, int keyval)
{
    pthread_mutex_lock(&lock);
    struct crmpi_attribute *attribute = *place(list, keyval);
    pthread_mutex_unlock(&lock);
    return attribute;
}

static int delete_call(int kind, void *handle, struct crmpi_attribute *attribute)
{
    struct crmpi_keyval keyval;

    keyval_get(kind, attribute->keyval, &keyval);
    return (int)crmpi_upcall(keyval.delete, (uintptr_t)handle, attribute->keyval,
                             (uintptr_t)value_for(&keyval, attribute), keyval.extra_state,
                             0, 0);
}

/* Call the delete function; if it agrees take the attribute away (unless it has
 * itself). */
static int attribute_delete(int kind, void *handle, struct crmpi_attribute **list,
                            int keyval)
{
    struct crmpi_attribute *attribute = find(list, keyval);
    int error = delete_call(kind, handle, attribute);

    if (error != MPI_SUCCESS)
        return error;
    pthread_mutex_lock(&lock);
    struct crmpi_attribute **at = place(list, keyval);
    int is_there = *at == attribute;
    if (is_there)
        *at = attribute->next;
    pthread_mutex_unlock(&lock);
    if (is_there) {
        crmpi_heap_free(attribute);
        keyval_release(kind, keyval);
    }
    return MPI_SUCCESS;
}

int crmpi_settings_delete(int kind, void *handle, struct crmpi_attribute **list)
{
    int error = MPI_SUCCESS;

    while (*list && error == MPI_SUCCESS)
        error = attribute_delete(kind, handle, list, (*list)->keyval);
    return error;
}

void crmpi_settings_drop(int kind, struct crmpi_attribute **list)
{
    while (*list) {
        struct crmpi_attribute *attribute = *list;

        *list = attribute->next;
        keyval_release(kind, attribute->keyval);
        crmpi_heap_free(attribute);
    }
}

static int attribute_set(int kind, void *handle, struct crmpi_attribute **list,
                         int keyval, int how, int64_t value)
{
    struct crmpi_attribute *attribute = find(list, keyval);
    int error = attribute ? delete_call(kind, handle, attribute) : MPI_SUCCESS;

    if (error != MPI_SUCCESS)
        return error;
    pthread_mutex_lock(&lock);
    struct crmpi_attribute **at = place(list, keyval);
    attribute = *at;
    if (attribute) {
        *at = attribute->next;
    } else {
        attribute = crmpi_upper_alloc(sizeof *attribute);
        attribute->keyval = keyval;
        keyval_of(kind, keyval)->refs++;
    }
    attribute->next = *list; /* set again it is the newest */
    *list = attribute;
    attribute->how = how;
    attribute->value = value;
    pthread_mutex_unlock(&lock);
    return MPI_SUCCESS;
}

/* Ask the copy function, and give the new object the attribute if it wants so. */
static int attribute_copy(int kind, void *from, struct crmpi_attribute *attribute,
                          void *to, struct crmpi_attribute **to_list)
{
    struct crmpi_keyval keyval;
    int64_t value = 0;
    int flag = 0, how = attribute->how;

    keyval_get(kind, attribute->keyval, &keyval);
    int error = (int)crmpi_upcall(
        keyval.copy, (uintptr_t)from, attribute->keyval, keyval.extra_state,
        (uintptr_t)value_for(&keyval, attribute), (uintptr_t)&value, (uintptr_t)&flag);
    if (error != MPI_SUCCESS || !flag)
        return error;
    if (keyval.how == CRMPI_ATTRIBUTE_C && how != CRMPI_ATTRIBUTE_C &&
        value == (intptr_t)&attribute->value)
        value = attribute->value; /* duplicated as a C function sees a Fortran value */
    else
        how = keyval.how; /* the language of the function that made the copy */
    return attribute_set(kind, to, to_list, attribute->keyval, how, value);
}

int crmpi_settings_copy(int kind, void *from, struct crmpi_attribute *from_list,
                          void *to, struct crmpi_attribute **to_list)
{
    if (!from_list)
        return MPI_SUCCESS;
    int error = crmpi_settings_copy(kind, from, from_list->next, to, to_list);
    if (error != MPI_SUCCESS)
        return error;
    return attribute_copy(kind, from, from_list, to, to_list);
}

/*
 * What the calls have in common
 */

static struct crmpi_attribute **list_of(int kind, void *handle)
{
    struct crmpi_handle *h = handle;

    if (!h || h->magic != CRMPI_HANDLE_MAGIC || h->kind != kind || !h->extra)
        return NULL;
    switch (kind) {
    case CRMPI_COMM:
        return &((struct crmpi_comm *)h->extra)->attributes;
    case CRMPI_TYPE:
        return &((struct crmpi_type *)h->extra)->attributes;
    default:
        return &((struct crmpi_win *)h->extra)->attributes;
    }
}

static int report(int kind, void *handle, int error, const char *name)
{
    if (error == MPI_SUCCESS)
        return error;
    if (kind == CRMPI_WIN)
        return crmpi_win_error(handle, error, name);
    return crmpi_comm_error(kind == CRMPI_COMM ? handle : NULL, error, name);
}

static int bad_handle(int kind, const char *name)
{
    return crmpi_comm_error(NULL,
                            kind == CRMPI_COMM   ? MPI_ERR_COMM
                            : kind == CRMPI_TYPE ? MPI_ERR_TYPE
                                                 : MPI_ERR_WIN,
                            name);
}

/* What Open MPI makes of the error of a function that deletes. */
static int deleted(int error)
{
    return error == MPI_SUCCESS ? error : MPI_ERR_OTHER;
}

static int set(int kind, void *handle, int keyval, int how, int64_t value,
               const char *name)
{
    struct crmpi_attribute **list = list_of(kind, handle);

    if (!list)
        return bad_handle(kind, name);
    if (!keyval_get(kind, keyval, NULL))
        return report(kind, handle, MPI_ERR_OTHER, name);
    return report(kind, handle,
                  deleted(attribute_set(kind, handle, list, keyval, how, value)), name);
}

static int delete (int kind, void *handle, int keyval, const char *name)
{
    struct crmpi_attribute **list = list_of(kind, handle);

    if (!list)
        return bad_handle(kind, name);
    if (!keyval_get(kind, keyval, NULL) || !find(list, keyval))
        return report(kind, handle, MPI_ERR_OTHER, name);
    return report(kind, handle, deleted(attribute_delete(kind, handle, list, keyval)),
                  name);
}

static int win_predefined_get(struct crmpi_win *w, int keyval, void **value, int *flag)
{
    *flag = 1;
    switch (keyval) {
    case MPI_WIN_BASE:
        *value = w->base;
        return MPI_SUCCESS;
    case MPI_WIN_SIZE:
        *value = &w->size;
        return MPI_SUCCESS;
    case MPI_WIN_DISP_UNIT:
        *value = &w->disp_unit;
        return MPI_SUCCESS;
    case MPI_WIN_CREATE_FLAVOR:
        *value = &w->flavor;
        return MPI_SUCCESS;
    case MPI_WIN_MODEL:
        *value = &w->model;
        return MPI_SUCCESS;
    default:
        *flag = 0;
        return MPI_ERR_OTHER;
    }
}

/* What is said of the job and of its programs (MPI_APPNUM, MPI_UNIVERSE_SIZE) stays as it was
 * when it was launched: a restart may be launched otherwise. */
void crmpi_attributes_start(void)
{
    struct crmpi_objects *o = crmpi_objects_root;

    for (int keyval = 0; keyval < CRMPI_COMM_ATTRIBUTES; keyval++) {
        int *value, flag = 0;

        if (PMPI_Comm_get_attr(MPI_COMM_WORLD, keyval, &value, &flag) != MPI_SUCCESS ||
            !flag)
            continue;
        o->predefined_attributes[keyval] = *value;
        o->has_predefined[keyval] = 1;
    }
}

/* A predefined attribute's value in the upper half: the application keeps its address. */
static int predefined_get(int kind, void *handle, int keyval, void **value, int *flag)
{
    struct crmpi_comm *c = kind == CRMPI_COMM ? crmpi_comm_of(handle) : NULL;
    struct crmpi_objects *o = crmpi_objects_root;

    if (kind == CRMPI_WIN)
        return win_predefined_get(CRMPI_EXTRA(win, handle), keyval, value, flag);
    if (!c || keyval < 0 || keyval >= CRMPI_COMM_ATTRIBUTES)
        return MPI_ERR_OTHER;
    *flag = 0;
    if (handle != CRMPI_UPPER(void *, ompi_mpi_comm_world) &&
        (!c->inherits || keyval == MPI_LASTUSEDCODE))
        return MPI_SUCCESS;
    if (keyval == MPI_LASTUSEDCODE) { /* the program's own codes are among them */
        int *now, error = PMPI_Comm_get_attr(MPI_COMM_WORLD, keyval, &now, flag);
        if (error != MPI_SUCCESS || !*flag)
            return error;
        o->predefined_attributes[keyval] = *now;
    }
    *flag = o->has_predefined[keyval];
    if (*flag)
        *value = &o->predefined_attributes[keyval];
    return MPI_SUCCESS;
}

static int get(int kind, void *handle, int keyval, void *value_out, int *flag,
               const char *name)
{
    struct crmpi_attribute **list = list_of(kind, handle);

    if (!list)
        return bad_handle(kind, name);
    if (!value_out || !flag)
        return report(kind, handle, MPI_ERR_ARG, name);
    if (keyval == MPI_KEYVAL_INVALID)
        return report(kind, handle, MPI_ERR_KEYVAL, name);
    *flag = 0;
    if (keyval >= 0 && keyval < FIRST_KEYVAL)
        return report(kind, handle, predefined_get(kind, handle, keyval, value_out, flag),
                      name);
    if (!keyval_get(kind, keyval, NULL))
        return report(kind, handle, MPI_ERR_OTHER, name);
    struct crmpi_attribute *attribute = find(list, keyval);
    *flag = attribute != NULL;
    if (attribute)
        *(void **)value_out = value_in_c(attribute);
    return MPI_SUCCESS;
}

/* A predefined attribute as a value: an address, a size, or an int. */
static MPI_Aint predefined_value(int keyval, void *value)
{
    if (keyval == MPI_WIN_BASE)
        return (MPI_Aint)value;
    return keyval == MPI_WIN_SIZE ? *(MPI_Aint *)value : *(int *)value;
}

int crmpi_lower_CRMPI_Attr_set_fortran(int kind, int how, void *handle, int keyval,
                                       MPI_Aint value)
{
    return set(kind, handle, keyval, how, value, "MPI_Comm_set_attr");
}

int crmpi_lower_CRMPI_Attr_get_fortran(int kind, void *handle, int keyval,
                                       MPI_Aint *value, int *flag)
{
    void *in_c = NULL;
    int error = get(kind, handle, keyval, &in_c, flag, "MPI_Comm_get_attr");

    if (error != MPI_SUCCESS || !*flag)
        return error;
    if (keyval < FIRST_KEYVAL)
        *value = predefined_value(keyval, in_c);
    else
        *value = find(list_of(kind, handle), keyval)->value;
    return MPI_SUCCESS;
}

int crmpi_lower_CRMPI_Keyval_create_fortran(int kind, int how, void *copy_fn,
                                            void *delete_fn, int *keyval,
                                            MPI_Aint extra_state)
{
    return keyval_create(kind, how, copy_fn, delete_fn, extra_state, keyval,
                         "MPI_Comm_create_keyval");
}

/*
 * The MPI functions.  Handle and keyval kinds differ, nothing else.
 */

#define ATTRIBUTE_CALLS(Name, kind, handle_type, copy_type, delete_type)                 \
    int crmpi_lower_MPI_##Name##_create_keyval(copy_type *copy, delete_type *delete_,    \
                                               int *keyval, void *extra_state)           \
    {                                                                                    \
        return keyval_create(kind, CRMPI_ATTRIBUTE_C, (void *)copy, (void *)delete_,     \
                             (MPI_Aint)extra_state, keyval,                              \
                             "MPI_" #Name "_create_keyval");                             \
    }                                                                                    \
    int crmpi_lower_MPI_##Name##_free_keyval(int *keyval)                                \
    {                                                                                    \
        return keyval_free(kind, keyval, "MPI_" #Name "_free_keyval");                   \
    }                                                                                    \
    int crmpi_lower_MPI_##Name##_set_attr(handle_type handle, int keyval, void *value)   \
    {                                                                                    \
        return set(kind, handle, keyval, CRMPI_ATTRIBUTE_C, (intptr_t)value,             \
                   "MPI_" #Name "_set_attr");                                            \
    }                                                                                    \
    int crmpi_lower_MPI_##Name##_get_attr(handle_type handle, int keyval, void *value,   \
                                          int *flag)                                     \
    {                                                                                    \
        return get(kind, handle, keyval, value, flag, "MPI_" #Name "_get_attr");         \
    }                                                                                    \
    int crmpi_lower_MPI_##Name##_delete_attr(handle_type handle, int keyval)             \
    {                                                                                    \
        return delete (kind, handle, keyval, "MPI_" #Name "_delete_attr");               \
    }

ATTRIBUTE_CALLS(Comm, CRMPI_COMM, MPI_Comm, MPI_Comm_copy_attr_function,
                MPI_Comm_delete_attr_function)
ATTRIBUTE_CALLS(Type, CRMPI_TYPE, MPI_Datatype, MPI_Type_copy_attr_function,
                MPI_Type_delete_attr_function)
ATTRIBUTE_CALLS(Win, CRMPI_WIN, MPI_Win, MPI_Win_copy_attr_function,
                MPI_Win_delete_attr_function)

int crmpi_lower_MPI_Keyval_create(MPI_Copy_function *copy_fn,
                                  MPI_Delete_function *delete_fn, int *keyval,
                                  void *extra_state)
{
    return crmpi_lower_MPI_Comm_create_keyval(copy_fn, delete_fn, keyval, extra_state);
}

int crmpi_lower_MPI_Keyval_free(int *keyval)
{
    return crmpi_lower_MPI_Comm_free_keyval(keyval);
}

int crmpi_lower_MPI_Attr_put(MPI_Comm comm, int keyval, void *attribute_val)
{
    return crmpi_lower_MPI_Comm_set_attr(comm, keyval, attribute_val);
}

int crmpi_lower_MPI_Attr_get(MPI_Comm comm, int keyval, void *attribute_val, int *flag)
{
    return crmpi_lower_MPI_Comm_get_attr(comm, keyval, attribute_val, flag);
}

int crmpi_lower_MPI_Attr_delete(MPI_Comm comm, int keyval)
{
    return crmpi_lower_MPI_Comm_delete_attr(comm, keyval);
}
