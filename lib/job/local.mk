# SPDX-License-Identifier: BSD-3-Clause
#
# What is known of a job from outside: where it is, how it was started, why it ended.
# The tools need it, too.
libcrmpi_base_a_SOURCES += \
	lib/job/contact.c lib/job/contact.h \
	lib/job/launcher.c lib/job/launcher.h \
	lib/job/stopped.c lib/job/stopped.h
