# SPDX-License-Identifier: BSD-3-Clause
#
# Small programs to try crmpi with.
