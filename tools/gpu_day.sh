#!/usr/bin/env bash
# What has never run on a GPU, in pieces of at most ten minutes that stand alone, and one report: docs/gpu_day.md.
#   tools/gpu_day.sh list               the pieces
#   tools/gpu_day.sh PIECE… | all       run some of them, or all, and append to the report
#   tools/gpu_day.sh pack [FOLDER]      collect wheels for a machine without a network, on one that has a network
#   tools/gpu_day.sh install [FOLDER]   install them there, beside the torch that it has
# In the environment: PYTHON (python3), GPU_DAY_OUT (work_dirs/gpu_day), GPU_DAY_SECONDS (590, of a piece at most),
# HCSC_GPU_DAY_DEVICE=cpu for tiny sizes on a CPU, which shows that the script works and nothing else.
# shellcheck disable=SC2329  # the pieces are called by name: "piece_$2"
set -euo pipefail
cd "$(dirname "$0")/.."

PYTHON=${PYTHON:-python3}
OUT=${GPU_DAY_OUT:-work_dirs/gpu_day}
LIMIT=${GPU_DAY_SECONDS:-590}
export HCSC_GPU_DAY_DEVICE=${HCSC_GPU_DAY_DEVICE:-cuda}
REPORT=$OUT/report.md
PIECES=(tests runs nccl fp16 bf16 compile augmentation million step profile bench bench-clustering memory proof)

case $HCSC_GPU_DAY_DEVICE in
    cuda) SCALE=large REPEATS=3 ;;
    cpu) SCALE=tiny REPEATS=1 ;;
    *) echo "error: HCSC_GPU_DAY_DEVICE must be cuda or cpu, got '$HCSC_GPU_DAY_DEVICE'" >&2 && exit 2 ;;
esac

usage() { sed -n '2,8s/^# \{0,1\}//p' "$0"; }

on_gpu() { [ "$HCSC_GPU_DAY_DEVICE" = cuda ]; }

say() { echo "\$ $*" && "$@"; }

# ---- what the pieces are made of --------------------------------------------

# digits NAME [flags of tools/train.py]: a few epochs of HCSC on the digits, with clusterings; CONFIG for another network
digits() {
    local folder=$OUT/runs/$1 config=configs/${CONFIG:-hcsc_r18_digits}.py
    shift
    rm -rf "$folder"
    local small=()
    on_gpu || small=(train_dataloader.dataset.indices=256)
    local more=()
    read -ra more <<<"${MORE_OPTIONS:-}"
    say "$PYTHON" tools/train.py "$config" --work-dir "$folder" "$@" \
        --cfg-options max_epochs=3 warmup_epochs=1 "${small[@]}" "${more[@]}"
}

# ways WAY…: a step of MoCo v2 in float32 and in other ways, ResNet-50 at 224 pixels
ways() {
    local sizes=(--depth 50 --size 224 --batch 256 --steps 20)
    on_gpu || sizes=(--depth 18 --size 32 --batch 8 --steps 4)
    say "$PYTHON" benchmarks/bench_precision.py --device "$HCSC_GPU_DAY_DEVICE" "${sizes[@]}" --ways float32 "$@"
}

# bench NAME…: some of benchmarks/run.py
bench() {
    say "$PYTHON" benchmarks/run.py --scale "$SCALE" --repeats "$REPEATS" --device "$HCSC_GPU_DAY_DEVICE" \
        --out "$OUT/$1.json" --only "$@"
}

# ---- the pieces -------------------------------------------------------------

about() {
    case $1 in
        tests) echo "tests that compare a GPU with the CPU" ;;
        runs) echo "tests that train, on whatever device there is" ;;
        nccl) echo "one process with NCCL: training, clustering, resume" ;;
        fp16) echo "training with --amp fp16; a step's time, memory, losses against float32" ;;
        bf16) echo "the same with --amp bf16, and channels_last" ;;
        compile) echo "the same with compiled encoders" ;;
        augmentation) echo "augmentation on the device: numbers and images/s against the plain pipeline" ;;
        million) echo "k-means of 1.28 M × 128 features, K = 3000/2000/1000, PyTorch and FAISS" ;;
        step) echo "steps of ResNet-50 and ViT-S, batch 256, against mmpretrain's MoCo v2, MoCo v3, classifier" ;;
        profile) echo "one step of each: operations, kernels, gaps" ;;
        bench) echo "make bench ARGS='--scale large --only head epoch input'" ;;
        bench-clustering) echo "make bench ARGS='--scale large --only clustering'" ;;
        memory) echo "memory of a step at growing batches, with and without checkpointed activations" ;;
        proof) echo "nine minutes of make proof ARGS='--scale gpu'; the next call goes on" ;;
        *) return 1 ;;
    esac
}

piece_tests() { say "$PYTHON" -m pytest -q -m gpu tests/gpu tests/structures; }

piece_runs() {
    if on_gpu; then
        say "$PYTHON" -m pytest -q tests/engine tests/runtime/test_resume.py tests/runtime/test_precision.py \
            tests/runtime/test_compilation.py tests/models
    else
        say "$PYTHON" -m pytest -q tests/engine/test_training.py -k one_level
    fi
}

piece_nccl() {
    local small=()
    on_gpu || small=(train_dataloader.dataset.indices=256)
    rm -rf "$OUT/runs/nccl"
    for epochs in 2 3; do
        say tools/dist_train.sh configs/hcsc_r18_digits.py 1 --work-dir "$OUT/runs/nccl" --resume \
            --cfg-options "max_epochs=$epochs" warmup_epochs=1 "${small[@]}"
    done
}

piece_fp16() {
    if on_gpu; then digits fp16 --amp fp16; else echo "tools/train.py --amp fp16 is for GPUs: left out"; fi
    ways fp16
}

piece_bf16() {
    digits bf16 --amp bf16
    if on_gpu; then ways bf16 channels_last "bf16 + channels_last"; else ways "bf16 + channels_last"; fi
}

piece_compile() {
    if on_gpu; then
        MORE_OPTIONS="compile=True" digits compile
        ways "bf16 + channels_last + compiled"
    else # a transformer of one block, whose program is made soon
        CONFIG=hcsc_vit_digits MORE_OPTIONS="compile=True model.backbone.depth=1" digits compile
    fi
}

piece_augmentation() { bench augmentation; }

piece_million() { bench million; }

piece_step() { bench step; }

piece_profile() {
    for model in hcsc mocov2 hcsc_vit; do
        say "$PYTHON" benchmarks/profile_step.py --model "$model" --scale "$SCALE" --device "$HCSC_GPU_DAY_DEVICE"
    done
}

piece_bench() { bench head epoch input; }

piece_bench-clustering() {
    if on_gpu; then
        bench clustering
    else
        echo "it has no tiny sizes: left out; the piece 'million' has the same k-means"
    fi
}

piece_memory() {
    ways "checkpointed activations" bf16
    local batches=(64 128 512 1024) sizes=(--depth 50 --size 224)
    on_gpu || { batches=(8 16) && sizes=(--depth 18 --size 32); }
    for batch in "${batches[@]}"; do
        say "$PYTHON" benchmarks/bench_precision.py --device "$HCSC_GPU_DAY_DEVICE" "${sizes[@]}" \
            --batch "$batch" --steps 4 --ways bf16
    done
}

piece_proof() {
    if on_gpu; then
        say "$PYTHON" benchmarks/proof.py --scale gpu --minutes 9
    else
        say "$PYTHON" tools/compare.py configs/compare/digits.py --out "$OUT/compare" --work-dir "$OUT/compare_cells" \
            --minutes 0.2
    fi
}

# ---- the report -------------------------------------------------------------

machine() {
    local gpu="no GPU: tiny sizes on a CPU, of no meaning for speed"
    if on_gpu; then
        gpu=$(nvidia-smi --query-gpu=name,driver_version --format=csv,noheader 2>/dev/null | paste -sd ';') || gpu=
        gpu="${gpu:-nvidia-smi names no GPU}"
    fi
    local commit
    commit=$(git describe --always --dirty 2>/dev/null) || commit="no repository"
    local torch
    torch=$("$PYTHON" -c 'import torch; print(torch.__version__, "CUDA", torch.version.cuda)' 2>/dev/null) || torch="not there"
    echo "GPU and driver: $gpu; torch: $torch; commit: $commit; $(getconf _NPROCESSORS_ONLN) cores; $(date -u '+%Y-%m-%d %H:%M') UTC"
}

# append FILE: to the report, which is whole at any time
append() {
    { if [ -f "$REPORT" ]; then cat "$REPORT"; else printf '# The day on a GPU\n'; fi && cat "$1"; } >"$REPORT.part"
    mv "$REPORT.part" "$REPORT"
}

# section PIECE CODE SECONDS LOG
section() {
    local verdict="done"
    [ "$2" = 0 ] || verdict=FAILED
    [ "$2" != 124 ] || verdict="FAILED: not over after $LIMIT s"
    printf '\n## %s: %s\n\n%s. Exit code %s after %s s.\n\n%s\n\n```\n' \
        "$1" "$verdict" "$(about "$1")" "$2" "$3" "$(machine)"
    # what a terminal would show in the end: no colours, no lines that were written over
    sed -e 's/\x1b\[[0-9;?]*[a-zA-Z]//g' -e 's/.*\r\(.\)/\1/' "$4" | tail -n 120
    printf '```\n'
}

run_piece() {
    local piece=$1 log=$OUT/$1.log code=0 start=$SECONDS
    echo "=== $piece: $(about "$piece")" >&2
    timeout --kill-after=20 "$LIMIT" "$0" --inside "$piece" >"$log" 2>&1 || code=$?
    local spent=$((SECONDS - start))
    section "$piece" "$code" "$spent" "$log" >"$OUT/$piece.md"
    append "$OUT/$piece.md"
    echo "    exit code $code after $spent s; $log" >&2
    return "$code"
}

run_pieces() {
    for piece in "$@"; do
        about "$piece" >/dev/null || { echo "error: there is no piece '$piece'; tools/gpu_day.sh list" >&2 && exit 2; }
    done
    if on_gpu && ! "$PYTHON" -c 'import sys, torch; sys.exit(not torch.cuda.is_available())'; then
        echo "error: $PYTHON sees no GPU; HCSC_GPU_DAY_DEVICE=cpu runs all at tiny sizes without one" >&2
        exit 2
    fi
    mkdir -p "$OUT"
    local failed=()
    for piece in "$@"; do
        run_piece "$piece" || failed+=("$piece")
    done
    echo "report: $REPORT" >&2
    [ ${#failed[@]} = 0 ] || { echo "failed: ${failed[*]}" >&2 && exit 1; }
}

# ---- wheels for a machine without a network ---------------------------------

# All that requirements.txt and requirements/dev.txt want, but torch and what it alone brings, which the machine has. Its Python
# and processor must be as here.
pack() {
    local folder=$1 venv
    mkdir -p "$folder"
    venv=$(mktemp -d)
    "$PYTHON" -m venv "$venv"
    "$venv/bin/python" -m pip install --quiet --upgrade pip
    # an empty environment, in which nothing is left out because it is there already
    "$venv/bin/python" -m pip install --quiet --dry-run --report "$venv/report.json" -r requirements.txt -r requirements/dev.txt
    "$PYTHON" benchmarks/wheels_beside_torch.py pack "$venv/report.json" >"$folder/list.txt"
    # wheels, not sources: the other machine may lack a compiler
    "$venv/bin/python" -m pip wheel --quiet --no-deps --wheel-dir "$folder" -r "$folder/list.txt"
    rm -rf "$venv"
    echo "$(wc -l <"$folder/list.txt") wheels, $(du -sh "$folder" | cut -f1): $folder"
}

install() {
    local folder=$1
    [ -f "$folder/list.txt" ] || { echo "error: $folder has no list.txt; tools/gpu_day.sh pack $folder" >&2 && exit 2; }
    # by name: torch may lack a module that is among the wheels
    local found='import sys; from importlib.util import find_spec; sys.exit(not all(map(find_spec, ["torch", "torchvision"])))'
    "$PYTHON" -c "$found" || { echo "error: $PYTHON has no torch, or no torchvision" >&2 && exit 2; }
    local list
    list=$(mktemp)
    "$PYTHON" benchmarks/wheels_beside_torch.py install "$folder/list.txt" >"$list"
    # --no-deps leaves torch alone
    "$PYTHON" -m pip install --no-index --find-links "$folder" --no-deps --no-compile -r "$list"
    rm "$list"
    "$PYTHON" -c 'import faiss, hcsc_mm; print("hcsc_mm", hcsc_mm.__version__, "faiss", faiss.__version__)'
}

# In a function, which bash reads whole: a script that changes meanwhile, by git pull, changes nothing then.
main() {
    case ${1:-} in
        list) for piece in "${PIECES[@]}"; do printf '%-17s %s\n' "$piece" "$(about "$piece")"; done ;;
        pack) pack "${2:-wheels}" ;;
        install) install "${2:-wheels}" ;;
        all) run_pieces "${PIECES[@]}" ;;
        --inside)
            # tools/dist.sh takes the first python of PATH
            PATH=$(dirname "$(command -v "$PYTHON")"):$PATH
            PYTHONPATH=$PWD${PYTHONPATH:+:$PYTHONPATH}
            export PATH PYTHONPATH
            "piece_$2"
            ;;
        '' | -h | --help) usage ;;
        *) run_pieces "$@" ;;
    esac
}

main "$@"
exit
