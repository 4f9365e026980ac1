# SPDX-License-Identifier: BSD-3-Clause
#
# The programs of one-sided communication, built as the others in C (local.mk).

mpi_c_tests += longcalls rma_counter rma_flavors rma_forever rma_held rma_mutex rma_ops rma_pages rma_segments \
	rma_stencil rma_waits
mpi_headers += tests/mpi/rma.h tests/mpi/rma_model.h
