#!/usr/bin/env bash
# Fine-tune a detector or a segmentation network from pre-trained weights.
#   [PARTITION=...] tools/benchmarks/transfer.sh CONFIG CHECKPOINT GPUS [flags of tools/train.py]
# One process, or several by torchrun, or a Slurm job where PARTITION is set (settings as in tools/slurm_train.sh).
# Each checkpoint has its own work folder, work_dirs/CONFIG/FOLDER_CHECKPOINT, so that several can be compared; --work-dir chooses another.
set -euo pipefail
if [ $# -lt 3 ] || ! [[ $3 =~ ^[1-9][0-9]*$ ]]; then
    echo "usage: [PARTITION=...] tools/benchmarks/transfer.sh CONFIG CHECKPOINT GPUS [flags of tools/train.py]" >&2
    exit 2
fi
CONFIG=$1
CHECKPOINT=$2
export GPUS=$3
shift 3

TOOLS=$(dirname "$0")/..
NAME=$(basename "$CONFIG" .py)
FOLDER=$(basename "$(dirname "$(realpath -m -- "$CHECKPOINT")")") # epoch_200.pth alone says little
set -- --checkpoint "$CHECKPOINT" --work-dir "work_dirs/$NAME/${FOLDER}_$(basename "${CHECKPOINT%.*}")" "$@"

if [ -n "${PARTITION:-}" ]; then
    exec "$TOOLS/slurm_train.sh" "$PARTITION" "$NAME" "$CONFIG" "$@"
elif [ "$GPUS" -gt 1 ]; then
    exec "$TOOLS/dist_train.sh" "$CONFIG" "$GPUS" "$@"
fi
exec python "$TOOLS/train.py" "$CONFIG" "$@"
