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
CONFIG=$1
GPUS=$2
shift 2

NNODES=${NNODES:-1}
NODE_RANK=${NODE_RANK:-0}
MASTER_ADDR=${MASTER_ADDR:-127.0.0.1}
# Two runs on one machine must not meet on one port: take a free one, unless machines have to agree on it.
if [ "$NNODES" = 1 ]; then
    PORT=${PORT:-$(python -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')}
else
    PORT=${PORT:-29500}
fi
# As many threads as a process has cores; more would make the processes wait for each other.
CORES=$(getconf _NPROCESSORS_ONLN)
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-$((CORES / GPUS > 0 ? CORES / GPUS : 1))}

exec python "$(dirname "$0")/launch.py" \
    --nnodes="$NNODES" --node_rank="$NODE_RANK" --master_addr="$MASTER_ADDR" --master_port="$PORT" --nproc_per_node="$GPUS" \
    "$(dirname "$0")/train.py" "$CONFIG" --launcher pytorch "$@"
