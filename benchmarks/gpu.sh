#!/usr/bin/env bash
# What needs a GPU, in pieces of at most 8 minutes. What a piece finds is in the folder OUT as soon as
# it is known.
#
#     benchmarks/gpu.sh tests OUT                  the tests marked gpu
#     benchmarks/gpu.sh steps OUT                  training steps beside PyTorch, and their kernels
#     benchmarks/gpu.sh train OUT CIFAR10 [RUN]    the four nets by the paper's schedule
#
# CIFAR10 is the folder with its binary files. A training that has not come to its end in one piece
# goes on in the next, from RUN: the file run.tar that the last piece left in OUT.
set -uo pipefail
piece=$1
mkdir -p "$2"
out=$(realpath "$2")
data=${3:+$(realpath "$3")}
run=${4:+$(realpath "$4")}
cd "$(dirname "$0")/.."
export PYTHONPATH=$PWD PYTHONUNBUFFERED=1

tests() { # warnings of other libraries are not what is tested here
    timeout "$1" python3 -m pytest -m gpu -q --tb=short -p no:cacheprovider -o filterwarnings=default \
        "${@:2}" 2>&1 | tee -a "$out/tests.txt"
}

case $piece in
tests)
    tests 60 tests/kernels/test_cuda_graph.py # alone: it looks at the memory of the whole GPU
    tests 400 -n 4 tests --deselect tests/kernels/test_cuda_graph.py
    ;;
steps)
    timeout 60 python3 benchmarks/gpu_kernels.py resnet56@128 --out "$out/kernels.json"
    timeout 400 python3 benchmarks/gpu_train_step.py --out "$out/gpu_train_step.json"
    ;;
train)
    if [ -n "$run" ]; then
        tar -C "$out" -xf "$run"
        how=(--resume)
    else
        how=(--dataset cifar10 --schedule paper --backend cupy --nets plain20,resnet20,plain56,resnet56)
    fi
    timeout --signal TERM 440 python3 -m minires degradation "${how[@]}" --graph --data-dir "$data" \
        --out "$out/run" 2>&1 | tee -a "$out/train.txt"
    [ -d "$out/run" ] || exit 1 # it has not begun, and said why
    python3 -m minires plot "$out/run" --published
    tar -C "$out" -cf "$out/run.tar" run
    ;;
*)
    echo "there is no piece $piece; there are: tests, steps, train" >&2
    exit 2
    ;;
esac
