# SPDX-License-Identifier: BSD-3-Clause
#
# The application's threads: trapping what they call, stopping them.
crmpi_host_SOURCES += \
	lib/threads/addresses.c lib/threads/addresses.h \
	lib/threads/boundary.h lib/threads/callbacks.h \
	lib/threads/clock.c lib/threads/clock.h \
	lib/threads/filter.c lib/threads/filter.h \
	lib/threads/gate.c lib/threads/gate.h \
	lib/threads/ids.c lib/threads/ids.h \
	lib/threads/interrupted.c lib/threads/interrupted.h \
	lib/threads/owners.c lib/threads/owners.h \
	lib/threads/park.c lib/threads/park.h \
	lib/threads/queue.c lib/threads/queue.h \
	lib/threads/together.c lib/threads/together.h \
	lib/threads/trap.c lib/threads/trap.h \
	lib/threads/wait.c lib/threads/wait.h \
	lib/threads/xstate.c lib/threads/xstate.h
