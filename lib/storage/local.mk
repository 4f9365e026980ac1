# SPDX-License-Identifier: BSD-3-Clause
#
# The HDF5 container.

libcrmpi_storage_a_SOURCES += \
	lib/storage/attempt.c lib/storage/attempt.h \
	lib/storage/chain.c lib/storage/chain.h \
	lib/storage/codec.c lib/storage/codec.h \
	lib/storage/compose.c lib/storage/container.h \
	lib/storage/content.c lib/storage/content.h \
	lib/storage/dependencies.c lib/storage/dependencies.h \
	lib/storage/directory.c lib/storage/directory.h \
	lib/storage/file.c lib/storage/file.h \
	lib/storage/former.c lib/storage/former.h \
	lib/storage/hdf.c lib/storage/hdf.h \
	lib/storage/history.c \
	lib/storage/image.c lib/storage/image.h \
	lib/storage/job.c lib/storage/job.h \
	lib/storage/journal.c lib/storage/journal.h \
	lib/storage/layout.c lib/storage/layout.h \
	lib/storage/line.c \
	lib/storage/lineage.c lib/storage/lineage.h \
	lib/storage/load.c \
	lib/storage/note.c lib/storage/note.h \
	lib/storage/opened.c lib/storage/opened.h \
	lib/storage/plain.c lib/storage/plain.h \
	lib/storage/prune.c \
	lib/storage/reader.c \
	lib/storage/segment.c lib/storage/segment.h \
	lib/storage/single.c lib/storage/single.h \
	lib/storage/writer.c
