#!/usr/bin/env bash
# Test a checkpoint on several processes of one or more machines, by torchrun.
#   tools/dist_test.sh CONFIG CHECKPOINT GPUS [flags of tools/test.py]
# On CPUs GPUS is the number of processes. Several machines: NNODES, NODE_RANK, MASTER_ADDR and PORT in the environment.
set -euo pipefail
if [ $# -lt 3 ]; then
    echo "usage: tools/dist_test.sh CONFIG CHECKPOINT GPUS [flags of tools/test.py]" >&2
    exit 2
fi
exec "$(dirname "$0")/dist.sh" test.py "$3" "$1" "$2" "${@:4}"
