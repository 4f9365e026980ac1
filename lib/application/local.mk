# SPDX-License-Identifier: BSD-3-Clause
#
# What the application tells crmpi.
crmpi_host_SOURCES += \
	lib/application/anew.c lib/application/anew.h \
	lib/application/application.c lib/application/application.h \
	lib/application/hooks.c lib/application/hooks.h \
	lib/application/memory.c lib/application/names.c lib/application/wishes.c
