# SPDX-License-Identifier: BSD-3-Clause
#
# The examples that use crmpi.h, and programs that misuse it; tests/api/run kills and
# restarts them.
api_c_examples = tests/api/scratch tests/api/steps
api_c_tests = tests/api/anew tests/api/misuse
api_c_programs = $(api_c_examples) $(api_c_tests)
CLEANFILES += $(api_c_programs) tests/api/particles
check_DATA += $(api_c_programs)
if HAVE_MPIFORT
check_DATA += tests/api/particles
endif
EXTRA_DIST += tests/api/run $(api_c_tests:%=%.c)

API_LINK = -L. -lcrmpi -Wl,-rpath,'$(abs_builddir)' -lm

$(api_c_examples): tests/api/%: $(srcdir)/examples/%.c $(srcdir)/include/crmpi.h libcrmpi.so
	@$(MKDIR_P) tests/api
	$(AM_V_GEN)$(MPI_C_COMPILE) -I$(srcdir)/include $< -o $@ $(API_LINK)

$(api_c_tests): tests/api/%: $(srcdir)/tests/api/%.c $(srcdir)/include/crmpi.h libcrmpi.so
	@$(MKDIR_P) tests/api
	$(AM_V_GEN)$(MPI_C_COMPILE) -I$(srcdir)/include $< -o $@ $(API_LINK)

tests/api/particles: $(srcdir)/examples/particles.f90 crmpi.mod libcrmpi.so
	@$(MKDIR_P) tests/api
	$(AM_V_GEN)$(MPIFORT) -O2 -I. -J tests/api $(srcdir)/examples/particles.f90 -o $@ \
	    $(API_LINK)
CLEANFILES += tests/api/hooks.mod
