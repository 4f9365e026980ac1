# SPDX-License-Identifier: BSD-3-Clause
#
# When and how checkpoints are taken: pure state machines.
