#!/usr/bin/env bash
# Pre-train and run the benchmarks on a Slurm cluster, and go on after a pre-emption or a time limit.
#   [GPUS=8] [GPUS_PER_NODE=8] [CPUS_PER_TASK=8] [GRACE=120] [SRUN_ARGS="..."] tools/slurm_run_stages.sh PARTITION JOB_NAME CONFIG [flags of tools/run_stages.py]
# Requeueing and GRACE as in tools/slurm_train.sh.
set -euo pipefail
if [ $# -lt 3 ]; then
    echo "usage: [GPUS=8] [GPUS_PER_NODE=8] [CPUS_PER_TASK=8] [GRACE=120] [SRUN_ARGS=...] tools/slurm_run_stages.sh PARTITION JOB_NAME CONFIG [flags]" >&2
    exit 2
fi
exec "$(dirname "$0")/slurm.sh" run_stages.py "$@"
