#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# The same as slurm.sh for PBS: qsub -v command="./heat 2000 200000" pbs.sh
#
#PBS -N heat
#PBS -l select=1:ncpus=4:mpiprocs=4
#PBS -l walltime=1:00:00
#PBS -r y

cd "$PBS_O_WORKDIR" || exit 1
: "${command:?usage: qsub -v command='PROGRAM [ARGUMENTS]' pbs.sh}"
export CRMPI_DIR=${CRMPI_DIR:-$PBS_O_WORKDIR/crmpi-${PBS_JOBID%%.*}}
export CRMPI_TIME_LIMIT=${CRMPI_TIME_LIMIT:-0:59:00} # PBS does not tell; as above, or less
export CRMPI_INTERVAL=${CRMPI_INTERVAL:-auto}

if ls "$CRMPI_DIR"/lines/*.h5 >/dev/null 2>&1; then
    crmpi-restart &
else
    # shellcheck disable=SC2086 # a command and its arguments
    crmpi-run mpirun $command &
fi
job=$!
trap 'kill -TERM $job' TERM # comes before PBS kills, as qdel does
wait $job
status=$?
while kill -0 $job 2>/dev/null; do
    wait $job
    status=$?
done

if [ $status = 75 ]; then
    # a job of its own, in the same directory
    qsub -v command="$command",CRMPI_DIR="$CRMPI_DIR" "$0"
fi
exit $status
