# SPDX-License-Identifier: BSD-3-Clause
#
# The MPI calls: table, generator, wrappers written by hand.

GENERATE = MPI_HAS='$(MPI_HAS)' $(PYTHON3) $(srcdir)/wrappers/generate.py $(srcdir)/wrappers/mpi-calls.txt
GENERATED = wrappers/stubs.S wrappers/inner.h wrappers/lower.h wrappers/names.c \
	wrappers/tables.c wrappers/calls.c

BUILT_SOURCES += wrappers/inner.h wrappers/lower.h
CLEANFILES += $(GENERATED)
EXTRA_DIST += wrappers/generate.py wrappers/mpi-calls.txt

nodist_libcrmpi_so_0_SOURCES += wrappers/stubs.S wrappers/names.c wrappers/inner.h
nodist_crmpi_host_SOURCES += wrappers/calls.c wrappers/names.c wrappers/tables.c wrappers/lower.h
crmpi_host_SOURCES += wrappers/layer.h wrappers/objects.h wrappers/window.h \
	wrappers/hand/application.c wrappers/hand/attribute.c wrappers/hand/comm.c wrappers/hand/comm_idup.c \
	wrappers/hand/comm_freed.c wrappers/hand/comm_life.c \
	wrappers/hand/cut.c wrappers/hand/cut.h \
	wrappers/hand/datarep.c wrappers/hand/dynamic.c wrappers/hand/environment.c wrappers/hand/error.c wrappers/hand/foreign.c \
	wrappers/hand/file.c wrappers/hand/file_cut.c wrappers/hand/file_parts.c \
	wrappers/hand/file_split.c \
	wrappers/hand/group.c \
	wrappers/hand/info.c wrappers/hand/init.c wrappers/hand/misc.c \
	wrappers/hand/layer.c wrappers/hand/op.c wrappers/hand/topology.c \
	wrappers/hand/type.c wrappers/hand/epoch.c wrappers/hand/rma.c \
	wrappers/hand/slice.c wrappers/hand/slice.h \
	wrappers/hand/touch.c \
	wrappers/hand/unsaved.c \
	wrappers/hand/window.c wrappers/hand/window.h wrappers/hand/window_cut.c \
	wrappers/hand/window_memory.c

# A release has them for each library (wrappers/made), so that it builds without Python.
$(GENERATED): $(srcdir)/wrappers/generate.py $(srcdir)/wrappers/mpi-calls.txt
	@$(MKDIR_P) wrappers
	$(AM_V_GEN)made=$(srcdir)/wrappers/made/`echo $(MPI_HAS) | tr ' ' -`/$(@F); \
	if test "$$made" -nt $(srcdir)/wrappers/generate.py && \
	    test "$$made" -nt $(srcdir)/wrappers/mpi-calls.txt; then \
	    cp "$$made" $@.tmp; \
	else \
	    $(GENERATE) `basename $@ | sed 's/\..*//'` > $@.tmp; \
	fi && mv $@.tmp $@
dist-hook: dist-wrappers
.PHONY: dist-wrappers
dist-wrappers:
	@for has in 4.1 '4.1 mpi1' 5.0 '5.0 mpi1' '5.0 ft' '5.0 mpi1 ft'; do \
	    to=$(distdir)/wrappers/made/`echo $$has | tr ' ' -`; \
	    $(MKDIR_P) "$$to" || exit; \
	    for file in $(GENERATED); do \
	        file=`basename $$file`; \
	        MPI_HAS=$$has $(PYTHON3) $(srcdir)/wrappers/generate.py \
	            $(srcdir)/wrappers/mpi-calls.txt $${file%.*} >"$$to/$$file" || exit; \
	    done; \
	done

# Every function of the MPI library must have its row in the table.
check-local: check-mpi-calls
.PHONY: check-mpi-calls
check-mpi-calls: crmpi-host
	$(AM_V_at)header=`echo '#include <mpi.h>' | $(CPP) $(MPI_CPPFLAGS) -M - | tr ' ' '\n' | \
	    grep '/mpi\.h$$'`; \
	library=`ldd crmpi-host | awk '/libmpi\.so/ { print $$3 }'`; \
	$(GENERATE) check "$$header" "$$library"

# Point-to-point, requests, collectives, the gate and the drain.
crmpi_host_SOURCES += wrappers/hand/p2p.h wrappers/hand/drain.h wrappers/hand/reduction.h \
	wrappers/hand/alone.c wrappers/hand/coll.c wrappers/hand/complete.c wrappers/hand/drain.c \
	wrappers/hand/held.c wrappers/hand/pending.c wrappers/hand/reduction.c wrappers/hand/settle.c \
	wrappers/hand/gate.c wrappers/hand/grequest.c \
	wrappers/hand/ledger.c wrappers/hand/ledger_cut.c wrappers/hand/ledger.h wrappers/hand/message.c \
	wrappers/hand/p2p.c wrappers/hand/p2p_state.c wrappers/hand/persistent.c wrappers/hand/persistent.h \
	wrappers/hand/repost.c wrappers/hand/request.c wrappers/hand/saved.c \
	wrappers/hand/sent_log.c wrappers/hand/shared.c wrappers/hand/typed.c

# What came with MPI-4.
if HAVE_MPI_4
crmpi_host_SOURCES += wrappers/hand/isendrecv.c wrappers/hand/partitioned.c \
	wrappers/hand/session.c
endif
EXTRA_DIST += wrappers/hand/isendrecv.c wrappers/hand/partitioned.c wrappers/hand/session.c
