/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Named fault points, see fault.h.  Lower half and tools.
 */
#include <ctype.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "base/fault.h"
#include "base/log.h"

#define FAULTS_MAX 16
#define ERRNO_MAX 4095
#define EFFECT_KILL (-2)
#define EFFECT_WAIT (-3)
#define WAIT_SECONDS 10

struct fault {
    char point[48];
    uint64_t first; /* the occurrence that is struck */
    int later;      /* and every later one */
    int effect;     /* an errno, CRMPI_FAULT_SHORT or EFFECT_KILL */
    uint64_t seen;
};

int crmpi_fault_armed = 1;
/* Memory that processes which are split off share: their occurrences count, too. */
static struct fault *faults;
static size_t n_faults;
static unsigned struck;
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* The effect of that name, 0 if there is none. */
static int effect_parse(const char *name)
{
    if (strcmp(name, "kill") == 0)
        return EFFECT_KILL;
    if (strcmp(name, "wait") == 0)
        return EFFECT_WAIT;
    if (strcmp(name, "short") == 0)
        return CRMPI_FAULT_SHORT;
    for (int number = 1; number < ERRNO_MAX; number++) {
        const char *known = strerrorname_np(number);
        if (known && strcmp(known, name) == 0)
            return number;
    }
    return 0;
}

/* Whether a fault for the rank of that name is meant for this process. */
static int rank_is_ours(const char *rank)
{
    const char *ours = getenv("OMPI_COMM_WORLD_RANK");
    if (!ours)
        ours = getenv("PMIX_RANK");
    return ours && strcmp(ours, rank) == 0;
}

/* Parse POINT[@RANK]:N[+]=WHAT, which is cut up; 0 if it is wrong. */
static int fault_parse(char *text, struct fault *fault_out, int *ours_out)
{
    char *effect = strchr(text, '='), *count = strchr(text, ':'), *end;
    if (!effect || !count || count > effect)
        return 0;
    *effect++ = *count++ = '\0';
    char *rank = strchr(text, '@');
    if (rank)
        *rank++ = '\0';
    *ours_out = !rank || rank_is_ours(rank);
    if (!*text || strlen(text) >= sizeof fault_out->point ||
        !isdigit((unsigned char)*count))
        return 0;
    strcpy(fault_out->point, text);
    fault_out->first = strtoull(count, &end, 10);
    fault_out->later = *end == '+';
    fault_out->effect = effect_parse(effect);
    fault_out->seen = 0;
    return fault_out->first > 0 && end[fault_out->later] == '\0' && fault_out->effect;
}

/* Make that memory; 0, or -1 if there is none. */
static int faults_share(void)
{
    void *shared = faults;

    if (!shared)
        shared = mmap(NULL, FAULTS_MAX * sizeof *faults, PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) {
        crmpi_error("no memory for what CRMPI_FAULT says");
        return -1;
    }
    faults = shared;
    return 0;
}

static int faults_parse(const char *text)
{
    char copy[1024], *rest = copy, *item;
    n_faults = 0;
    struck = 0;
    if (strlen(text) >= sizeof copy) {
        crmpi_error("CRMPI_FAULT is longer than %zu bytes", sizeof copy - 1);
        return -1;
    }
    strcpy(copy, text);
    if (!*text)
        return 0;
    if (faults_share() != 0)
        return -1;
    while ((item = strsep(&rest, ",")) != NULL) {
        size_t at = (size_t)(item - copy);
        int ours;
        if (n_faults == FAULTS_MAX || !fault_parse(item, &faults[n_faults], &ours)) {
            crmpi_error(
                "CRMPI_FAULT: '%.*s' is not POINT[@RANK]:N[+]=ERRNO|short|kill|wait, or "
                "is one too many",
                (int)strcspn(text + at, ","), text + at);
            n_faults = 0;
            return -1;
        }
        n_faults += ours ? 1 : 0;
    }
    return 0;
}

static void faults_from_environment(void)
{
    const char *text = getenv("CRMPI_FAULT");
    if (text)
        faults_parse(text);
    __atomic_store_n(&crmpi_fault_armed, n_faults > 0, __ATOMIC_RELEASE);
}

int crmpi_fault_configure(const char *text)
{
    pthread_once(&once, faults_from_environment);
    int result = faults_parse(text ? text : "");
    __atomic_store_n(&crmpi_fault_armed, n_faults > 0, __ATOMIC_RELEASE);
    return result;
}

unsigned crmpi_fault_struck(void)
{
    return __atomic_load_n(&struck, __ATOMIC_RELAXED);
}

int crmpi_fault_occur(const char *point)
{
    int effect = 0;
    pthread_once(&once, faults_from_environment);
    for (size_t i = 0; i < n_faults; i++) {
        struct fault *fault = &faults[i];
        if (strcmp(fault->point, point) != 0)
            continue;
        uint64_t seen = __atomic_add_fetch(&fault->seen, 1, __ATOMIC_RELAXED);
        if (!effect && (seen == fault->first || (fault->later && seen > fault->first)))
            effect = fault->effect;
    }
    if (!effect)
        return 0;
    __atomic_add_fetch(&struck, 1, __ATOMIC_RELAXED);
    if (effect == EFFECT_KILL)
        kill(getpid(), SIGKILL);
    crmpi_debug("fault injected at %s", point);
    if (effect == EFFECT_WAIT)
        for (unsigned left = WAIT_SECONDS; left > 0;)
            left = sleep(left);
    return effect == EFFECT_WAIT ? 0 : effect;
}
