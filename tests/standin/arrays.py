"""The stand-in's `ndarray`: NumPy's numbers under a device array's rules (CuPy 14)."""

import inspect
import operator
import weakref
from functools import wraps
from types import SimpleNamespace

import numpy as np

SCALARS = (bool, int, float, complex, np.number, np.bool_)


class ndarray:  # noqa: N801 - CuPy's name
    """An array of the device."""

    __slots__ = ("__weakref__", "_host", "base")
    __module__ = "cupy"
    __array_priority__ = 100
    # NumPy's operators then leave theirs to ours, and NumPy's ufuncs refuse us.
    __array_ufunc__ = None
    __hash__ = None

    def __init__(self, shape, dtype=float, order="C"):
        host = np.empty(shape, dtype, order)
        host.fill(np.nan if host.dtype.kind in "fc" else 1)  # whatever was there before
        self._hold(host)

    def _hold(self, host):
        """Be an array of this memory, and a view of the array that owns it."""
        owner = pool.owner(host)
        self._host, self.base = host, None
        if owner is host:
            pool.arrays[id(owner)] = self
        else:
            self.base = pool.arrays.get(id(owner), None)
            if self.base is None:
                self.base = wrap(owner)

    def __array__(self, dtype=None, copy=None):
        raise TypeError(
            "Implicit conversion to a NumPy array is not allowed. Please use `.get()` to "
            "construct a NumPy array explicitly."
        )

    def __array_function__(self, function, types, args, kwargs):
        raise TypeError(f"numpy.{function.__name__} was called on an array of the device")

    # --- what it is -------------------------------------------------------------------------

    shape = property(lambda self: self._host.shape)
    strides = property(lambda self: self._host.strides)
    dtype = property(lambda self: self._host.dtype)
    ndim = property(lambda self: self._host.ndim)
    size = property(lambda self: self._host.size)
    nbytes = property(lambda self: self._host.nbytes)
    itemsize = property(lambda self: self._host.itemsize)
    T = property(lambda self: wrap(self._host.T))

    @property
    def data(self):
        return SimpleNamespace(ptr=self._host.ctypes.data)

    @property
    def flags(self):  # a device array has no such thing as `writeable`
        names = ("c_contiguous", "f_contiguous", "owndata")
        return SimpleNamespace(**{name: self._host.flags[name.upper()] for name in names})

    def __len__(self):
        return len(self._host)

    def __iter__(self):
        return (self[i] for i in range(len(self)))

    def __repr__(self):
        return repr(self._host)

    # --- to the host ------------------------------------------------------------------------

    def get(self, stream=None, order="C", out=None, blocking=True):
        if out is None:
            return np.array(self._host, order=order)
        out[...] = self._host
        return out

    def set(self, arr, stream=None):
        if not isinstance(arr, np.ndarray):
            raise TypeError("Only numpy.ndarray can be set to cupy.ndarray")
        if arr.dtype != self.dtype or arr.shape != self.shape:
            raise ValueError(f"{self.dtype}{self.shape} cannot be set to {arr.dtype}{arr.shape}")
        self._host[...] = arr

    def item(self):
        return self._scalar()

    def tolist(self):
        return self._host.tolist()

    def __bool__(self):
        return bool(self._scalar())

    def __int__(self):
        return int(self._scalar())

    def __float__(self):
        return float(self._scalar())

    def _scalar(self):
        if self.size != 1:
            raise TypeError("only size-1 arrays can be converted to Python scalars")
        return self._host.item()

    # --- parts ------------------------------------------------------------------------------

    def __getitem__(self, key):
        key = _key(key)
        if not any(part is Ellipsis for part in key):
            key = (*key, ...)  # a single element is a view too, and no scalar
        return wrap(self._host[key])

    def __setitem__(self, key, value):
        key, source = _key(key), _source(value)
        if any(isinstance(part, np.ndarray | list) for part in key):
            _expect_distinct(self._host, key, source)
        else:
            expect_apart(self._host[(*key, ...) if ... not in key else key], source)
        self._host[key] = source

    def fill(self, value):
        self._host.fill(_source(value))

    # --- shapes -----------------------------------------------------------------------------

    def ravel(self, order="C"):
        if order == "K":  # CuPy 13; 14 has it
            raise NotImplementedError("ravel with order='K' not yet implemented.")
        return wrap(self._host.ravel(order))

    def astype(self, dtype, order="K", casting=None, subok=None, copy=True):
        with np.errstate(all="ignore"):
            host = self._host.astype(dtype, order, casting or "unsafe", copy=copy)
        return self if host is self._host else wrap(host)


def wrap(result):
    """A result of NumPy's, on the device; its scalars become arrays without dimensions."""
    if isinstance(result, tuple):
        return tuple(map(wrap, result))
    if not isinstance(result, np.ndarray | np.generic):
        return result
    host = np.asarray(result)
    if host.dtype.char not in "?bhilqBHILQefdFD":
        raise ValueError(f"Unsupported dtype {host.dtype}")
    array = ndarray.__new__(ndarray)
    array._hold(host)
    return array


def unwrap(value):
    """What NumPy gets in the place of `value`; TypeError for what CuPy does not take."""
    if isinstance(value, ndarray):
        return value._host
    if value is None or isinstance(value, SCALARS):
        return value
    raise TypeError(f"Unsupported type {type(value)}")


def expect_apart(target, *sources):
    """Refuse to write where something else is read: on a GPU it is not known which comes first."""
    for source in sources:
        if not isinstance(source, np.ndarray) or not np.shares_memory(target, source):
            continue
        same = target.ctypes.data == source.ctypes.data and target.strides == source.strides
        if not (same and target.shape == source.shape):
            raise ValueError("an array is written while an overlapping part of it is read")


class Pool:
    """How much of the device's memory is in use: that of all arrays that are alive."""

    def __init__(self):
        self.arrays = weakref.WeakValueDictionary()  # by the identity of the memory they own
        self._sizes = {}

    def owner(self, host):
        """The memory that `host` is or is a view of, which is counted until it is let go of."""
        while isinstance(host.base, np.ndarray):
            host = host.base
        if id(host) not in self._sizes:
            self._sizes[id(host)] = host.nbytes
            weakref.finalize(host, self._sizes.pop, id(host)).atexit = False
        return host

    def used_bytes(self):
        return sum(self._sizes.values())

    def total_bytes(self):
        return self.used_bytes()

    def free_bytes(self):
        return 0

    def free_all_blocks(self, stream=None):
        pass


pool = Pool()


def _key(key):
    """An index as NumPy's, of what CuPy takes on the device; lists are short and it takes them."""
    return tuple(map(_part, key if isinstance(key, tuple) else (key,)))


def _part(part):
    if part is None or part is Ellipsis or isinstance(part, slice | np.integer):
        return part
    if isinstance(part, int) and not isinstance(part, bool):
        return part
    if isinstance(part, ndarray) and part.dtype.kind in "iub":
        return part._host
    if isinstance(part, list) and all(type(i) is int for i in part):
        return part
    raise IndexError(f"Unsupported index {part!r} of type {type(part)}")


def _source(value):
    if isinstance(value, np.ndarray):
        raise ValueError("non-scalar numpy.ndarray cannot be used for fill")
    return unwrap(value)


def _expect_distinct(host, key, source):
    """Refuse several values for one element, of which a GPU writes any."""
    places = np.arange(host.size).reshape(host.shape)[key]
    if np.ndim(source) and np.unique(places).size < places.size:
        raise ValueError("several values are assigned to one element")


def checked(name, parameters, function):
    """`function` behind a door that lets in only CuPy's `parameters`, and only the device's."""
    optional = inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.VAR_POSITIONAL
    signature = inspect.Signature(
        [
            inspect.Parameter(p.lstrip("*"), optional[1])
            if p.startswith("*")
            else inspect.Parameter(p, optional[0], default=None)
            for p in parameters.split()
        ]
    )

    @wraps(function)
    def door(*args, **options):
        signature.bind(*args, **options)
        out = options.get("out")
        args = [_setting(value) for value in args]
        options = {key: _setting(value) for key, value in options.items()}
        if out is not None:
            expect_apart(options["out"], *args)
        with np.errstate(all="ignore"):  # a GPU does not warn
            result = function(*args, **options)
        return wrap(result) if out is None else out

    door.__name__ = name
    door.__signature__ = signature
    return door


def _setting(value):
    """An argument that is an array, or a number, a shape, an axis, a dtype or a word."""
    if isinstance(value, ndarray | np.ndarray):
        return unwrap(value)
    if isinstance(value, list | tuple):
        return type(value)(map(_setting, value))
    return value


METHODS = {
    **dict.fromkeys(("sum", "mean", "prod"), "self axis dtype out keepdims"),
    **dict.fromkeys(("max", "min", "any", "all"), "self axis out keepdims"),
    **dict.fromkeys(("std", "var"), "self axis dtype out ddof keepdims"),
    **dict.fromkeys(("argmax", "argmin"), "self axis out dtype keepdims"),
    "cumsum": "self axis dtype out",
    "clip": "self min max out",
    "round": "self decimals out",
    "take": "self indices axis out",
    "repeat": "self repeats axis",
    "copy": "self order",
    "flatten": "self order",
    "squeeze": "self axis",
    "swapaxes": "self axis1 axis2",
    "transpose": "self *axes",
    "reshape": "self *shape",
    "view": "self dtype",
    "dot": "self b out",
    "argsort": "self axis",
    "nonzero": "self",
}
for _name, _parameters in METHODS.items():
    setattr(ndarray, _name, checked(_name, _parameters, getattr(np.ndarray, _name)))


def _operator(function):
    def apply(self, other):
        if _leaves_it_to(other):
            return NotImplemented
        with np.errstate(all="ignore"):
            return wrap(function(self._host, unwrap(other)))

    return apply


def _reflected(function):
    return _operator(lambda a, b: function(b, a))


def _in_place(function):
    def apply(self, other):
        if _leaves_it_to(other):
            return NotImplemented
        source = unwrap(other)
        expect_apart(self._host, source)
        with np.errstate(all="ignore"):
            function(self._host, source)
        return self

    return apply


def _leaves_it_to(other):
    """Whether `other` is of a class, such as Tensor, that wants the operator for itself."""
    return not isinstance(other, ndarray) and getattr(other, "__array_ufunc__", other) is None


for _name in (
    "add",
    "sub",
    "mul",
    "truediv",
    "floordiv",
    "mod",
    "pow",
    "matmul",
    "and",
    "or",
    "xor",
):
    _function = getattr(operator, f"__{_name}__")
    setattr(ndarray, f"__{_name}__", _operator(_function))
    setattr(ndarray, f"__r{_name}__", _reflected(_function))
    if _name != "matmul":  # CuPy has no @=
        setattr(ndarray, f"__i{_name}__", _in_place(getattr(operator, f"__i{_name}__")))
for _name in ("eq", "ne", "lt", "le", "gt", "ge"):
    setattr(ndarray, f"__{_name}__", _operator(getattr(operator, _name)))
for _name in ("neg", "pos", "abs", "invert"):
    _function = getattr(operator, _name)
    setattr(ndarray, f"__{_name}__", lambda self, function=_function: wrap(function(self._host)))
