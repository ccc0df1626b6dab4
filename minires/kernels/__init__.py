"""Fast kernels of the reference operations, for NumPy and for CuPy.

Importing this package registers them; they have the reference's signatures and answers.
"""

from . import cpu, cuda
from .cpu.threads import get_num_threads, set_num_threads

__all__ = ["cpu", "cuda", "get_num_threads", "set_num_threads"]
