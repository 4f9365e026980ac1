# SPDX-License-Identifier: BSD-3-Clause
#
# Unit tests, MPI programs, acceptance.

include tests/sim/local.mk

if HAVE_CHECK
check_PROGRAMS += tests/unit/config tests/unit/launcher tests/unit/policy
TESTS += tests/unit/config tests/unit/launcher tests/unit/policy
tests_unit_config_SOURCES = tests/unit/config.c
tests_unit_config_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CPPFLAGS)
tests_unit_config_LDADD = libcrmpi-base.a $(CHECK_LIBS)
tests_unit_launcher_SOURCES = tests/unit/launcher.c
tests_unit_launcher_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CPPFLAGS)
tests_unit_launcher_LDADD = libcrmpi-base.a $(CHECK_LIBS)
tests_unit_policy_SOURCES = tests/unit/policy.c $(crmpi_policy_sources)
tests_unit_policy_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CPPFLAGS)
tests_unit_policy_LDADD = $(CHECK_LIBS) -lm
endif
