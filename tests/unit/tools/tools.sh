#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Tests of the command lines of crmpi-run, crmpi-checkpoint and crmpi-restart: options, wrong
# values, exit statuses, and what crmpi-run makes of a launcher's words.  The launcher is a
# script that prints what it was given, so no MPI job runs.
#
# CRMPI_BIN is the folder of the tools.
set -u
bin=$(cd "${CRMPI_BIN:-.}" && pwd)
folder=$(mktemp -d "${TMPDIR:-/tmp}/crmpi-tools.XXXXXX") || exit 1
trap 'rm -rf "$folder"' EXIT
for name in $(compgen -v CRMPI_); do unset "$name"; done
unset LD_PRELOAD OMPI_COMM_WORLD_RANK PMIX_RANK
cd "$folder" || exit 1
touch lib.so host
export CRMPI_LIB=$folder/lib.so CRMPI_HOST=$folder/host
failures=0

fail() {
    echo "tools.sh: $*" >&2
    failures=$((failures + 1))
}

# expect STATUS WHAT COMMAND...: its status, and WHAT (a fixed string) in its output
expect() {
    local status=$1 what=$2 got
    shift 2
    "$@" >out 2>&1 </dev/null
    got=$?
    [ "$got" = "$status" ] || fail "status $got instead of $status: $*: $(head -3 out)"
    grep -qF -- "$what" out || fail "no '$what' in the output of $*: $(head -5 out)"
}

for tool in crmpi-run crmpi-checkpoint crmpi-restart; do
    expect 0 "Usage: $tool" "$bin/$tool" --help
    expect 0 "crmpi " "$bin/$tool" --version
    expect 2 "--nonsense" "$bin/$tool" --nonsense
    expect 2 "Try '$tool --help'" "$bin/$tool" --nonsense
done

# wrong values, before anything is started
expect 2 "CRMPI_KEEP=0" "$bin/crmpi-run" --keep 0 mpirun
expect 2 "CRMPI_INTERVAL=soon" "$bin/crmpi-run" --interval=soon mpirun
expect 2 "has to be one of" "$bin/crmpi-run" --policy best mpirun
expect 2 "--max-restarts x" "$bin/crmpi-run" --max-restarts x mpirun
expect 2 "--keep needs a value" "$bin/crmpi-run" --keep
expect 2 "which launcher" "$bin/crmpi-run" --keep 3
expect 2 "CRMPI_LOG=loud" env CRMPI_LOG=loud "$bin/crmpi-run" mpirun
echo 'CRMPI_KEEP=many' >config
expect 2 "config line 1" "$bin/crmpi-run" --config config mpirun
expect 2 "--at 0" "$bin/crmpi-restart" --at 0
expect 2 "more than one directory" "$bin/crmpi-restart" a b
expect 2 "--rank x" "$bin/crmpi-checkpoint" --rank x
expect 2 "--stop needs" "$bin/crmpi-checkpoint" --rank 1 --stop
expect 2 "--timeout x" "$bin/crmpi-checkpoint" --timeout x
expect 1 "no checkpoint directory $folder/none" "$bin/crmpi-restart" none
expect 1 "no running job has $folder/none" "$bin/crmpi-checkpoint" none
expect 1 "$folder/nolib.so" env CRMPI_LIB="$folder/nolib.so" "$bin/crmpi-run" mpirun

# what mpirun is given: one word to a line
cat >mpirun <<'END'
#!/bin/sh
printf '%s\n' "$@"
echo "preload here: ${LD_PRELOAD-}"
exit ${FAKE_STATUS-0}
END
chmod +x mpirun
words() { "$bin/crmpi-run" "$@" >out 2>&1 || fail "crmpi-run $*: $(head -3 out)"; }
has() { grep -qxF -- "$1" out || fail "mpirun was not given '$1': $(tr '\n' ' ' <out)"; }
hasnot() { ! grep -qF -- "$1" out || fail "mpirun was given '$1'"; }

words --interval 9 "$folder/mpirun" -np 2 ./app -x CRMPI_KEEP=8
has "LD_PRELOAD=$folder/lib.so"
has "CRMPI_DIR=$folder/crmpi.ckpt"
has "CRMPI_INTERVAL=9"
has "CRMPI_HOST=$folder/host"
has "preload here: " # mpirun itself does not get the library
[ "$(grep -n -- '^-np$' out | cut -d: -f1)" -gt "$(grep -n LD_PRELOAD= out | cut -d: -f1)" ] ||
    fail "the settings do not come first"

words "$folder/mpirun" -x LD_PRELOAD=/other.so -x CRMPI_DIR=/ckpt -x FOO -np 1 a : -np 1 b
has "CRMPI_DIR=/ckpt"
has "FOO"
[ "$(grep -cxF "LD_PRELOAD=$folder/lib.so:/other.so" out)" = 2 ] ||
    fail "not for both programs: $(tr '\n' ' ' <out)"
[ "$(grep -c CRMPI_DIR= out)" = 2 ] || fail "CRMPI_DIR is given more than once to a program"

LD_PRELOAD=/lib/x86_64-linux-gnu/libm.so.6 words "$folder/mpirun" -np 1 a
has "LD_PRELOAD=$folder/lib.so:/lib/x86_64-linux-gnu/libm.so.6"

# other launchers get it through the environment
cp mpirun srun
words --keep 4 "$folder/srun" -n 1 a
hasnot "CRMPI_DIR="
grep -q "preload here: $folder/lib.so" out || fail "srun did not get LD_PRELOAD"

# the exit status, and a job that cannot be restarted
FAKE_STATUS=7 expect 7 "-np" "$bin/crmpi-run" "$folder/mpirun" -np 1 a
FAKE_STATUS=7 expect 7 "before its first recovery line" \
    "$bin/crmpi-run" --max-restarts 3 "$folder/mpirun" -np 1 a

# the end of the job's time
expect 2 "CRMPI_TIME_LIMIT=soon" "$bin/crmpi-run" --time-limit soon mpirun
before=$(date +%s)
words --time-limit 1:00:00 "$folder/mpirun" -np 1 a
end=$(sed -n 's/^CRMPI_END_TIME=\([0-9]*\).*/\1/p' out)
[ "${end:-0}" -ge $((before + 3600)) ] && [ "$end" -le $(($(date +%s) + 3600)) ] ||
    fail "an hour from $before is not '$end'"
SLURM_JOB_END_TIME=4000000000 words --time-limit slurm "$folder/mpirun" -np 1 a
has "CRMPI_END_TIME=4000000000.000"
printf '#!/bin/sh\n[ "$*" = "-h -j 77 -o %%L" ] && echo "$SAYS"\n' >squeue
chmod +x squeue
before=$(date +%s)
SAYS=1-00:00:10 SLURM_JOB_ID=77 PATH=$folder:$PATH words --time-limit slurm \
    "$folder/mpirun" -np 1 a
end=$(sed -n 's/^CRMPI_END_TIME=\([0-9]*\).*/\1/p' out)
[ "${end:-0}" -ge $((before + 86410)) ] && [ "$end" -le $(($(date +%s) + 86410)) ] ||
    fail "a day and ten seconds from $before is not '$end'"
SAYS=UNLIMITED SLURM_JOB_ID=77 PATH=$folder:$PATH words --time-limit slurm \
    "$folder/mpirun" -np 1 a
hasnot "CRMPI_END_TIME"
SAYS=INVALID SLURM_JOB_ID=77 PATH=$folder:$PATH expect 1 "squeue says INVALID" \
    "$bin/crmpi-run" --time-limit slurm "$folder/mpirun" -np 1 a
expect 1 "is this a Slurm job" \
    env -u SLURM_JOB_ID "$bin/crmpi-run" --time-limit slurm "$folder/mpirun" -np 1 a

[ "$failures" = 0 ] && echo "tools.sh: all as it should be"
[ "$failures" = 0 ]
