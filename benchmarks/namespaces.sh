#!/usr/bin/env bash
# A sweep on two "machines": two network namespaces with a wire (veth) between them, the scheduler in
# one, a worker in both, and the client in the first. The run must have the bits of one without Dask.
#
#     benchmarks/namespaces.sh [PYTHON]     as root, on Linux
set -euo pipefail
python=${1:-python}
cd "$(dirname "$0")/.."
export PYTHONPATH=$PWD OPENBLAS_NUM_THREADS=1
a=minires-a-$$ b=minires-b-$$
folder=$(mktemp -d)
finish() {
    for pid in $(jobs -p); do kill -KILL "$pid" 2> /dev/null || true; done
    wait 2> /dev/null || true
    ip netns del "$a" 2> /dev/null || true
    ip netns del "$b" 2> /dev/null || true
    rm -rf "$folder"
}
trap finish EXIT

ip netns add "$a"
ip netns add "$b"
ip link add "va$$" netns "$a" type veth peer name "vb$$" netns "$b"
for side in "$a va$$ 10.77.0.1" "$b vb$$ 10.77.0.2"; do
    read -r space wire address <<< "$side"
    ip -n "$space" link set lo up
    ip -n "$space" link set "$wire" up
    ip -n "$space" addr add "$address/24" dev "$wire"
done

dask() { # NAMESPACE, and what of Dask
    local space=$1 what=$2
    shift 2
    ip netns exec "$space" "$python" -m "distributed.cli.dask_$what" --no-dashboard "$@" \
        2> "$folder/$space-$what.log" &
}
options=(--nets "plain8,resnet8" --epochs 2 --seeds 0,1)
scheduler=tcp://10.77.0.1:8786
dask "$a" scheduler --host 10.77.0.1 --port 8786
dask "$a" worker "$scheduler" --nthreads 1 --host 10.77.0.1 --no-nanny
dask "$b" worker "$scheduler" --nthreads 1 --host 10.77.0.2 --no-nanny
for _ in $(seq 60); do # both workers are there
    [ "$(grep -c "Register worker" "$folder/$a-scheduler.log")" = 2 ] && break
    sleep 1
done

ip netns exec "$a" "$python" -m minires degradation "${options[@]}" --scheduler "$scheduler" \
    --out "$folder/there" > "$folder/lines"
taskset -c 0 "$python" -m minires degradation "${options[@]}" --out "$folder/here" > "$folder/lines"
for file in "$folder"/here/weights/*; do
    cmp "$file" "$folder/there/weights/$(basename "$file")"
done
cmp <(cut -d, -f1-8 "$folder/here/history.csv") <(cut -d, -f1-8 "$folder/there/history.csv")
echo "a sweep over two namespaces has the bits of a run alone"
