"""Fast kernels of the reference operations, by machine, and the registry that chooses one.

See README.md beside this file.
"""

from .cpu.threads import all_threads, blas_threads, get_num_threads, set_num_threads
from .lazy import LazyArray, arrays_in_memory, is_begun, realized
from .registry import REFERENCE, Kernel, call, choose, register, registered
from .replayed import Replayed
