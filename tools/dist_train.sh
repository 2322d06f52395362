#!/usr/bin/env bash
# Train on several processes of one or more machines, by torchrun.
#   tools/dist_train.sh CONFIG GPUS [flags of tools/train.py]
# Told to stop by SIGTERM or SIGUSR1, it ends with exit code 75 when the run has saved a checkpoint.
# On CPUs GPUS is the number of processes. Several machines: NNODES, NODE_RANK, MASTER_ADDR and PORT in the environment.
set -euo pipefail
if [ $# -lt 2 ]; then
    echo "usage: tools/dist_train.sh CONFIG GPUS [flags of tools/train.py]" >&2
    exit 2
fi
exec "$(dirname "$0")/dist.sh" train.py "$2" "$1" "${@:3}"
