# SPDX-License-Identifier: BSD-3-Clause
#
# Bringing a program up as the upper half.
crmpi_host_SOURCES += \
	lib/program/cpu.c \
	lib/program/host.c lib/program/host.h \
	lib/program/loader.c lib/program/loader.h \
	lib/program/personality.c lib/program/personality.h \
	lib/program/sanitizer.c lib/program/sanitizer.h

# crmpi's vdso is a file of its own that the loader embeds.
vdso.so: $(srcdir)/lib/upper/vdso.S $(srcdir)/lib/upper/vdso.lds $(srcdir)/lib/boundary/control.h
	$(AM_V_GEN)$(CC) -I$(srcdir)/lib -shared -nostdlib -fPIC -o $@ $(srcdir)/lib/upper/vdso.S \
		-Wl,-T,$(srcdir)/lib/upper/vdso.lds -Wl,-soname,linux-vdso.so.1 \
		-Wl,--hash-style=both -Wl,--build-id=none -Wl,--eh-frame-hdr
CLEANFILES += vdso.so
lib/program/crmpi_host-loader.$(OBJEXT): vdso.so
EXTRA_DIST += lib/upper/vdso.S lib/upper/vdso.lds
