# SPDX-License-Identifier: BSD-3-Clause
#
# Bringing a rank back.
crmpi_host_SOURCES += \
	lib/restart/backing.c lib/restart/backing.h \
	lib/restart/restart.c lib/restart/restart.h \
	lib/restart/resume.c lib/restart/resume.h \
	lib/restart/signals.c lib/restart/signals.h \
	lib/restart/telling.c lib/restart/telling.h
