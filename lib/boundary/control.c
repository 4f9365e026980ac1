/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Checks that the offsets which assembly uses are those of the structures.
 */
#include "boundary/control.h"

#define CHECK_OFFSET(member, offset)                                                       \
    _Static_assert(offsetof(struct crmpi_thread, member) == (offset), #member)

CHECK_OFFSET(lower_fs, CRMPI_T_LOWER_FS);
CHECK_OFFSET(upper_fs, CRMPI_T_UPPER_FS);
CHECK_OFFSET(frame.ret, CRMPI_T_RET);
CHECK_OFFSET(frame.sp, CRMPI_T_SP);
CHECK_OFFSET(frame.rbx, CRMPI_T_RBX);
CHECK_OFFSET(frame.rbp, CRMPI_T_RBP);
CHECK_OFFSET(frame.r12, CRMPI_T_R12);
CHECK_OFFSET(frame.r13, CRMPI_T_R13);
CHECK_OFFSET(frame.r14, CRMPI_T_R14);
CHECK_OFFSET(frame.r15, CRMPI_T_R15);
CHECK_OFFSET(frame.args, CRMPI_T_ARGS);
CHECK_OFFSET(frame.call, CRMPI_T_CALL);
CHECK_OFFSET(resumed, CRMPI_T_RESUMED);
CHECK_OFFSET(n_after, CRMPI_T_AFTER);

_Static_assert(offsetof(struct crmpi_control_page, calls) == CRMPI_C_CALLS, "calls");
_Static_assert(offsetof(struct crmpi_control_page, vdso) == CRMPI_C_VDSO, "vdso");
_Static_assert(offsetof(struct crmpi_control_page, pid) == CRMPI_C_PID, "pid");
_Static_assert(offsetof(struct crmpi_control_page, known_pid) == CRMPI_C_KNOWN_PID,
               "known_pid");
_Static_assert(sizeof(struct crmpi_control_page) <= CRMPI_CONTROL_BYTES, "control page");
