"""What a step does on a GPU, as the driver and CUPTI see it, whoever launches the kernels."""

import re

import torch
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile

from . import Step

_LAUNCH = re.compile(r"cu(da)?(Graph)?Launch(Kernel)?\w*")


def used_megabytes() -> float:
    """The memory of the GPU that is taken, by whatever process, in MB."""
    free, total = torch.cuda.mem_get_info()
    return (total - free) / 2**20


def counted(step: Step) -> tuple[int, int]:
    """How often one step asks the driver to launch something, and how many kernels then run."""
    torch.cuda.synchronize()
    with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as seen:
        step()
        torch.cuda.synchronize()
    events = seen.events()
    launches = sum(bool(_LAUNCH.fullmatch(event.name)) for event in events)
    return launches, sum(event.device_type == DeviceType.CUDA for event in events)
