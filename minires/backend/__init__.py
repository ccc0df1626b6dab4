"""Which array library owns an array, moving and recording them, writes in place, random numbers."""

from .arrays import (
    Array,
    array_module,
    backend_name,
    converted,
    destination,
    expect_differentiable,
    expect_real,
    expect_same_backend,
    is_array,
    is_captured,
    is_dense,
    move,
    placed,
    plain,
    real_numbers,
    single,
    to_numpy,
)
from .library import BACKENDS, capability, default, expect_tf32, load, use
from .random import generator, manual_seed, stream
from .recording.again import is_same
from .recording.arena import LINE, Arena, Memory, aligned
from .recording.array import Recorded, guarded, recorded, recorder, unrecorded
from .recording.recorder import Calls, Recorder
from .recording.state import State
from .writes import (
    Write,
    is_read_only,
    later_write,
    moment,
    note_replacement,
    note_write,
    writes_since,
)
