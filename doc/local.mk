# SPDX-License-Identifier: BSD-3-Clause
#
# Manual pages and documents.
