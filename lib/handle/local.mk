# SPDX-License-Identifier: BSD-3-Clause
#
# Virtual handles.
crmpi_host_SOURCES += lib/handle/handle.c lib/handle/handle.h
