# SPDX-License-Identifier: BSD-3-Clause
#
# The examples that use crmpi.h, and programs that misuse it; tests/api/run kills and
# restarts them.
api_programs = tests/api/scratch tests/api/misuse
CLEANFILES += $(api_programs)
check_DATA += $(api_programs)
EXTRA_DIST += tests/api/run tests/api/misuse.c

API_LINK = -L. -lcrmpi -Wl,-rpath,'$(abs_builddir)' -lm

tests/api/scratch: $(srcdir)/examples/scratch.c $(srcdir)/include/crmpi.h libcrmpi.so
	@$(MKDIR_P) tests/api
	$(AM_V_GEN)$(MPI_C_COMPILE) -I$(srcdir)/include $(srcdir)/examples/scratch.c -o $@ \
	    $(API_LINK)

tests/api/misuse: $(srcdir)/tests/api/misuse.c $(srcdir)/include/crmpi.h libcrmpi.so
	@$(MKDIR_P) tests/api
	$(AM_V_GEN)$(MPI_C_COMPILE) -I$(srcdir)/include $(srcdir)/tests/api/misuse.c -o $@ \
	    $(API_LINK)
