# SPDX-License-Identifier: BSD-3-Clause
#
# Small programs to try crmpi with: installed as sources, compiled by the tests.
examplesdir = $(docdir)/examples
dist_examples_DATA = examples/README examples/armci.c examples/coarray.f90 \
	examples/heat.c examples/pi.py examples/pbs.sh examples/particles.f90 examples/scratch.c \
	examples/steps.c examples/slurm.sh

check_PROGRAMS += heat
heat_SOURCES = examples/heat.c
heat_CPPFLAGS = $(AM_CPPFLAGS) $(MPI_CPPFLAGS)
heat_LDADD = $(MPI_LIBS)

# Programs of libraries that are made of windows; the campaign runs them.
CLEANFILES += tests/mpi/coarray tests/mpi/armci
if HAVE_COARRAYS
check_DATA += tests/mpi/coarray
endif
if HAVE_ARMCI
check_DATA += tests/mpi/armci
endif

tests/mpi/coarray: $(srcdir)/examples/coarray.f90
	@$(MKDIR_P) tests/mpi
	$(AM_V_GEN)$(MPIFORT) -O2 -fcoarray=lib $(srcdir)/examples/coarray.f90 -o $@ \
	    -lcaf_openmpi

tests/mpi/armci: $(srcdir)/examples/armci.c
	@$(MKDIR_P) tests/mpi
	$(AM_V_GEN)$(MPICC) -O2 $(WARN_CFLAGS) $(srcdir)/examples/armci.c -o $@ -larmci -lm
