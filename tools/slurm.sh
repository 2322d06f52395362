#!/usr/bin/env bash
# Run one of the tools on a Slurm cluster, and go on after a pre-emption or a time limit; what slurm_train.sh and its like have in common.
#   [RESUME_FLAGS="..."] tools/slurm.sh TOOL.py PARTITION JOB_NAME [arguments of the tool]
# From a login node it asks for the machines itself, and again when the run was stopped; in a job of sbatch
# (with --requeue --signal=USR1@120) it requeues the job. RESUME_FLAGS are added when the run goes on.
set -euo pipefail
TOOL=$1
PARTITION=$2
JOB_NAME=$3
shift 3

GPUS=${GPUS:-8}
GPUS_PER_NODE=${GPUS_PER_NODE:-$((GPUS < 8 ? GPUS : 8))}
CPUS_PER_TASK=${CPUS_PER_TASK:-8}
GRACE=${GRACE:-120}
PREEMPTED=75 # exit code of a run that was told to stop and has saved a checkpoint

# A job that was requeued starts this script anew.
RESUME=""
if [ "${SLURM_RESTART_COUNT:-0}" -gt 0 ]; then
    RESUME=${RESUME_FLAGS:-}
fi

while true; do
    # One task per GPU; mmengine finds the rank, the number of processes and the first machine in Slurm's variables.
    CODE=0
    # shellcheck disable=SC2086  # SRUN_ARGS and RESUME are lists of flags
    srun -p "$PARTITION" --job-name="$JOB_NAME" \
        --gres=gpu:"$GPUS_PER_NODE" --ntasks="$GPUS" --ntasks-per-node="$GPUS_PER_NODE" --cpus-per-task="$CPUS_PER_TASK" \
        --kill-on-bad-exit=1 --signal=USR1@"$GRACE" ${SRUN_ARGS:-} \
        python -u "$(dirname "$0")/$TOOL" --launcher slurm "$@" $RESUME || CODE=$?
    if [ "$CODE" -ne "$PREEMPTED" ]; then
        exit "$CODE"
    fi
    if [ -n "${SLURM_JOB_ID:-}" ]; then
        echo "requeue job $SLURM_JOB_ID" >&2
        scontrol requeue "$SLURM_JOB_ID"
        exit "$PREEMPTED"
    fi
    echo "the run was told to stop; it is queued again and goes on from its checkpoint" >&2
    RESUME=${RESUME_FLAGS:-}
done
