# SPDX-License-Identifier: BSD-3-Clause
#
# main() of the lower half.
crmpi_host_SOURCES += \
	lib/host/main.c
