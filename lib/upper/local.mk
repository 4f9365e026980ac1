# SPDX-License-Identifier: BSD-3-Clause
#
# libcrmpi.so: the upper half's part of crmpi.
libcrmpi_so_0_SOURCES += \
	lib/base/own.c lib/base/own.h \
	lib/upper/after.c \
	lib/upper/application.c \
	lib/upper/binding.c \
	lib/upper/cxx.c \
	lib/upper/enter.c \
	lib/upper/fortran.h \
	lib/upper/fortran_application.c \
	lib/upper/fortran_attribute.c \
	lib/upper/fortran_callback.c lib/upper/fortran_collective.c lib/upper/fortran_info.c \
	lib/upper/fortran_object.c \
	lib/upper/fortran_request.c \
	lib/upper/idle.c \
	lib/upper/number.c \
	lib/upper/preload.c \
	lib/upper/redirect.c \
	lib/upper/rma.c \
	lib/upper/signal.c \
	lib/upper/switch.S \
	lib/upper/tools.c \
	lib/upper/transfer.c \
	lib/upper/upper.h

# The module for Fortran: declarations only, so there is nothing to link.  Modules are for
# one compiler; others compile the source.
if HAVE_MPIFORT
nodist_include_HEADERS += crmpi.mod
endif
CLEANFILES += crmpi.mod
crmpi.mod: $(srcdir)/include/crmpi.f90
	$(AM_V_GEN)$(MPIFORT) -Wall -Wextra -Werror -Wno-c-binding-type \
	    -fsyntax-only -J. $(srcdir)/include/crmpi.f90
