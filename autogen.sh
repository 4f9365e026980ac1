#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# Makes ./configure from configure.ac, in a fresh clone.
set -eu
cd "$(dirname "$0")"
command -v autoreconf >/dev/null && command -v automake >/dev/null || {
    echo "autogen.sh: autoreconf or automake not found;" \
         "on Debian: apt-get install autoconf automake" >&2
    exit 1
}
mkdir -p build-aux
exec autoreconf --install --force
