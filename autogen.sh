#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# Makes ./configure from configure.ac, in a fresh clone.
set -eu
cd "$(dirname "$0")"
for tool in autoreconf automake; do
    command -v $tool >/dev/null || {
        echo "autogen.sh: $tool not found; on Debian: apt-get install autoconf automake" >&2
        exit 1
    }
done
mkdir -p build-aux
exec autoreconf --install --force
