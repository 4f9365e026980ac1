#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# A checkpoint directory seen from outside: by crmpi-inspect, by HDF5's own tools and by a
# reader written from the format document.  Run in the build tree.

set -u
here=$(cd "$(dirname "$0")" && pwd)
test=inspect
. "$here/../../checks.sh"
dir=$temporary/ckpt

# try STATUS WORD... -- PATTERN...: run crmpi-inspect; check its status and what it prints
try()
{
    expected=$1
    shift
    words=
    while [ $# -gt 0 ] && [ "$1" != -- ]; do
        words="$words $1"
        shift
    done
    [ $# -gt 0 ] && shift
    # shellcheck disable=SC2086
    ./crmpi-inspect $words >"$out" 2>&1
    status=$?
    [ $status = "$expected" ] || fail "crmpi-inspect$words: status $status, not $expected"
    for pattern; do
        grep -Eq -e "$pattern" "$out" || fail "crmpi-inspect$words: no '$pattern'"
    done
}

# byte FILE OFFSET: change a byte
byte()
{
    was=$(od -An -tu1 -j"$2" -N1 "$1" | tr -d ' ')
    # shellcheck disable=SC2059
    printf "\\$(printf %o $((was ^ 1)))" | dd of="$1" bs=1 seek="$2" conv=notrunc 2>/dev/null
}

./tests/unit/storage/storage-sample "$dir" || exit 1

try 0 "$dir" -- '^ +11 .* 2 +15.1 MiB .*complete$' '^ +12 .*coordinated +complete$'
try 0 list "$dir" -- '^ +12 ' '16.0 MiB +1.06 +75.0 % +full bg lz4 +0.030 s +0.50 s +30.2 MiB/s'
try 0 "$dir" verify -- '^line 11: .*all right$' '^line 12: .*all right$'
try 0 verify "$dir" 12 -- '^line 12: .*all right$'
grep -q 'line 11' "$out" && fail "verify 12 verified 11, too"
try 0 "$dir" show 12 -- '^launcher +mpirun -np two\?lines$' '^ +1 +12 .* node7$'
try 0 "$dir" show 12 1 -- '0x1b0000000000 .*rw-p  \[heap\]' '/task/threads +12 B' \
    '^  taken +with all ranks$' '^  counts from checkpoint 11' \
    '^  messages +rank 1: 1 to it, 6 from it, in 2 streams$' \
    '^  collectives communicator 1 of ranks 0, 1: 12$' \
    '^  accesses +to window 7 of rank 0: write$' '^  accesses +by rank 1 to its window 7: atomic$'
try 0 "$dir" show 12 -- '^new in it +all ranks$' '^in transit +nothing$' 'now from line 1$' \
    '^saved +full, background, lz4: 16.0 MiB in memory, of which 12.0 MiB were .* 12.0 MiB \(75.0 %\) stored, ' \
    '^stopped +0.030 s at most, in rank 1; median 0.030 s, least 0.020 s in rank 0$' \
    '^written +0.400 s at most, in rank 0; '
CRMPI_DIR=$dir ./crmpi-inspect verify 11 >"$out" 2>&1 || fail "the directory from CRMPI_DIR"

# pictures, and words
try 0 "$dir" graph -- '^<svg ' '>11</text>' '>rank 1</text>' '>window 8</text>' '^</svg>$'
command -v xmllint >/dev/null && { xmllint --noout "$out" || fail "graph writes no XML"; }
try 0 graph "$dir" --dot -- '^digraph ' 'all: 12'
try 0 "$dir" graph -o "$temporary/a.svg" --ranks 0-1 --fail 0 --fail=1
[ ! -s "$out" ] && grep -q '^</svg>' "$temporary/a.svg" || fail "graph -o a.svg"
try 0 "$dir" graph -o "$temporary/a.dot"
grep -q '^digraph ' "$temporary/a.dot" || fail "graph -o a.dot"
try 0 "$dir" explain -- '^Job 0123456789abcdef, ' 'all ranks go back to the newest' \
    '^  checkpoint 12 +ranks 0, 1, ' '^In transit: nothing'
try 0 explain "$dir" --fail 1 -- 'If rank 1 fails' '1\. rank 1 goes back .*it failed' \
    '2\. rank 0 goes back '
try 1 "$dir" explain --fail 2 -- 'no rank 2, but 0 to 1'
try 1 "$dir" graph --ranks 0,7-9 -- 'no rank 9'
try 1 "$dir" graph -o "$temporary/none/a.svg" -- "cannot write $temporary/none/a.svg"
try 1 "$dir" graph -o /dev/full -- 'cannot write /dev/full: No space'
for list in 1- -1 1-0 1,,2 x 1, 99999999999999999999; do
    try 2 "$dir" explain --fail=$list -- "--fail $list: has to be ranks"
done
try 2 "$dir" explain --dot -- 'explain does not take --dot'
try 2 "$dir" verify --fail 1 -- 'verify does not take --fail'
try 2 "$dir" graph 11
try 2 "$dir" graph -o
# what checkpoints cost, of directories with a history
mkdir "$temporary/a" "$temporary/b"
{
    echo time,event,job,ranks,saved,target,memory_bytes,file_bytes,blocked_seconds,total_seconds
    echo 1767268800,start,one,2,0,tmpfs,0,0,0,0
    echo 1767268803.5,line,one,2,2,tmpfs,4194304,2097152,0.25,0.5
    echo 1767268810,end,one,2,0,tmpfs,0,0,0,0
} >"$temporary/a/history.csv"
sed 's/tmpfs/nfs/;s/start,one/start,two/;s/0.25,0.5/1.5,2/;s/one/two/' \
    "$temporary/a/history.csv" >"$temporary/b/history.csv"
try 0 "$temporary/a" stats -- 'job one, 2 ranks' '^  ran 10.0 s .* 1 checkpoint, 0 given up' \
    'stopped for 0.2 s, 2.5 %' '^  tmpfs +full +1 +4.0 MiB .* 2.0 MiB +0.250 s +0.500 s +4.0 MiB/s$'
try 0 stats "$temporary/a" "$temporary/b" --svg "$temporary/stats.svg" -- \
    '^  tmpfs +full ' '^  nfs +full +1 .* 1.500 s +2.000 s '
grep -q '>tmpfs: full<' "$temporary/stats.svg" && grep -q '>nfs: full<' "$temporary/stats.svg" ||
    fail "stats --svg"
try 1 "$temporary/a" stats --svg /dev/full -- 'cannot write /dev/full: No space'
try 1 stats "$temporary/a" "$dir" -- "$dir has no history of checkpoints" '^  tmpfs +full '
try 1 "$dir" stats
try 2 "$dir" --svg "$temporary/x.svg" -- 'list does not take --svg'
try 2 "$dir" "$temporary/a" verify -- "$temporary/a is too much"
try 2 "$dir" stats --dot
try 2 "$dir" stats 12 12 12

try 0 --help -- '^Usage:'
try 0 --version -- '^crmpi [0-9]'
try 2 "$dir" show -- 'needs the number'
try 2 "$dir" verify 1 2
try 2 "$dir" list 1
try 2 "$dir" --what -- 'unknown option --what'
try 2 "$dir" "$dir"
try 1 "$dir" show 13 -- '000013.h5'
try 1 "$dir" show 12 2 -- 'ranks 0 to 1'
try 1 "$temporary/none" -- "$temporary/none"

# HDF5's own tools follow the links
if command -v h5ls >/dev/null && command -v h5dump >/dev/null; then
    h5ls -rE "$dir/lines/000012.h5" >"$out" 2>&1 || fail "h5ls"
    grep -q '^/ranks/000000/task/memory *Dataset {7873512}' "$out" || fail "h5ls: no memory"
    grep -q '^/ranks/000000/window/000007/memory *Dataset {9097}' "$out" ||
        fail "h5ls: no window"
    h5dump -H "$dir/lines/000012.h5" >"$out" 2>&1 || fail "h5dump"
    [ "$(grep -c 'DATASET "memory"' "$out")" = 6 ] || fail "h5dump: no memory"
    h5dump "$dir/ranks/000001/000012.h5" >"$out" 2>&1 || fail "h5dump of all data"
fi

# and so does a reader that shares no code with crmpi
python=
for try in "${PYTHON3:-python3}" /usr/bin/python3; do
    [ -z "$python" ] && "$try" -c 'import h5py' 2>/dev/null && python=$try
done
if [ -n "$python" ]; then
    "$python" "$here/../storage/read-container.py" "$dir" >"$out" 2>&1 || fail "read-container.py"
    [ "$(grep -c '^rank .* 3 windows, 0 named, depends on 4 streams .* 2 cohort, records /channel/state /task/threads$' "$out")" = 4 ] ||
        fail "read-container.py has not seen everything"
else
    echo "no python3 with h5py: the independent reader was left out"
fi

# increments, and compressed ones: their parents are read, too
./tests/unit/storage/storage-sample "$temporary/chains" 2 || exit 1
try 0 "$temporary/chains" verify -- '^line 21: .*all right$' '^line 23: .*all right$'
if [ -n "$python" ]; then
    "$python" "$here/../storage/read-container.py" "$temporary/chains" >"$out" 2>&1 ||
        fail "read-container.py cannot read increments"
    [ "$(grep -c '^rank .* 1 windows, 1 named, ' "$out")" = 6 ] ||
        fail "read-container.py has not seen all increments"
    "$python" -c 'import h5py, sys
for rank, kinds in (("000000", (None,) * 3), ("000001", ("lz4", "zstd", "lz4"))):
    for sn, kind in zip(range(21, 24), kinds):
        file = h5py.File(f"{sys.argv[1]}/ranks/{rank}/0000{sn}.h5")
        temperature = file["task/named/temperature"]
        assert temperature.shape == (64, 16) and temperature.dtype == "<f8"
        memory = file["task/memory"]
        try:
            import hdf5plugin
        except ImportError:
            continue
        if kind and not h5py.h5z.filter_avail({"lz4": 32004, "zstd": 32015}[kind]):
            continue
        data = memory[()].tobytes()
        for extent in file["task/extents"]:
            page = data[int(extent["offset"]):int(extent["offset"] + extent["bytes"])]
            assert any(page), "a page of zeros was stored, or is not where it should be"' \
        "$temporary/chains" >"$out" 2>&1 || fail "h5py with the plug-ins of the filters"
fi
if command -v h5dump >/dev/null && h5dump -d /task/memory "$temporary/chains/ranks/000001/000021.h5" \
    >"$out" 2>&1; then # it has a plug-in
    grep -q '(0): ' "$out" || fail "h5dump of compressed memory"
fi
file=$temporary/chains/ranks/000001/000021.h5
byte "$file" 9000
try 1 "$temporary/chains" verify 23 -- "$file \(needed by .*000023.h5\) is damaged: block 0 of /task"
byte "$file" 9000
mv "$file" "$file.away"
try 1 "$temporary/chains" verify 23 -- "$file is missing, and .*000023.h5 needs it"
mv "$file.away" "$file"
try 0 "$temporary/chains" verify 23

# what was once written is read, or refused with words: memory with structures of another
# crmpi cannot go on here
for version in 2 3 4 5; do
    tail -n +3 "$here/../../golden/version-$version.b64" | base64 -d |
        tar -xzf - --no-same-owner -C "$temporary" ||
        fail "the golden file of version $version cannot be unpacked"
done
case ${BUILT_WITH-lz4 zstd} in
*lz4*zstd*)
    try 0 "$temporary/version-5" verify -- '^line 21: 2 ranks, .*: all right$' \
        '^line 23: 2 ranks, .*: all right$'
    ;;
*) try 1 "$temporary/version-5" verify -- '^line 22: .*: 1 of 2 rank files cannot be read here$' ;;
esac
[ -n "$python" ] && ! "$python" "$here/../storage/read-container.py" "$temporary/version-5" >"$out" 2>&1 &&
    fail "read-container.py cannot read the golden file"
for version in 2 3 4; do
    try 1 "$temporary/version-$version" verify -- \
        "written by an older crmpi, in format version $version instead of 5: use the crmpi that"
done

# damage: list takes a glance only, verify sees every byte
file=$dir/ranks/000001/000012.h5
byte "$file" 5000000
try 0 "$dir"
try 1 "$dir" verify -- "$file is damaged: block 4 of /task/memory " '^line 11: .*all right' \
    '^line 12: .*1 rank file damaged$'
[ -n "$python" ] && "$python" "$here/../storage/read-container.py" "$dir" >"$out" 2>&1 &&
    fail "read-container.py has not seen the damage"
byte "$file" 5000000
try 0 "$dir" verify 12
# damage in a window
if [ -n "$python" ]; then
    at=$("$python" -c 'import h5py, sys
print(h5py.File(sys.argv[1])["window/000007/memory"].id.get_offset() + 1000)' "$file")
    byte "$file" "$at"
    try 1 "$dir" verify 12 -- "$file is damaged: block 0 of /window/000007/memory "
    "$python" "$here/../storage/read-container.py" "$dir" >"$out" 2>&1 &&
        fail "read-container.py has not seen the damage in a window"
    byte "$file" "$at"
    try 0 "$dir" verify 12
fi
byte "$file" 4200
try 1 "$dir" verify 12 -- "$file is damaged: the digest"
try 1 "$dir" show 12 -- '^ +0 .* node7$' 'missing or damaged$'
cp "$dir/ranks/000000/000012.h5" "$file"
try 1 "$dir" verify 12 -- "$file is not the file that line 12 was made of"
try 0 "$dir" explain -- ', LOST$' 'rank 1 goes back from 12 to checkpoint 11: .* is lost' \
    '^  checkpoint 11 +rank 1,'
try 0 "$dir" graph -- 'class="cross"' 'class="step"'
truncate -s 5000 "$file"
try 1 "$dir" -- '^ +12 .* 1 rank file damaged$'
rm "$file"
try 1 "$dir" -- '^ +11 .*complete$' '^ +12 .* 1 rank file missing$'
try 1 "$dir" verify -- '^line 12: .*1 rank file missing$'
byte "$dir/lines/000011.h5" 4200
try 1 "$dir" -- '^ +11  damaged$'
try 1 "$temporary/none" graph -- "$temporary/none"
try 1 "$dir" verify 11 -- 'lines/000011.h5 is damaged' '^line 11: cannot be read$'
rm "$dir"/lines/*
try 0 "$dir" -- 'has no recovery line'
try 1 "$dir" verify -- 'no recovery line to verify'
try 1 "$dir" graph -- 'has no recovery line'
grep -q svg "$out" && fail "a picture of nothing"
try 1 "$dir" explain -- 'has no recovery line'
chmod 777 "$dir/lines"
try 1 "$dir" -- 'others may write it'

[ $failures = 0 ]
