#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# Pictures and words of made-up histories.  Run in the build tree.

set -u
here=$(cd "$(dirname "$0")" && pwd)
. "$here/pictures.sh"

samples="four four-one four-lost domino 64 64-one 64-lost 64-alone 1000 1000-alone nothing
strange"
for sample in $samples; do
    for kind in svg dot words; do
        written "$sample" $kind ./tests/unit/tools/graph-sample
    done
    picture "$sample" 1000000
    command -v dot >/dev/null && { timeout 60 dot -Tcanon "$temporary/$sample.dot" \
        >/dev/null || fail "Graphviz does not understand $sample.dot"; }
done
looked_at

# four ranks: each has a row, so has its memory; two lines, three cohorts, one restart
count four svg '>rank [0-3]</text>' 4
count four svg '>window 7</text>' 4
count four svg 'class="whole".*height="[0-9]{3}' 2
count four svg 'class="cohort-line"' 4
has four svg 'policy partial' '4 ranks, 4 segments of windows' '12:01:00 to 12:05:27' \
    '>restart 1<' '>messages<' '>a collective<' '>accesses to a window<' '>recovery line<' \
    'If all ranks fail: all ranks go back to the newest checkpoints'
count four svg 'class="lost"' 0
count four svg 'class="step"' 0
count four words '^  checkpoint 6 +ranks 0, 3, taken 2026-01-01 12:05:27' 2
has four words '4 ranks, 4 segments' 'Nobody has to go back because of another' \
    '^  checkpoint 5 +ranks 1, 2,' '1 min 30 s before the newest' \
    '^In transit: 3 messages in 2 streams'
count four dot 'subgraph cluster' 6
has four-one svg 'If rank 2 fails: 1 of 4 ranks goes back to the newest checkpoint'
has four-one words '^  running on +ranks 0, 1, 3$' '^  checkpoint 5 +rank 2,' \
    'It is taken'

# a lost checkpoint: crossed out, and what it forces has the same numbers in all
count four-lost svg 'class="cross"' 5
has four-lost svg 'class="step"' '>1</text>' 'rank 2 goes back' 'behind the newest'
has four-lost words '^  1\. rank 2 goes back .*checkpoint 5 is lost' '^  5\. ' 'LOST' \
    '^  checkpoint 2 +rank 0,.*3 min 32 s before'
count four-lost words '^  [0-9]+\. ' 5
count four-lost words 'segment of window|window 7 of rank' 0
has four-lost dot 'xlabel="lost"' 'penwidth=3'

# domino: all the way back to the line, in sixteen steps
count domino words '^  [0-9]+\. ' 16
has domino words '^  checkpoint 1 +ranks 0-3,'
has domino svg '>16</text>'

# ranks that are alike share a row; who is not has its own
count 64 svg '>ranks (0-15|16-31|32-47|48-63)</text>' 4
count 64-one svg '>rank [0-9]+</text>' 1
has 64-one svg '>rank 17</text>' '>ranks 16, 18-31</text>'
has 64-lost svg '>rank 5</text>' '>rank 41</text>' 'and [0-9]+ more steps'
count 64-alone svg '>rank [0-9]+</text>' 64
has 1000 svg '>rank 613</text>' '>ranks 0-249</text>'
[ "$(grep -c 'text-anchor="end">' "$temporary/1000-alone.svg")" -gt 60 ] &&
    count 1000-alone svg '>rank [0-9]+</text>' 6
has 1000-alone svg '>earlier<'

# one rank at its beginning; texts that are no texts
has nothing words 'to the very beginning'
has strange svg '&lt;script&gt;&amp;amp;' '\]\]&gt;\?' '&lt;!\[CDATA\['
has strange words '^Job .*\?'
! LC_ALL=C grep -q "$(printf '\001')" "$temporary/strange.words" ||
    fail "strange.words has control characters"

[ $failures = 0 ]
