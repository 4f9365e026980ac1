# The host program: loader, traps, threads.
crmpi_host_SOURCES += \
	lib/lower/calls.h \
	lib/lower/cpu.c \
	lib/lower/descriptors.c lib/lower/descriptors.h \
	lib/lower/host.h \
	lib/lower/loader.c lib/lower/loader.h \
	lib/lower/main.c \
	lib/lower/park.c lib/lower/park.h \
	lib/lower/raw.h \
	lib/lower/thread.c lib/lower/thread.h \
	lib/lower/trap.c lib/lower/trap.h

# crmpi's vdso is a file of its own that the loader embeds.
vdso.so: $(srcdir)/lib/upper/vdso.S $(srcdir)/lib/upper/vdso.map $(srcdir)/lib/boundary/control.h
	$(AM_V_GEN)$(CC) -I$(srcdir)/lib -shared -nostdlib -fPIC -o $@ $(srcdir)/lib/upper/vdso.S \
		-Wl,-soname,linux-vdso.so.1 -Wl,--version-script=$(srcdir)/lib/upper/vdso.map \
		-Wl,-z,max-page-size=4096 -Wl,-z,noseparate-code -Wl,--hash-style=both \
		-Wl,--build-id=none
CLEANFILES += vdso.so
lib/lower/crmpi_host-loader.$(OBJEXT): vdso.so
EXTRA_DIST += lib/upper/vdso.S lib/upper/vdso.map
