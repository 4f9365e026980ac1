# SPDX-License-Identifier: BSD-3-Clause
#
# What both halves share.
crmpi_host_SOURCES += \
	lib/boundary/calls.h \
	lib/boundary/entries.c lib/boundary/entries.h \
	lib/boundary/control.c lib/boundary/control.h \
	lib/boundary/heap.c lib/boundary/heap.h \
	lib/boundary/raw.h \
	lib/boundary/transfer.h
