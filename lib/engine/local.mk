# SPDX-License-Identifier: BSD-3-Clause
#
# The protocol thread and the phases of a checkpoint.

# What the tools need, too: the way to a running job, the words of a launcher.
libcrmpi_base_a_SOURCES += \
	lib/engine/contact.c lib/engine/contact.h \
	lib/engine/launcher.c lib/engine/launcher.h

crmpi_host_SOURCES += \
	lib/engine/engine.c lib/engine/engine.h \
	lib/engine/link.c lib/engine/link.h \
	lib/engine/loop.c \
	lib/engine/phases.c \
	lib/engine/requests.c lib/engine/requests.h \
	lib/engine/state.h \
	lib/engine/tree.c lib/engine/tree.h
