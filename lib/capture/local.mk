# SPDX-License-Identifier: BSD-3-Clause
#
# Saving this rank's upper half.
crmpi_host_SOURCES += \
	lib/capture/capture.c lib/capture/capture.h \
	lib/capture/extents.c lib/capture/extents.h \
	lib/capture/files.c lib/capture/files.h \
	lib/capture/process.h \
	lib/capture/regions.c lib/capture/regions.h \
	lib/capture/segments.c lib/capture/segments.h \
	lib/capture/socket.c lib/capture/socket.h \
	lib/capture/wishes.c lib/capture/wishes.h
