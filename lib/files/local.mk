# SPDX-License-Identifier: BSD-3-Clause
#
# The files of file systems that the application uses.
crmpi_host_SOURCES += \
	lib/files/bring.c lib/files/bring.h \
	lib/files/calls.c \
	lib/files/contents.c \
	lib/files/inodes.c lib/files/inodes.h \
	lib/files/journal.c lib/files/journal.h \
	lib/files/lookup.c lib/files/lookup.h \
	lib/files/undo.c lib/files/undo.h \
	lib/files/undone.c lib/files/undone.h
