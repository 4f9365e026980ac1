# SPDX-License-Identifier: BSD-3-Clause
#
# Small programs to try crmpi with: installed as sources, compiled by the tests.
examplesdir = $(docdir)/examples
dist_examples_DATA = examples/README examples/heat.c examples/pi.py

check_PROGRAMS += heat
heat_SOURCES = examples/heat.c
heat_CPPFLAGS = $(AM_CPPFLAGS) $(MPI_CPPFLAGS)
heat_LDADD = $(MPI_LIBS)
