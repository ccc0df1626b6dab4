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

found=() # by the calls of tests

tests() { # warnings of other libraries are not what is tested here
    timeout "$1" python3 -m pytest -m gpu --tb=short -p no:cacheprovider -o filterwarnings=default \
        "${@:2}" 2>&1 | tee -a "$out/tests.txt"
    code=${PIPESTATUS[0]}
    case $code in
    0 | 1) found+=("$(tail -n 1 "$out/tests.txt")") ;; # 12 passed, 1 failed in 9.87s
    124) found+=("not done within $1 s") ;;
    *) found+=("ended by pytest with code $code") ;;
    esac
    return "$code"
}

case $piece in
tests)
    failed=0
    tests 60 tests/kernels/test_cuda_graph.py || failed=1 # alone: it looks at the whole GPU's memory
    tests 400 -n 4 tests --deselect tests/kernels/test_cuda_graph.py || failed=1
    echo "Tests marked gpu: of CUDA graphs ${found[0]}; all others ${found[1]}; log: $out/tests.txt"
    exit $failed
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
