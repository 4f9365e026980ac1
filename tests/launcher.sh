# SPDX-License-Identifier: BSD-3-Clause
#
# Open MPI's launcher as tests want it: also as root, and with more ranks than there are
# cores, by the names of 4.1 and of 5.0.  Shell scripts read this, and tests/campaign.
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export PRTE_ALLOW_RUN_AS_ROOT=1 PRTE_ALLOW_RUN_AS_ROOT_CONFIRM=1
export OMPI_MCA_rmaps_base_oversubscribe=1 PRTE_MCA_rmaps_default_mapping_policy=:oversubscribe
export OMPI_MCA_mpi_yield_when_idle=1
# an interface with addresses of several kinds does not reach itself in 5.0
export OMPI_MCA_btl_tcp_disable_family=6
