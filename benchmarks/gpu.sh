#!/usr/bin/env bash
# Everything that needs a GPU, one after the other: the tests, the time of a training step beside
# PyTorch, and the four nets by the paper's schedule.
#
#     benchmarks/gpu.sh CIFAR10 [SECONDS]
#
# CIFAR10 is the folder with its binary files. The training stops in good order after so many SECONDS
# (all it needs, unless they are given), and goes on where it stopped when this is called again.
set -euo pipefail
data=$(realpath "$1")
seconds=${2:-0}
cd "$(dirname "$0")/.."
results=benchmarks/results
run=$results/degradation_paper

if [ ! -e $run ]; then
    python -m pytest -m gpu tests
    python benchmarks/gpu_train_step.py
    going_on=(--dataset cifar10 --schedule paper --backend cupy)
else
    going_on=(--resume)
fi
timeout --signal TERM "$seconds" \
    minires degradation "${going_on[@]}" --graph --data-dir "$data" --out $run || [ $? = 124 ]
minires plot $run --published
