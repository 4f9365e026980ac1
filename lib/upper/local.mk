# SPDX-License-Identifier: BSD-3-Clause
#
# What libcrmpi.so is made of, besides the generated stubs.
