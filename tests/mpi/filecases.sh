#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# What becomes of files at a restart: of those that are gone, replaced, longer, elsewhere,
# larger than CRMPI_FILE_LIMIT, changed while they were not open; and when a restart is
# itself killed.  Run in the build tree.

test=filecases
. "${srcdir:-.}/tests/mpi/restarts.sh"
program=$CRMPI_TESTS/filecases
job_folder=$temporary/job
np=1
before=:

checkpoint()
{
    timeout 60 "$CRMPI_BIN/crmpi-checkpoint" --wait "$CRMPI_DIR" >"$temporary/asked" 2>&1 ||
        fail "no checkpoint: $(cat "$temporary/asked")"
}

# started NAME CASE: run it until its files are there
started()
{
    name=$1
    cd "$temporary" || exit 1
    rm -rf "$job_folder"
    mkdir "$job_folder"
    cd "$job_folder" || exit 1
    $before
    begin $np "$program" "$2"
    awaited 30 test -e ready || fail "it has not begun"
}

# acted: have it change its files, and kill it then
acted()
{
    touch go
    awaited 30 test -e acted || fail "it has not done anything"
    killed
    rm -f acted
}

# crashed NAME CASE: save it, have it change its files, kill it
crashed()
{
    started "$@"
    checkpoint
    acted
}

# back [OPTION...]: it is restarted, and finds its files as they were
back()
{
    touch go end
    restarted "$@"
    ! grep "differs" "$log" || fail "it found other files"
}

# unfit WORDS [OPTION...]: the restart is refused, with words, and nothing is changed
unfit()
{
    words=$1
    shift
    touch go end
    contents=$(find . -type f -exec sha256sum {} + | sort)
    timeout 100 "$CRMPI_BIN/crmpi-restart" "$@" "$CRMPI_DIR" >>"$log" 2>&1 &&
        fail "restarted"
    grep -Eq "$words" "$log" || fail "not said: $words"
    [ "$contents" = "$(find . -type f -exec sha256sum {} + | sort)" ] ||
        fail "files have been changed: $contents, now $(ls -l)"
}

# accepted WORDS DIFFERENCE [OPTION...]: it goes on with what there is, which is another file
accepted()
{
    words=$1 difference=$2
    shift 2
    touch lenient
    restarted --accept-files "$@"
    grep -Eq "$words" "$log" || fail "not said: $words"
    grep -Eq "$difference" "$log" || fail "it found the file as it was: $difference"
}

said()
{
    grep -Eq "$1" "$log" || fail "not said: $1"
}

# ---- open for reading ----

before="cp $source/check.h input"
crashed "an input of the job that is gone" input
rm input
back
crashed "an input of the job that was replaced" input
echo another >input
unfit "$job_folder/input, which was open at the checkpoint, is another file, or has been"
accepted "input is another file, or has been changed since: going on" "input differs"
crashed "an input that was touched" input
touch input
back
crashed "an input that was copied" input
cp -p input copy && mv copy input
back

# of an old one only the time is known; a folder is said to be elsewhere to lose it
before="ln -s $source/check.h input"
crashed "an old input that is gone" input
mkdir elsewhere
unfit "elsewhere/check.h, which was open at the checkpoint, is gone" \
    --map "$source=$job_folder/elsewhere"
cp "$source/check.h" elsewhere
unfit "elsewhere/check.h, which was open at the checkpoint, is another file" \
    --map "$source=$job_folder/elsewhere"
cp -p "$source/check.h" elsewhere
back --map "$source=$job_folder/elsewhere"
crashed "an old input" input
back
before=:

# ---- open for writing ----

crashed "an output that is as the killed run left it" output
back
said "the log has 13 bytes"
crashed "an output that is gone" output
rm output log
back
crashed "an output that was replaced" output
echo another >another && mv another output
back
crashed "an output that is longer" output
echo much more >>output
back
crashed "an output that was renamed" output
mv output renamed
back
[ -e renamed ] || fail "the renamed one is gone"
crashed "outputs that are left as they are" output
touch go end lenient
restarted --no-truncate
said "the log has 20 bytes"
crashed "outputs that are a folder now" output
rm output && mkdir output
unfit "output, which was open at the checkpoint, is no longer a file"
crashed "a folder of outputs that is gone" output
cp go "$temporary" && cd "$temporary" && rm -rf "$job_folder"
timeout 60 "$CRMPI_BIN/crmpi-restart" "$CRMPI_DIR" >>"$log" 2>&1 && fail "restarted"
said "the working directory $job_folder is gone"

# moved NAME CASE: the folder of the job is elsewhere
moved()
{
    crashed "$@"
    touch go end
    cd "$temporary" || exit 1
    rm -rf moved
    mv job moved
    restarted --map "$job_folder=$temporary/moved"
    ! grep "differs" "$log" || fail "it found other files"
    [ ! -e "$job_folder" ] || fail "there is $job_folder again"
}
moved "outputs in another folder" output
moved "changed files in another folder" many

# ---- larger than the limit ----

export CRMPI_FILE_LIMIT=1
crashed "a large output that has grown" large
back
crashed "a large output that was changed in its middle" large
printf x | dd of=large bs=1 seek=2500000 conv=notrunc status=none
unfit "job/large, which was open at the checkpoint, has other contents 2 MiB from its beginning"
accepted "large has other contents 2 MiB from its beginning.*: going on" \
    "large differs: has other contents"
crashed "a large output that is shorter" large
truncate -s 3000000 large
unfit "large, which was open at the checkpoint, is shorter than it was"
crashed "a large output that is gone" large
rm large
unfit "large, which was open at the checkpoint, is gone, and was too large to be saved"
crashed "a large output that the program removed" removed
[ ! -e large ] || fail "it was not removed"
back
crashed "a large file that was overwritten" closed
unfit "large was changed after the checkpoint, and cannot be brought back: it was larger"
accepted "large was changed after the checkpoint, and stays so" \
    "large differs: has other contents"
! grep "beside differs" "$log" || fail "the small one was not brought back"
unset CRMPI_FILE_LIMIT
crashed "a file that was overwritten" closed
back

# ---- the journal ----

crashed "many files" many
back
crashed "a journal that a crash has cut off" closed
for log_file in "$CRMPI_DIR"/ranks/000000/*.log; do
    head -c 100 /dev/urandom >>"$log_file"
    head -c 30 "$log_file" >>"$log_file"
done
back
np=2
crashed "many files of two ranks" many
back
crashed "a file that two ranks append to" append
back
crashed "a file that one rank writes, and one reads" follow
back
np=1

crashed "two restarts from one line" many
for i in 1 2; do
    rm -f end
    "$CRMPI_BIN/crmpi-restart" "$CRMPI_DIR" >>"$log" 2>&1 &
    job=$!
    awaited 30 test -e acted || fail "restart $i has not done anything"
    killed
    rm -f acted
done
back

# older: from a line before the one that was restarted from
export CRMPI_KEEP=3
started "an older line" many
checkpoint
checkpoint
checkpoint
acted
"$CRMPI_BIN/crmpi-restart" "$CRMPI_DIR" >>"$log" 2>&1 &
job=$!
awaited 30 test -e acted || fail "the restart has not done anything"
checkpoint
killed
back --at 2
started "a newer line than one that was gone back to" many
checkpoint
checkpoint
acted
"$CRMPI_BIN/crmpi-restart" --at 1 "$CRMPI_DIR" >>"$log" 2>&1 &
job=$!
awaited 30 test -e acted || fail "the restart has not done anything"
killed
rm -f acted
unfit "cannot be brought back to checkpoint 2: a restart went back to checkpoint 1"
back --at 1
unset CRMPI_KEEP

# a restart that is killed at any time
np=2
crashed "restarts that are killed" many
rm -f end
for delay in 0 0.1 0.2 0.3 0.4 0.5 0.6 0.8 1.1 1.5; do
    "$CRMPI_BIN/crmpi-restart" "$CRMPI_DIR" >>"$log" 2>&1 &
    job=$!
    sleep $delay
    killed
done
rm -f acted
back
np=1

# ---- locks, the launcher's, another file system ----

for file in flocked locked; do
    crashed "a lock on $file that another has" locks
    "$program" hold $file &
    holder=$!
    job=$holder
    awaited 30 test -e held || fail "it is not held"
    touch end
    timeout 60 "$CRMPI_BIN/crmpi-restart" "$CRMPI_DIR" >>"$log" 2>&1 && fail "restarted"
    said "the lock on $job_folder/$file that the program had cannot be taken again"
    kill -9 $holder
    wait $holder 2>/dev/null
    back
done

crashed "stdout put away, stdin closed" standard
back
said "to the launcher"
[ "$(cat stdout)" = "to the file
to the file" ] || fail "the file has $(cat stdout)"

if [ -w /dev/shm ] && [ "$(stat -c %d /dev/shm)" != "$(stat -c %d .)" ]; then
    CRMPI_DIR=$(mktemp -d /dev/shm/crmpi-filecases-XXXXXX) || exit 1
    trap 'rm -rf "$temporary" "$CRMPI_DIR"' EXIT
    crashed "a journal on another file system" many
    back
    export CRMPI_FILE_LIMIT=1
    crashed "a large file removed, the journal on another file system" removed
    unfit "large was changed after the checkpoint, and cannot be brought back: it was larger"
fi

[ $failures = 0 ]
