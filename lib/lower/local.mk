# SPDX-License-Identifier: BSD-3-Clause
#
# The host program: loader, traps, threads.
crmpi_host_SOURCES += \
	lib/lower/addresses.c lib/lower/addresses.h \
	lib/lower/calls.h \
	lib/lower/apart.c lib/lower/apart.h \
	lib/lower/children.c lib/lower/children.h \
	lib/lower/clock.c lib/lower/clock.h \
	lib/lower/cpu.c \
	lib/lower/descriptors.c lib/lower/descriptors.h \
	lib/lower/filter.c lib/lower/filter.h \
	lib/lower/gate.c lib/lower/gate.h \
	lib/lower/host.h \
	lib/lower/ids.c lib/lower/ids.h \
	lib/lower/interrupted.c lib/lower/interrupted.h \
	lib/lower/loader.c lib/lower/loader.h \
	lib/lower/main.c \
	lib/lower/owners.c lib/lower/owners.h \
	lib/lower/park.c lib/lower/park.h \
	lib/lower/personality.c lib/lower/personality.h \
	lib/lower/queue.c lib/lower/queue.h \
	lib/lower/raw.h \
	lib/lower/sanitizer.c lib/lower/sanitizer.h \
	lib/lower/locks.c lib/lower/locks.h lib/lower/thread.c lib/lower/thread.h \
	lib/lower/text.h \
	lib/lower/trap.c lib/lower/trap.h \
	lib/lower/xstate.c lib/lower/xstate.h

# crmpi's vdso is a file of its own that the loader embeds.
vdso.so: $(srcdir)/lib/upper/vdso.S $(srcdir)/lib/upper/vdso.lds $(srcdir)/lib/boundary/control.h
	$(AM_V_GEN)$(CC) -I$(srcdir)/lib -shared -nostdlib -fPIC -o $@ $(srcdir)/lib/upper/vdso.S \
		-Wl,-T,$(srcdir)/lib/upper/vdso.lds -Wl,-soname,linux-vdso.so.1 \
		-Wl,--hash-style=both -Wl,--build-id=none -Wl,--eh-frame-hdr
CLEANFILES += vdso.so
lib/lower/crmpi_host-loader.$(OBJEXT): vdso.so
EXTRA_DIST += lib/upper/vdso.S lib/upper/vdso.lds
