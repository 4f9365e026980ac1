# SPDX-License-Identifier: BSD-3-Clause
#
# The application's descriptors: a file for each kind.
crmpi_descriptors_sources = \
	lib/descriptors/descriptors.h \
	lib/descriptors/device.c \
	lib/descriptors/directory.c \
	lib/descriptors/duplicate.c \
	lib/descriptors/epoll.c \
	lib/descriptors/eventfd.c \
	lib/descriptors/inherited.c \
	lib/descriptors/inotify.c lib/descriptors/inotify.h \
	lib/descriptors/kind.h \
	lib/descriptors/kinds.c lib/descriptors/kinds.h \
	lib/descriptors/locks.c lib/descriptors/locks.h \
	lib/descriptors/named.c lib/descriptors/named.h \
	lib/descriptors/path.c \
	lib/descriptors/pipe.c \
	lib/descriptors/place.c \
	lib/descriptors/pty.c \
	lib/descriptors/regular.c \
	lib/descriptors/restore.c \
	lib/descriptors/save.c \
	lib/descriptors/seen.c \
	lib/descriptors/signalfd.c \
	lib/descriptors/socket.c lib/descriptors/socket.h \
	lib/descriptors/socket_restore.c \
	lib/descriptors/socket_save.c \
	lib/descriptors/standard.c \
	lib/descriptors/system.c \
	lib/descriptors/timerfd.c
crmpi_host_SOURCES += $(crmpi_descriptors_sources)
