#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# What crmpi-inspect stats says of made-up histories, and its pictures.  Run in the build
# tree.

set -u
here=$(cd "$(dirname "$0")" && pwd)
. "$here/pictures.sh"

for sample in modes one many strange nothing; do
    for kind in svg table; do
        written "$sample" $kind ./tests/unit/tools/stats-sample
    done
    picture "$sample" 200000
done
looked_at

# several runs: each is a bar and a colour; those that are alike are told by their names
has modes svg '>Effect of checkpoints on execution time<' '>59.5 s, 1.000 times<' \
    '>66.[0-9] s, 1.1[0-9]* times, 11 checkpoints<' '>full: tmpfs \(again\)<' \
    '>Effect of the destination on checkpointing time<' '>tmpfs, erasure=2\+2: full<' \
    '>execution time \(s\)<' '>time of a checkpoint, median \(s\)<' '>0.01<' '>GiB<'
count modes svg 'class="bar-light"' 19
count modes svg '<circle class="series[1-9]' 32 # increments
has modes table '^  ran 59.5 s .* 0 checkpoints' '^  tmpfs +incremental \(pagemap\) +8 +1.0 GiB +5.0 % +51.4 MiB'
count modes table '^  [a-z].* full' 9

# one run: its ways of saving are colours; the job before it does not count
has one table '^  is known for 6 h 30 min .* 38 checkpoints, 1 given up, 1 restart;' \
    '^  nfs +full, background +7 ' '^  nfs +incremental \(hash\), background +31 +1.0 GiB +12 %'
has one svg '>time since the start \(h\)<' 'crosses: given up; dashed: restarts<'
count one svg 'Effect of checkpoints' 0
count one svg '<title>restart' 2
count one svg 'class="cross"' 2

has many table '3999 checkpoints'
has nothing svg 'No checkpoint has been taken'
has strange svg '&lt;script&gt;&amp;\?'
! LC_ALL=C grep -q "$(printf '[\001\033]')" "$temporary/strange.table" ||
    fail "strange.table has control characters"

[ $failures = 0 ]
