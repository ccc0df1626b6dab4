"""The names that pickles of PyTorch may have, and what each stands for.

They are those that PyTorch reads with `weights_only=True` (`torch/_weights_only_unpickler.py`), and
the inert ones that training scripts often save with the tensors. Only the names of `NUMBERS` have
a meaning here; for the calls that make tensors see `pth`.
"""

from typing import Any

import numpy as np

from .pickled import Inert
from .stored import BFLOAT16

# The types of numbers that are read: the storage's name, the dtype's name, and NumPy's dtype.
_TYPES = (
    ("Double", "float64", np.dtype("<f8")),
    ("Float", "float32", np.dtype("<f4")),
    ("Half", "float16", np.dtype("<f2")),
    ("BFloat16", "bfloat16", BFLOAT16),
    ("Long", "int64", np.dtype("<i8")),
    ("Int", "int32", np.dtype("<i4")),
    ("Short", "int16", np.dtype("<i2")),
    ("Char", "int8", np.dtype("i1")),
    ("Byte", "uint8", np.dtype("u1")),
    ("Bool", "bool", np.dtype("?")),
)
NUMBERS: dict[str, np.dtype[Any]] = {
    **{f"torch.{place}{name}Storage": t for name, _, t in _TYPES for place in ("", "cuda.")},
    **{f"torch.{dtype}": t for _, dtype, t in _TYPES},
    **{f"torch.uint{bits}": np.dtype(f"<u{bits // 8}") for bits in (16, 32, 64)},
    "torch.storage.UntypedStorage": np.dtype("u1"),
}

# By module: types of numbers that are not read, other tensors, and what is no tensor.
_INERT = {
    "torch": (
        *("complex32", "complex64", "complex128", "ComplexFloatStorage", "ComplexDoubleStorage"),
        *("float4_e2m1fn_x2", "float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz"),
        *("float8_e8m0fnu", "bits8", "bits16", "bits1x8", "bits2x4", "bits4x2"),
        *("qint8", "qint32", "quint8", "quint2x4", "quint4x2"),
        *("QInt8Storage", "QInt32Storage", "QUInt8Storage", "QUInt2x4Storage", "QUInt4x2Storage"),
        *("per_tensor_affine", "per_tensor_symmetric", "per_channel_affine"),
        *("per_channel_symmetric", "per_channel_affine_float_qparams"),
        *(f"{sign}int{bits}" for sign in ("", "u") for bits in range(1, 8)),
        *(f"{name}Tensor" for name, _, _ in _TYPES),
        *("Tensor", "Size", "device"),
    ),
    "torch.cuda": (
        *("ComplexFloatStorage", "ComplexDoubleStorage"),
        *(f"{name}Tensor" for name, _, _ in _TYPES),
    ),
    **{
        f"torch.{place}sparse": [f"{name}Tensor" for name, _, _ in _TYPES if name != "Bool"]
        for place in ("", "cuda.")
    },
    "torch._utils": (
        *("_rebuild_sparse_tensor", "_rebuild_qtensor", "_rebuild_nested_tensor"),
        *("_rebuild_meta_tensor_no_storage", "_rebuild_wrapper_subclass"),
        "_rebuild_device_tensor_from_numpy",
    ),
    "torch.nn.parameter": ("Parameter",),
    "torch.serialization": ("_get_layout",),
    "torch.storage": ("TypedStorage",),
    "torch.torch_version": ("TorchVersion",),
    "collections": ("Counter", "defaultdict", "deque"),
    "datetime": ("datetime", "date", "timedelta"),
    "_codecs": ("encode",),  # of bytes
    **dict.fromkeys(
        ("builtins", "__builtin__"),  # the second where the protocol is 2
        ("set", "frozenset", "bytearray", "complex", "dict", "list", "int", "long", "float"),
    ),
    "argparse": ("Namespace",),
    "types": ("SimpleNamespace",),
    **dict.fromkeys(("pathlib", "pathlib._local"), ("PosixPath", "WindowsPath")),
    "numpy": ("dtype", "ndarray"),
    **{f"numpy.{core}.multiarray": ("scalar", "_reconstruct") for core in ("core", "_core")},
    **{f"numpy.{core}.numeric": ("_frombuffer",) for core in ("core", "_core")},
}
_WORDS = {  # for messages, where the name itself says little
    "_rebuild_sparse_tensor": "sparse tensor",
    "_rebuild_qtensor": "quantized tensor",
    "_rebuild_nested_tensor": "nested tensor",
    "_rebuild_meta_tensor_no_storage": "tensor without numbers",
    "_rebuild_wrapper_subclass": "tensor of a class of its own",
    "_rebuild_device_tensor_from_numpy": "tensor of another device",
    "_get_layout": "layout",
    "encode": "bytes",
    "scalar": "NumPy scalar",
    "_reconstruct": "NumPy array",
    "_frombuffer": "NumPy array",
}
INERT = {
    f"{module}.{name}": Inert(_WORDS.get(name, name))
    for module, names in _INERT.items()
    for name in names
}
