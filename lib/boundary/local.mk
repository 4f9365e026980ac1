# SPDX-License-Identifier: BSD-3-Clause
#
# The boundary between the halves, and crmpi's own heap.
