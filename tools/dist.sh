#!/usr/bin/env bash
# Run one of the tools on several processes of one or more machines, by torchrun; what dist_train.sh and its like have in common.
#   tools/dist.sh TOOL.py GPUS [arguments of the tool]
# On CPUs GPUS is the number of processes. Several machines: NNODES, NODE_RANK, MASTER_ADDR and PORT in the environment.
set -euo pipefail
TOOL=$1
GPUS=$2
shift 2
if ! [[ $GPUS =~ ^[1-9][0-9]*$ ]]; then
    echo "error: the number of GPUs, or of processes, must be a whole number, got '$GPUS'" >&2
    exit 2
fi

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
    "$(dirname "$0")/$TOOL" --launcher pytorch "$@"
