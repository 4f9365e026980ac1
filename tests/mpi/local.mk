# SPDX-License-Identifier: BSD-3-Clause
#
# The self-checking MPI programs in C and C++, compiled by Open MPI's compiler and linked
# with nothing of crmpi: unmodified programs.  languages.mk has those in other languages.

mpi_c_tests = attributes callbacks cancel children coll comm_skew comms datatypes \
	dlopen errors files groups heap hooks icoll inflight info intercomm lifecycle memory mpiio \
	mpiio_open mpiio_places mpiio_threads neighbor nonblock nopie ops p2p persistent pmpi probe \
	process queued sendrecv settings signals skew stdin threads_multiple threads_team threads_wait \
	timers topologies traffic windows
mpi_c_tests += churn churn_threads filecases kinds layout mappings special unusual
mpi_c_tests += coll_fails comm_early coupled descriptors dist_graph dynamic failures held jumps leaves names
mpi_c_tests += obstacles pairs pcoll pipeline reach synchronous threads_groups truncated user_ops
mpi_c_tests += delayed hints identities struck threads_many vectors waits
# of MPI-4
mpi_4_tests = isendrecv partitioned sessions
if HAVE_MPI_4
mpi_c_tests += $(mpi_4_tests)
endif
mpi_c_programs = $(mpi_c_tests:%=tests/mpi/%)
# tool is linked with its library before MPI's, tool_alone has it preloaded
tool_parts = tests/mpi/tool tests/mpi/tool_alone tests/mpi/tool_library.so
mpi_headers = tests/mpi/check.h tests/mpi/collective.h tests/mpi/failures.h \
	tests/mpi/hold.h tests/mpi/message.h tests/mpi/persistent.h tests/mpi/threads_call.h tests/mpi/threads_ids.h \
	tests/mpi/threads_lives.h tests/mpi/threads_locks.h tests/mpi/threads_signals.h \
	tests/mpi/threads_sleeps.h tests/mpi/threads_transfers.h tests/mpi/threads_waits.h

EXTRA_DIST += $(mpi_headers) $(mpi_c_tests:%=tests/mpi/%.c) $(mpi_4_tests:%=tests/mpi/%.c) tests/mpi/names_library.c tests/mpi/plugin.c tests/mpi/tool.c tests/mpi/tool_library.c \
	tests/mpi/dlsym.c tests/mpi/pool.cpp tests/mpi/throws.cpp tests/mpi/unwinds.cpp
CLEANFILES += $(mpi_c_programs) tests/mpi/dlsym $(tool_parts) tests/mpi/names_library.so tests/mpi/plugin.so tests/mpi/pool tests/mpi/throws tests/mpi/unwinds
check_DATA += $(mpi_c_programs) tests/mpi/dlsym $(tool_parts) tests/mpi/names_library.so tests/mpi/plugin.so
if HAVE_MPICXX
check_DATA += tests/mpi/pool tests/mpi/throws tests/mpi/unwinds
endif

mpi_scripts = tests/mpi/coll_fails.sh tests/mpi/coupled.sh tests/mpi/dynamic.sh tests/mpi/failures.sh \
	tests/mpi/fatal.sh tests/mpi/filecases.sh tests/mpi/held.sh tests/mpi/identities.sh tests/mpi/interrupted.sh tests/mpi/layout.sh tests/mpi/longcalls.sh \
	tests/mpi/pairs.sh tests/mpi/partitioned.sh \
	tests/mpi/special.sh tests/mpi/tool.sh tests/mpi/unusual.sh tests/mpi/waits.sh
check_SCRIPTS += $(mpi_scripts)
TESTS += $(mpi_scripts)
EXTRA_DIST += $(mpi_scripts) tests/mpi/restarts.sh

MPI_C_COMPILE = $(MPICC) -std=gnu11 -O2 -g $(WARN_CFLAGS)

$(mpi_c_programs): tests/mpi/%: $(srcdir)/tests/mpi/%.c \
		$(mpi_headers:%=$(srcdir)/%)
	@$(MKDIR_P) tests/mpi
	$(AM_V_GEN)case $@ in */nopie) fixed="-no-pie -fno-pie";; esac; \
	    $(MPI_C_COMPILE) $$fixed $< -o $@ -pthread -ldl -lm -lutil

# Linked with nothing of MPI.
tests/mpi/dlsym: $(srcdir)/tests/mpi/dlsym.c
	@$(MKDIR_P) tests/mpi
	$(AM_V_GEN)$(CC) -std=gnu11 -O2 -g $(WARN_CFLAGS) $< -o $@ -ldl

tests/mpi/names_library.so tests/mpi/plugin.so tests/mpi/tool_library.so: tests/mpi/%.so: $(srcdir)/tests/mpi/%.c
	@$(MKDIR_P) tests/mpi
	$(AM_V_GEN)$(MPI_C_COMPILE) -shared -fPIC $< -o $@

tests/mpi/tool tests/mpi/tool_alone: $(srcdir)/tests/mpi/tool.c tests/mpi/tool_library.so \
		$(mpi_headers:%=$(srcdir)/%)
	$(AM_V_GEN)case $@ in */tool) with="-Wl,--no-as-needed -Ltests/mpi -l:tool_library.so"; esac; \
	    $(MPI_C_COMPILE) $(srcdir)/tests/mpi/tool.c -o $@ $$with \
	    -Wl,-rpath,'$(abs_builddir)/tests/mpi' -ldl

tests/mpi/pool tests/mpi/throws tests/mpi/unwinds: %: $(srcdir)/%.cpp $(srcdir)/tests/mpi/check.h
	@$(MKDIR_P) tests/mpi
	$(AM_V_GEN)$(MPICXX) -std=c++17 -O2 -g $< -o $@ -pthread
