# SPDX-License-Identifier: BSD-3-Clause
#
# The programs in other languages: built by Open MPI's compilers, without one left out.

fortran_tests = tests/mpi/fortran_f77 tests/mpi/fortran_f08 tests/mpi/fortran_files \
	tests/mpi/fortran_interop tests/mpi/fortran_mpi tests/mpi/fortran_pcoll tests/mpi/fortran_rma \
	tests/mpi/fortran_rma08
EXTRA_DIST += tests/mpi/fortran_check.f90 tests/mpi/fortran_f77.f tests/mpi/fortran_f08.f90 \
	tests/mpi/fortran_files.f90 tests/mpi/fortran_interop.f90 tests/mpi/fortran_mpi.f90 \
	tests/mpi/fortran_mpi4.F90 tests/mpi/fortran_pcoll.F90 tests/mpi/later.c tests/mpi/later_library.f90 tests/mpi/fortran_rma.f90 tests/mpi/fortran_rma08.f90 tests/mpi/cxx_bindings.cc tests/mpi/asyncio_job.py tests/mpi/mpi4py_job.py \
	tests/mpi/hdf5_job.py tests/mpi/sqlite_job.py
CLEANFILES += $(fortran_tests) tests/mpi/later tests/mpi/later_library.so tests/mpi/fortran_check.o tests/mpi/*.mod tests/mpi/cxx_bindings

if HAVE_MPI_4
fortran_tests += tests/mpi/fortran_mpi4
endif
if HAVE_MPIFORT
check_DATA += $(fortran_tests) tests/mpi/later tests/mpi/later_library.so
endif
if HAVE_MPI_CXX_BINDINGS
check_DATA += tests/mpi/cxx_bindings
endif

FORTRAN_COMPILE = $(MPIFORT) -O2 -J tests/mpi

tests/mpi/fortran_check.o: $(srcdir)/tests/mpi/fortran_check.f90
	@$(MKDIR_P) tests/mpi
	$(AM_V_GEN)$(FORTRAN_COMPILE) -c $(srcdir)/tests/mpi/fortran_check.f90 -o $@

tests/mpi/fortran_f77: $(srcdir)/tests/mpi/fortran_f77.f tests/mpi/fortran_check.o
	$(AM_V_GEN)$(FORTRAN_COMPILE) $(srcdir)/tests/mpi/fortran_f77.f \
	    tests/mpi/fortran_check.o -o $@

tests/mpi/fortran_%: $(srcdir)/tests/mpi/fortran_%.f90 tests/mpi/fortran_check.o
	$(AM_V_GEN)$(FORTRAN_COMPILE) $< tests/mpi/fortran_check.o -o $@

tests/mpi/fortran_%: $(srcdir)/tests/mpi/fortran_%.F90 tests/mpi/fortran_check.o
	$(AM_V_GEN)case '$(MPI_HAS)' in 4.*) define=-DEXTENSION;; esac; \
	    $(FORTRAN_COMPILE) $$define $< tests/mpi/fortran_check.o -o $@

tests/mpi/cxx_bindings: $(srcdir)/tests/mpi/cxx_bindings.cc $(srcdir)/tests/mpi/check.h
	@$(MKDIR_P) tests/mpi
	$(AM_V_GEN)$(MPICXX) -O2 $(srcdir)/tests/mpi/cxx_bindings.cc -o $@

tests/mpi/later: $(srcdir)/tests/mpi/later.c $(srcdir)/tests/mpi/check.h
	@$(MKDIR_P) tests/mpi
	$(AM_V_GEN)$(MPI_C_COMPILE) $(srcdir)/tests/mpi/later.c -o $@ -ldl

tests/mpi/later_library.so: $(srcdir)/tests/mpi/later_library.f90
	@$(MKDIR_P) tests/mpi
	$(AM_V_GEN)$(FORTRAN_COMPILE) -shared -fPIC $(srcdir)/tests/mpi/later_library.f90 -o $@
