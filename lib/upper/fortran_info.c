/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fortran's questions about info objects (upper half).  Since 5.0 Open MPI's own look into the
 * objects.
 */
#include <stdlib.h>
#include <string.h>

#include "upper/fortran.h"

#if OMPI_MAJOR_VERSION >= 5

/* Without the blanks around it, from malloc(). */
static char *string_of(const char *text, int length)
{
    while (length > 0 && *text == ' ')
        text++, length--;
    while (length > 0 && text[length - 1] == ' ')
        length--;
    return strndup(text, (size_t)length);
}

/* As much as there is room for, with blanks behind it. */
static void string_give(char *to, int length, const char *text)
{
    size_t room = (size_t)length, n = strlen(text) < room ? strlen(text) : room;

    memcpy(to, text, n);
    memset(to + n, ' ', room - n);
}

/* The value of a key, from malloc(); NULL: it has none, or there is an error. */
static char *value_of(MPI_Info info, const char *key, int *has, int *error)
{
    int bytes = 0;
    char *value;

    *error = PMPI_Info_get_string(info, key, &bytes, NULL, has);
    if (*error != MPI_SUCCESS || !*has)
        return NULL;
    if (!(value = malloc((size_t)bytes))) {
        *error = crmpi_fortran_no_memory();
        return NULL;
    }
    *error = PMPI_Info_get_string(info, key, &bytes, value, has);
    return value;
}

static void ompi_info_get_f(MPI_Fint *info, char *key, MPI_Fint *valuelen, char *value,
                            MPI_Fint *flag, MPI_Fint *ierr, int key_len, int value_len)
{
    char *c_key = string_of(key, key_len), *c_value = NULL;
    int error = c_key ? MPI_SUCCESS : crmpi_fortran_no_memory();

    (void)valuelen; /* as Open MPI's own, which fills the string */
    if (c_key)
        c_value = value_of(PMPI_Info_f2c(*info), c_key, flag, &error);
    if (c_value && error == MPI_SUCCESS)
        string_give(value, value_len, c_value);
    free(c_value);
    free(c_key);
    crmpi_fortran_return(ierr, error);
}
CRMPI_FORTRAN(ompi_info_get_f)

static void ompi_info_get_string_f(MPI_Fint *info, char *key, MPI_Fint *buflen,
                                   char *value, MPI_Fint *flag, MPI_Fint *ierr,
                                   int key_len, int value_len)
{
    char *c_key = string_of(key, key_len), *c_value = NULL;
    int error = c_key ? MPI_SUCCESS : crmpi_fortran_no_memory();

    if (c_key)
        c_value = value_of(PMPI_Info_f2c(*info), c_key, flag, &error);
    if (c_value && error == MPI_SUCCESS) {
        if (*buflen > 0)
            string_give(value, value_len, c_value);
        *buflen = (MPI_Fint)strlen(c_value);
    }
    free(c_value);
    free(c_key);
    crmpi_fortran_return(ierr, error);
}
CRMPI_FORTRAN(ompi_info_get_string_f)

static void ompi_info_get_nthkey_f(MPI_Fint *info, MPI_Fint *n, char *key, MPI_Fint *ierr,
                                   int key_len)
{
    char c_key[MPI_MAX_INFO_KEY + 1];
    int error = PMPI_Info_get_nthkey(PMPI_Info_f2c(*info), *n, c_key);

    if (error == MPI_SUCCESS)
        string_give(key, key_len, c_key);
    crmpi_fortran_return(ierr, error);
}
CRMPI_FORTRAN(ompi_info_get_nthkey_f)

#endif
