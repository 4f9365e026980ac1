# SPDX-License-Identifier: BSD-3-Clause
#
# Benchmarks: `make bench` prints a table of ratios to what runs without crmpi; `make figures`
# draws what checkpoints cost.
bench_programs = bench-mpi bench-rma bench-memory bench-io bench-storage bench-recovery \
	bench-work bench-files bench-hello
EXTRA_PROGRAMS += $(bench_programs)
CLEANFILES += $(bench_programs)
bench_mpi_SOURCES = bench/mpi.c bench/measure.h
bench_hello_SOURCES = bench/hello.c
bench_hello_CPPFLAGS = $(AM_CPPFLAGS) $(MPI_CPPFLAGS)
bench_hello_LDADD = $(MPI_LIBS)
bench_files_SOURCES = bench/files.c bench/measure.h
bench_files_CPPFLAGS = $(AM_CPPFLAGS) $(MPI_CPPFLAGS)
bench_files_LDADD = $(MPI_LIBS)
bench_rma_SOURCES = bench/rma.c bench/measure.h
bench_memory_SOURCES = bench/memory.c
bench_io_SOURCES = bench/io.c
bench_storage_SOURCES = bench/storage.c
bench_recovery_SOURCES = bench/recovery.c
bench_work_SOURCES = bench/work.c
bench_work_CPPFLAGS = $(AM_CPPFLAGS) $(MPI_CPPFLAGS)
bench_work_LDADD = $(MPI_LIBS) -lm
bench_recovery_LDADD = libcrmpi-recovery.a
bench_mpi_CPPFLAGS = $(AM_CPPFLAGS) $(MPI_CPPFLAGS)
bench_rma_CPPFLAGS = $(AM_CPPFLAGS) $(MPI_CPPFLAGS)
bench_memory_CPPFLAGS = $(AM_CPPFLAGS) $(MPI_CPPFLAGS)
bench_io_CPPFLAGS = $(AM_CPPFLAGS) $(MPI_CPPFLAGS)
bench_mpi_LDADD = $(MPI_LIBS)
bench_rma_LDADD = $(MPI_LIBS)
bench_memory_LDADD = $(MPI_LIBS)
bench_io_LDADD = $(MPI_LIBS)
bench_storage_LDADD = libcrmpi-storage.a libcrmpi-recovery.a libcrmpi-base.a $(HDF5_LIBS) $(LZ4_LIBS) $(ZSTD_LIBS) $(XXHASH_LIBS) $(CRYPTO_LIBS)

dist_noinst_SCRIPTS += bench/run bench/figures
EXTRA_DIST += bench/jobs.py
.PHONY: bench bench-programs figures
bench-programs: all $(bench_programs)
bench: bench-programs
	$(PYTHON3) $(srcdir)/bench/run . $(BENCHFLAGS)
figures: bench-programs
	$(PYTHON3) $(srcdir)/bench/figures . $(FIGURESFLAGS)
