# SPDX-License-Identifier: BSD-3-Clause
#
# The protocol thread and the phases of a checkpoint.
