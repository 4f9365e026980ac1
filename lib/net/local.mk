# SPDX-License-Identifier: BSD-3-Clause
#
# Connections between the ranks of a job, and to it.

# The tools call a running job, too.
libcrmpi_base_a_SOURCES += \
	lib/net/address.c lib/net/address.h \
	lib/net/greeting.c lib/net/greeting.h

crmpi_host_SOURCES += \
	lib/net/gather.c lib/net/gather.h \
	lib/net/link.c lib/net/link.h \
	lib/net/presence.c lib/net/presence.h \
	lib/net/route.c lib/net/route.h \
	lib/net/tree.c lib/net/tree.h
