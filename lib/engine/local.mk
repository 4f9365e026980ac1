# SPDX-License-Identifier: BSD-3-Clause
#
# The protocol thread and the phases of a checkpoint.

# What the tools need, too: the way to a running job, the words of a launcher.
libcrmpi_base_a_SOURCES += \
	lib/engine/contact.c lib/engine/contact.h \
	lib/engine/greeting.c lib/engine/greeting.h \
	lib/engine/launcher.c lib/engine/launcher.h \
	lib/engine/stopped.c lib/engine/stopped.h

crmpi_host_SOURCES += \
	lib/engine/action.c \
	lib/engine/chronicle.c lib/engine/chronicle.h \
	lib/engine/commit.c \
	lib/engine/connection.c \
	lib/engine/engine.c lib/engine/engine.h \
	lib/engine/kept.c lib/engine/kept.h \
	lib/engine/limit.c lib/engine/limit.h \
	lib/engine/link.c lib/engine/link.h \
	lib/engine/loop.c \
	lib/engine/phases.c \
	lib/engine/presence.c lib/engine/presence.h \
	lib/engine/saving.c \
	lib/engine/post.c lib/engine/post.h \
	lib/engine/release.c \
	lib/engine/requests.c lib/engine/requests.h \
	lib/engine/route.c lib/engine/route.h \
	lib/engine/state.h \
	lib/engine/statistics.c lib/engine/statistics.h \
	lib/engine/times.c \
	lib/engine/touch.c lib/engine/touch.h \
	lib/engine/tree.c lib/engine/tree.h \
	lib/engine/worker.c lib/engine/worker.h
