# SPDX-License-Identifier: BSD-3-Clause
#
# Levels: files on nodes, who keeps what for whom, and what is kept of them on others.

libcrmpi_levels_a_SOURCES += \
	lib/levels/erasure.c lib/levels/erasure.h \
	lib/levels/inventory.c lib/levels/inventory.h \
	lib/levels/levels.h \
	lib/levels/needs.c \
	lib/levels/paths.c \
	lib/levels/plan.c lib/levels/plan.h \
	lib/levels/share.c lib/levels/share.h \
	lib/levels/topology.c lib/levels/topology.h

# Before a restart.
crmpi_host_SOURCES += \
	lib/levels/bring.c \
	lib/levels/fetch.c lib/levels/fetch.h lib/levels/fetching.h \
	lib/levels/gather.c lib/levels/gather.h \
	lib/levels/open.c \
	lib/levels/report.c \
	lib/levels/transfer.c lib/levels/transfer.h

# In the running job.
crmpi_host_SOURCES += \
	lib/levels/assembly.c \
	lib/levels/copy.c \
	lib/levels/courier.c lib/levels/courier.h \
	lib/levels/exchange.h \
	lib/levels/files.c lib/levels/files.h \
	lib/levels/flush.c lib/levels/flush.h \
	lib/levels/keep.h \
	lib/levels/levels.c \
	lib/levels/send.c \
	lib/levels/serve.c lib/levels/serve.h
