# libcrmpi.so: the upper half's part of crmpi.
libcrmpi_so_SOURCES += lib/upper/preload.c lib/upper/switch.S lib/upper/upper.h
