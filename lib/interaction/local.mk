# SPDX-License-Identifier: BSD-3-Clause
#
# The cut, as the MPI layer offers it to the engine.

crmpi_host_SOURCES += \
	lib/interaction/cut.h lib/interaction/dependencies.h lib/interaction/segments.h \
	lib/interaction/saved.c lib/interaction/saved.h \
	lib/interaction/targets.c lib/interaction/targets.h
