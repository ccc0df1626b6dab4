"""Tables of NumPy's functions and methods, by how a recorded array treats them."""

import numpy as np

# Functions that write to their first argument.
WRITING = frozenset((np.copyto, np.fill_diagonal, np.place, np.put, np.put_along_axis, np.putmask))
# Functions that look at shapes and dtypes, not at numbers.
SHAPES = frozenset(
    (np.can_cast, np.iscomplexobj, np.isrealobj, np.may_share_memory, np.ndim, np.result_type)
) | {np.shape, np.shares_memory, np.size}
# Functions that make new arrays.
MAKING = frozenset(("arange", "array", "asarray", "empty", "full", "linspace", "ones", "zeros"))

# Methods that return arrays, and methods that tell numbers or are not recorded.
METHODS = (
    "argmax argmin argsort choose compress cumprod cumsum diagonal dot flatten ravel repeat reshape"
    " round take"
)
LOOKING = (
    "__bool__ __complex__ __float__ __format__ __index__ __int__ item nonzero partition put resize"
    " searchsorted sort tobytes tolist"
)
# Operators that change an array in place and replace a number, without __i and __.
BINARY = "add and floordiv lshift matmul mod mul or pow rshift sub truediv xor"
