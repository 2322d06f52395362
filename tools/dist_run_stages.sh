#!/usr/bin/env bash
# Pre-train and run the benchmarks on several processes of one or more machines, by torchrun. The same command goes on where it was stopped.
#   tools/dist_run_stages.sh CONFIG GPUS [flags of tools/run_stages.py]
# Told to stop by SIGTERM or SIGUSR1, it ends with exit code 75 when the stage at work has saved a checkpoint.
# On CPUs GPUS is the number of processes. Several machines: NNODES, NODE_RANK, MASTER_ADDR and PORT in the environment.
set -euo pipefail
if [ $# -lt 2 ]; then
    echo "usage: tools/dist_run_stages.sh CONFIG GPUS [flags of tools/run_stages.py]" >&2
    exit 2
fi
exec "$(dirname "$0")/dist.sh" run_stages.py "$2" "$1" "${@:3}"
