#!/usr/bin/env bash
# Train on a Slurm cluster, and go on after a pre-emption or a time limit.
#   [GPUS=8] [GPUS_PER_NODE=8] [CPUS_PER_TASK=8] [GRACE=120] [SRUN_ARGS="..."] tools/slurm_train.sh PARTITION JOB_NAME CONFIG [flags of tools/train.py]
# From a login node it asks for the machines itself, and again when the run was stopped; in a job of sbatch
# (with --requeue --signal=USR1@120) it requeues the job.
# GRACE is how many seconds before the time limit the run is told to stop: at least clustering, one step and a checkpoint.
set -euo pipefail
if [ $# -lt 3 ]; then
    echo "usage: [GPUS=8] [GPUS_PER_NODE=8] [CPUS_PER_TASK=8] [GRACE=120] [SRUN_ARGS=...] tools/slurm_train.sh PARTITION JOB_NAME CONFIG [flags]" >&2
    exit 2
fi
RESUME_FLAGS="--resume auto" exec "$(dirname "$0")/slurm.sh" train.py "$@"
