# SPDX-License-Identifier: BSD-3-Clause
#
# What belongs to the lower half: its descriptors, children, threads and locks.
crmpi_host_SOURCES += \
	lib/lower/apart.c lib/lower/apart.h \
	lib/lower/children.c lib/lower/children.h \
	lib/lower/descriptors.c lib/lower/descriptors.h \
	lib/lower/locks.c lib/lower/locks.h \
	lib/lower/mappings.c \
	lib/lower/progress.c lib/lower/progress.h \
	lib/lower/raw.h \
	lib/lower/text.h \
	lib/lower/thread.c lib/lower/thread.h
