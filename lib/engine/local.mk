# SPDX-License-Identifier: BSD-3-Clause
#
# The protocol thread and the phases of a checkpoint.
crmpi_host_SOURCES += \
	lib/engine/action.c \
	lib/engine/ask.c \
	lib/engine/chronicle.c lib/engine/chronicle.h \
	lib/engine/commit.c \
	lib/engine/connection.c \
	lib/engine/engine.c lib/engine/engine.h \
	lib/engine/kept.c lib/engine/kept.h \
	lib/engine/limit.c lib/engine/limit.h \
	lib/engine/loop.c \
	lib/engine/phases.c \
	lib/engine/saving.c \
	lib/engine/post.c lib/engine/post.h \
	lib/engine/release.c \
	lib/engine/requests.c lib/engine/requests.h \
	lib/engine/state.c lib/engine/state.h \
	lib/engine/statistics.c lib/engine/statistics.h \
	lib/engine/times.c \
	lib/engine/touch.c lib/engine/touch.h \
	lib/engine/worker.c lib/engine/worker.h
