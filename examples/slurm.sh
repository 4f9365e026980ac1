#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# A Slurm job that may take longer than Slurm gives it: sbatch slurm.sh ./heat 2000 200000
#
# Before its time is over, or when it is preempted, the job is checkpointed, ends with status
# 75, and is put back into the queue; the next time it goes on from there.  If a node fails,
# Slurm itself requeues it, and it goes on from its newest checkpoint.
#
#SBATCH --job-name=heat
#SBATCH --ntasks=4
#SBATCH --time=1:00:00
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --signal=B:USR1@60

[ $# -gt 0 ] || { echo "usage: sbatch slurm.sh PROGRAM [ARGUMENTS]" >&2; exit 2; }

# the job keeps its number when it is requeued
export CRMPI_DIR=${CRMPI_DIR:-$SLURM_SUBMIT_DIR/crmpi-$SLURM_JOB_ID}
export CRMPI_TIME_LIMIT=slurm # what Slurm says, each time anew
export CRMPI_INTERVAL=${CRMPI_INTERVAL:-auto}

if ls "$CRMPI_DIR"/lines/*.h5 >/dev/null 2>&1; then
    crmpi-restart &
else
    crmpi-run mpirun "$@" &
fi
job=$!

# Slurm's signals come to this shell only: pass them on, and wait for the end
trap 'kill -USR1 $job' USR1
trap 'kill -TERM $job' TERM
wait $job
status=$?
while kill -0 $job 2>/dev/null; do
    wait $job
    status=$?
done

if [ $status = 75 ]; then
    scontrol requeue "$SLURM_JOB_ID" # ends this script, too
fi
exit $status
