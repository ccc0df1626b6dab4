"""What the compiler makes of the kernels of convolution, without a GPU.

    pip install nvidia-cuda-nvdisasm          # and nvcc of CUDA 12 or 13
    python benchmarks/gpu_on_paper.py

Compiles them for sm_90 and reads the machine code: registers and shared memory, which decide how
many warps a multiprocessor can hold, and how many it is given in a stage of resnet-20 to -110 at
batch 128; of a step of a warp, the instructions, the multiplications among them, what is read from
shared memory for these, and how many loads from memory are on their way at once. Each kernel comes
twice, the second time with the ReLU of its input as it is read.
Prints a table in Markdown. How many nodes a captured step has is counted by gpu_nodes.py.
"""

import itertools
import math
import re
import shutil
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

from minires.kernels.cuda.conv import Correlation, WeightGradient
from minires.kernels.cuda.launch import source
from minires.kernels.geometry import axes

MULTIPLY = ("FFMA", "HMMA")
BATCH, MULTIPROCESSORS = 128, 132  # of an H100
STAGES = {16: 32, 32: 16, 64: 8}  # channels, and the feature maps' height and width
KERNELS = {  # a .cu file, its kernel, and what launches it
    "conv": ("correlate", Correlation),
    "weight_gradient": ("weight_gradient", WeightGradient),
}


def nvdisasm() -> str:
    """The disassembler, on the path or from its package."""
    if found := shutil.which("nvdisasm"):
        return found
    spec = find_spec("nvidia")
    folders = spec.submodule_search_locations if spec else None
    for folder in folders or []:
        for file in Path(folder).glob("*/bin/nvdisasm"):
            return str(file)
    sys.exit("this needs nvdisasm: pip install nvidia-cuda-nvdisasm")


def compiled(file: str, settings: dict[str, int]) -> tuple[str, str]:
    """What ptxas says of a kernel, and its machine code."""
    code, options = source(file, **settings)
    with tempfile.TemporaryDirectory() as folder:
        written, cubin = Path(folder, "kernel.cu"), Path(folder, "kernel.cubin")
        written.write_text(code, encoding="utf-8")
        command = ["nvcc", "-arch=sm_90", "-cubin", "-Xptxas", "-v", *options, written, "-o", cubin]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(done.stderr)
        command = [nvdisasm(), "-c", cubin]
        return done.stderr, subprocess.run(command, capture_output=True, text=True).stdout


def step(code: str, multiplications: int) -> list[str]:
    """The instructions of one step: the longest loop that fills shared memory.

    A loop inside it that multiplies is repeated until there are so many multiplications.
    """
    labels: dict[str, int] = {}
    names: list[str] = []
    loops: list[tuple[int, int]] = []
    for line in code.splitlines():
        if label := re.match(r"\s*(\.L\w+):", line):
            labels[label[1]] = len(names)
        if found := re.search(r"/\*[0-9a-f]{4,}\*/\s+(?:@!?\w+\s+)?([A-Z0-9_.]+)(.*?);", line):
            names.append(found[1])
            target = re.search(r"(\.L\w+)", found[2]) if found[1].startswith("BRA") else None
            if target and target[1] in labels:
                loops.append((labels[target[1]], len(names)))
    whole = max((l for l in loops if count(names[slice(*l)], "STS")), key=lambda l: l[1] - l[0])
    body = names[slice(*whole)]
    inside = [names[slice(*l)] for l in loops if whole[0] < l[0] and l[1] < whole[1]]
    inner = max((i for i in inside if count(i, *MULTIPLY)), key=len, default=[])
    again = multiplications // max(1, count(inner, *MULTIPLY)) - 1
    return body if count(body, *MULTIPLY) >= multiplications else body + again * inner


def count(instructions: list[str], *names: str) -> int:
    """How many instructions begin with one of these names."""
    return sum(instruction.startswith(names) for instruction in instructions)


def on_their_way(instructions: list[str]) -> int:
    """The most loads from memory in a row, before what came is written to shared memory."""
    most = now = 0
    for instruction in instructions:
        now = 0 if instruction.startswith("STS") else now + instruction.startswith("LDG")
        most = max(most, now)
    return most


def row(file: str, channels: int, tf32: bool, relu: bool) -> str:
    """A line of the table."""
    kernel, kind = KERNELS[file]
    maps = (BATCH, channels, STAGES[channels], STAGES[channels])
    work = kind(channels, channels, *axes(maps, (3, 3), (1, 1), (1, 1)), BATCH, tf32)
    settings = work.settings
    said, code = compiled(file, settings | ({"RELU": 1} if relu else {}))
    registers, shared = (
        int(found[1]) if (found := re.search(pattern, said)) else 0
        for pattern in (r"Used (\d+) registers", r"(\d+) bytes smem")
    )
    spilled = sum(int(n) for n in re.findall(r"(\d+) bytes spill stores", said))
    threads = settings["threads"]
    held = min(2048 // threads, 65536 // (registers * threads), 233_472 // (shared + 1024))
    given = math.ceil(math.prod(work.grid) * threads / 32 / MULTIPROCESSORS)
    numbers = settings["BR"] * settings["BQ"] * settings["BK"]
    # A thread multiplies two numbers at once, or 32 threads 16 x 8 by 8 x 8.
    products = numbers // (threads // 32 * 16 * 8 * 8 if tf32 else threads)
    loop = step(code, products)
    cells = (
        f"{kernel}, {channels} channels" + (", TF32" if tf32 else "") + (", ReLU" if relu else ""),
        f"{registers} ({spilled})",
        f"{held * threads // 32}, {given}",
        f"{len(loop)}",
        f"{count(loop, *MULTIPLY)}",
        f"{count(loop, 'LDS')}",
        f"{on_their_way(loop)}",
    )
    return "| " + " | ".join(cells) + " |"


def main() -> None:
    """Print the table."""
    print(
        "| kernel | registers (spilled) | warps held, given | instructions a step | FFMA or HMMA |"
        " reads of shared memory | loads on their way |"
    )
    print("|---|---|---|---|---|---|---|")
    for case in itertools.product(KERNELS, STAGES, (False, True), (False, True)):
        print(row(*case), flush=True)


if __name__ == "__main__":
    main()
