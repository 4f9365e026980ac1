# SPDX-License-Identifier: BSD-3-Clause
#
# Saving this rank's upper half.
crmpi_host_SOURCES += \
	lib/capture/attributes.c lib/capture/attributes.h \
	lib/capture/settings.c lib/capture/settings.h \
	lib/capture/background.c lib/capture/background.h \
	lib/capture/capture.c lib/capture/capture.h \
	lib/capture/contents.c lib/capture/contents.h \
	lib/capture/cpus.c lib/capture/cpus.h \
	lib/capture/datamap.c lib/capture/datamap.h \
	lib/capture/extents.c lib/capture/extents.h \
	lib/capture/limit.c lib/capture/limit.h \
	lib/capture/names.c lib/capture/names.h \
	lib/capture/process.h \
	lib/capture/pump.c lib/capture/pump.h \
	lib/capture/records.c lib/capture/records.h \
	lib/capture/regions.c lib/capture/regions.h \
	lib/capture/segments.c lib/capture/segments.h \
	lib/capture/signals.c lib/capture/signals.h \
	lib/capture/survey.c lib/capture/survey.h \
	lib/capture/tracking.c lib/capture/tracking.h \
	lib/capture/wishes.c lib/capture/wishes.h \
	lib/capture/workers.c lib/capture/workers.h \
	lib/capture/writes.c lib/capture/writes.h
