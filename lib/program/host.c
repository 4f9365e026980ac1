/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What starting and restarting have in common (see host.h).
 */
#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/rseq.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/config.h"
#include "base/log.h"
#include "boundary/entries.h"
#include "lower/progress.h"
#include "lower/thread.h"
#include "program/host.h"
#include "program/loader.h"

#define HWCAP2_FSGSBASE 2

enum crmpi_status crmpi_host_check(void)
{
    if (getauxval(AT_HWCAP2) & HWCAP2_FSGSBASE)
        return crmpi_progress_start();
    crmpi_error(
        "this processor or kernel does not let programs set the FS base (fsgsbase): "
        "crmpi needs Linux 5.9 or newer on a processor that has it");
    return CRMPI_ERR_UNSUPPORTED;
}

void crmpi_host_renew(void)
{
    crmpi_control->calls = crmpi_calls;
    crmpi_control->attach = crmpi_thread_attach;
    crmpi_control->fsgsbase = 1;
    crmpi_control->pid = crmpi_control->owner = getpid();
    crmpi_control->lower_self_offset =
        (int64_t)((uint64_t)&crmpi_thread - __builtin_ia32_rdfsbase64());
    crmpi_vdso_renew();
}

/* The upper libc registers its own area for this kernel thread. */
void crmpi_host_rseq_release(void)
{
    if (__rseq_size)
        syscall(SYS_rseq, (char *)__builtin_thread_pointer() + __rseq_offset, 32, 1,
                RSEQ_SIG);
}

void crmpi_host_environment(void)
{
    unsetenv("CRMPI_COMM");
    unsetenv("CRMPI_EXE");
    unsetenv("CRMPI_LD_PRELOAD");
    /* Open MPI's own handlers for SIGSEGV and others would run on the upper TLS base */
    setenv("OMPI_MCA_opal_signal", "", 1);
    /* the application's munmap goes unseen below: no registration may outlive a call */
    setenv("OMPI_MCA_mpi_leave_pinned", "0", 1);
    /* it keeps what is written at a shared file pointer in files of its own */
    setenv("OMPI_MCA_sharedfp", "^individual", 0);
}

int crmpi_host_configure(void)
{
    const char *rank = getenv("OMPI_COMM_WORLD_RANK");
    char why[1024];

    if (!rank)
        rank = getenv("PMIX_RANK");
    crmpi_log_init(CRMPI_LOG_WARN, rank ? atoi(rank) : -1);
    if (crmpi_config_load(why, sizeof why) != CRMPI_OK) {
        crmpi_error("%s", why);
        return -1;
    }
    crmpi_log_init(crmpi_config.log, rank ? atoi(rank) : -1);
    return 0;
}
