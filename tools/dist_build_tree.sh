#!/usr/bin/env bash
# Build a tree folder on several processes of one or more machines, by torchrun. The same command goes on where it was stopped.
#   tools/dist_build_tree.sh WEIGHTS GPUS [flags of tools/build_tree.py]
# On CPUs GPUS is the number of processes. Several machines: NNODES, NODE_RANK, MASTER_ADDR and PORT in the environment.
set -euo pipefail
if [ $# -lt 2 ]; then
    echo "usage: tools/dist_build_tree.sh WEIGHTS GPUS [flags of tools/build_tree.py]" >&2
    exit 2
fi
exec "$(dirname "$0")/dist.sh" build_tree.py "$2" "$1" "${@:3}"
