/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What is in use and cannot be saved: checkpoints are refused by its name (lower half).
 */
#include <pthread.h>
#include <stdio.h>

#include "wrappers/hand/cut.h"
#include "wrappers/objects.h"

#define MAX_KINDS 8

static struct {
    const char *what;
    int n;
} in_use[MAX_KINDS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void count(const char *what, int n)
{
    int i = 0;

    pthread_mutex_lock(&lock);
    while (i < MAX_KINDS - 1 && in_use[i].what && in_use[i].what != what)
        i++;
    in_use[i].what = what;
    in_use[i].n += n;
    pthread_mutex_unlock(&lock);
}

void crmpi_unsaved_begin(const char *what)
{
    count(what, 1);
}

void crmpi_unsaved_end(const char *what)
{
    count(what, -1);
}

int crmpi_unsaved_refusal(char *why, size_t why_bytes)
{
    for (int i = 0; i < MAX_KINDS; i++)
        if (__atomic_load_n(&in_use[i].n, __ATOMIC_ACQUIRE) > 0) {
            snprintf(why, why_bytes, "%s", in_use[i].what);
            return 1;
        }
    return 0;
}
