# SPDX-License-Identifier: BSD-3-Clause
#
# The application's descriptors: a file for each kind.
crmpi_host_SOURCES += \
	lib/descriptors/descriptors.h lib/descriptors/kind.h lib/descriptors/kinds.c \
	lib/descriptors/save.c lib/descriptors/restore.c \
	lib/descriptors/device.c \
	lib/descriptors/directory.c \
	lib/descriptors/duplicate.c \
	lib/descriptors/epoll.c \
	lib/descriptors/event.c \
	lib/descriptors/inotify.c lib/descriptors/inotify.h \
	lib/descriptors/locks.c lib/descriptors/locks.h \
	lib/descriptors/pipe.c \
	lib/descriptors/pty.c \
	lib/descriptors/regular.c \
	lib/descriptors/socket.c lib/descriptors/socket.h \
	lib/descriptors/socket_save.c lib/descriptors/socket_restore.c \
	lib/descriptors/standard.c \
	lib/descriptors/system.c \
	lib/descriptors/timerfd.c
