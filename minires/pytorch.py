"""Names and arguments of PyTorch that are not here, each with a sentence: what takes their place.

The two tables are all there is to it. A name is looked up in `NAMES` where Python finds none, and
an argument in `ARGUMENTS` where it is given another value than the only one that there is.
"""

from collections.abc import Sequence
from types import NoneType
from typing import Any

from .arguments import shown
from .errors import MissingNameError, UsageError

_CPU = 'the array library is named, not the device: to("numpy") is the CPU, to("cupy") a GPU'
_DTYPE = 'dtypes are NumPy\'s, by name too: x.to("float64"), Tensor(data, dtype="float32")'
_FROM_NUMPY = "tensors are made of NumPy's arrays: minires.Tensor(np.zeros((2, 3), np.float32))"
_METHOD = "it is a method or an operator of a tensor, such as x.abs(), x.sum(1), x.reshape(2, 3)"
_RELU = "the nets here have ReLU alone; tutorial 9 writes an operation of one's own"
_LOSS = "the loss here is nn.CrossEntropyLoss; another one is written as a formula of tensors"
_COPY = "no operation changes its inputs: a copy is not needed, and .detach() leaves the graph"
_IN_PLACE = "tensors are not changed in place, since backward needs them; write x = x + y"
_LOADER = (
    "dataset.batches(64, shuffle=True, seed=0) yields batches; images are in memory, and need no "
    "workers"
)
_CHECKPOINT = "minires.checkpoint(function, *inputs) is PyTorch's torch.utils.checkpoint"
_PROCESSES = "minires.parallel.DistributedSGD splits a batch over ranks; a net is in one process"
_COMPILED = "nothing is compiled: a net's graph is what ran"
_OPTIMISER = "the optimisers here are optim.SGD, which the paper used, and optim.Adam"
_SCHEDULE = (
    "of the schedulers there are StepLR, MultiStepLR, CosineAnnealingLR and LinearLR; any other "
    "rate is set before a step: optimiser.lr = 0.01"
)
_NORM = "the nets here normalise by nn.BatchNorm2d alone, as the paper did"
_INIT = "layers take their initial weights as init=nn.he_normal or nn.xavier_normal"
_IMAGES = "layers here are those of nets for images: Conv2d, Linear, BatchNorm2d, pooling, Dropout"
_ADAPTIVE = "of the adaptive pools there is the average to one pixel: nn.AdaptiveAvgPool2d(1)"
_PADDING = "F.pad pads with constants, and so do convolution (zeros) and pooling"


def _named(names: str, sentence: str) -> dict[str, str]:
    return dict.fromkeys(names.split(), sentence)


NAMES: dict[str, dict[str, str]] = {
    "minires": {
        **_named("tensor as_tensor from_numpy FloatTensor LongTensor", _FROM_NUMPY),
        **_named("zeros ones empty full eye arange linspace zeros_like ones_like", _FROM_NUMPY),
        **_named("randn rand randint randperm normal", f"{_FROM_NUMPY}; np.random draws them"),
        **_named("abs sqrt exp log max min sum mean argmax softmax matmul mm bmm", _METHOD),
        **_named("reshape flatten transpose permute relu pow unsqueeze squeeze", _METHOD),
        **_named("stack hstack vstack", "minires.cat([a[None], b[None]]) stacks, as cat joins"),
        **_named("where clamp clip tanh sigmoid einsum std var norm", f"not here; {_METHOD}"),
        **_named("float32 float64 float double", _DTYPE),
        **_named("float16 half bfloat16 int64 long int32 bool uint8", _DTYPE),
        **_named("device cuda backends get_default_device set_default_device", _CPU),
        **_named("compile jit fx export", _COMPILED),
        **_named("amp autocast", "training is in float32; with minires.tf32(): uses tensor cores"),
        **_named("set_grad_enabled inference_mode", "with minires.no_grad(): records nothing"),
        **_named("enable_grad is_grad_enabled", "recording is on, except in minires.no_grad()"),
        **_named("distributed multiprocessing", _PROCESSES),
        **_named("utils", f"{_CHECKPOINT}; {_LOADER}"),
        **_named("seed", "minires.manual_seed(0) seeds initial weights and dropout"),
        **_named("use_deterministic_algorithms", "runs are repeatable to the bit without asking"),
        **_named("Generator", "minires.manual_seed(0), and seed= of dataset.batches, are used"),
    },
    "minires.nn": {
        "functional": "it is minires.functional: from minires import functional as F",
        "utils": "gradients are arrays in p.grad, which may be scaled or clipped before step()",
        **_named("BatchNorm1d BatchNorm3d LayerNorm GroupNorm InstanceNorm2d SyncBatchNorm", _NORM),
        **_named("Sigmoid Tanh GELU SiLU LeakyReLU ELU Softplus Hardswish", _RELU),
        **_named("Softmax LogSoftmax", "F.softmax(x, 1) and F.log_softmax(x, 1) are functions"),
        **_named("MSELoss L1Loss BCELoss BCEWithLogitsLoss NLLLoss SmoothL1Loss", _LOSS),
        **_named("Conv1d Conv3d ConvTranspose2d Embedding LSTM GRU RNN Transformer", _IMAGES),
        **_named("MultiheadAttention TransformerEncoderLayer Bilinear Dropout2d", _IMAGES),
        **_named("Upsample PixelShuffle Fold Unfold LazyLinear", _IMAGES),
        **_named("AdaptiveMaxPool2d", _ADAPTIVE),
        **_named("ZeroPad2d ReflectionPad2d ReplicationPad2d", _PADDING),
        **_named("ModuleDict ParameterList ParameterDict", "nn.ModuleList holds several layers"),
        **_named("DataParallel parallel", _PROCESSES),
    },
    "minires.nn.init": {
        **_named("kaiming_normal_ kaiming_uniform_ xavier_normal_ xavier_uniform_", _INIT),
        **_named("normal_ uniform_ constant_ zeros_ ones_ trunc_normal_ orthogonal_", _INIT),
    },
    "minires.functional": {
        **_named("sigmoid tanh gelu silu leaky_relu elu softplus", _RELU),
        **_named("mse_loss l1_loss nll_loss binary_cross_entropy smooth_l1_loss kl_div", _LOSS),
        **_named("binary_cross_entropy_with_logits", _LOSS),
        **_named("layer_norm group_norm instance_norm normalize", _NORM),
        **_named("interpolate conv1d conv3d conv_transpose2d embedding unfold", _IMAGES),
        **_named("scaled_dot_product_attention", _IMAGES),
        **_named("adaptive_max_pool2d", _ADAPTIVE),
        "one_hot": "labels are integers; np.eye(10)[labels] makes rows of 0 and 1",
    },
    "minires.optim": {
        **_named("AdamW Adagrad Adadelta Adamax NAdam RAdam RMSprop LBFGS ASGD Rprop", _OPTIMISER),
        **_named("SparseAdam Optimizer Muon Adafactor", _OPTIMISER),
    },
    "minires.optim.lr_scheduler": {
        **_named("ReduceLROnPlateau OneCycleLR CyclicLR ExponentialLR LambdaLR", _SCHEDULE),
        **_named("PolynomialLR ConstantLR CosineAnnealingWarmRestarts SequentialLR", _SCHEDULE),
        **_named("ChainedScheduler MultiplicativeLR", _SCHEDULE),
    },
    "minires.data": {
        **_named("DataLoader IterableDataset TensorDataset Subset", _LOADER),
        **_named("random_split", "dataset.with_validation(0.2) holds training images out"),
        **_named("DistributedSampler RandomSampler", _LOADER),
    },
    "Tensor": {
        **_named("cuda cpu device get_device is_cuda pin_memory", _CPU),
        **_named("float double half bfloat16 long int bool type byte type_as", _DTYPE),
        **_named("unsqueeze", "x[:, None] adds a dimension of size 1, as NumPy's"),
        **_named("squeeze", "x[:, 0] or x.reshape(...) takes a dimension of size 1 away"),
        **_named("clone contiguous copy_", _COPY),
        **_named("add_ sub_ mul_ div_ zero_ fill_ clamp_ relu_ normal_ uniform_ exp_", _IN_PLACE),
        **_named("requires_grad_", "set it: x.requires_grad = True"),
        **_named("grad_fn", "x.op is the operation that made x, None for a leaf"),
        **_named("is_leaf", "a leaf has x.op is None"),
        **_named("dim ndimension", "x.ndim is the number of dimensions"),
        **_named("t", "x.T has the dimensions in reverse order"),
        **_named("mm bmm matmul dot mv", "a @ b is the product of matrices and of vectors"),
        **_named("tolist", "x.numpy().tolist() makes a list"),
        **_named("any all", "comparisons are arrays: (x > 0).any()"),
        **_named("eq ne lt le gt ge", "x == y and the like compare, and give arrays"),
        **_named("pow", "x ** 2 is a power"),
        **_named("tanh sigmoid sin cos", _RELU),
        **_named("amax amin", "x.max((2, 3)) takes a tuple of dimensions"),
        **_named(
            "var std norm", "x.numpy().std() measures; ((x - x.mean()) ** 2).mean() is a tensor"
        ),
        **_named("clamp clip", "F.relu(x) cuts off below 0; x.numpy().clip(0, 1) is an array"),
        **_named(
            "expand expand_as repeat repeat_interleave broadcast_to", "shapes broadcast as is"
        ),
        **_named("topk sort argsort cumsum unique gather scatter", "x.numpy() has NumPy's methods"),
        **_named("split chunk unbind", "x[:, :3] and x[:, 3:] are parts of x"),
        **_named("masked_fill where", "x * mask leaves out what a mask of 0 and 1 does not have"),
    },
    "Module": {
        **_named("cuda cpu", _CPU),
        **_named("half bfloat16 type", _DTYPE),
        **_named("float double", 'model.to("float64") converts, as for a tensor'),
        **_named(
            "register_buffer",
            "any Tensor that is no Parameter is a buffer: self.mean = Tensor(...)",
        ),
        **_named("register_parameter", "assign it: self.weight = nn.Parameter(...)"),
        **_named("register_module add_module", "assign it: setattr(self, name, module)"),
        **_named(
            "register_forward_pre_hook register_full_backward_pre_hook", "a forward hook it is"
        ),
        **_named(
            "register_backward_hook", "register_full_backward_hook(hook) is what PyTorch kept"
        ),
        **_named("requires_grad_", "for p in model.parameters(): p.requires_grad = False"),
        **_named("get_submodule", "dict(model.named_modules())[path] is a module by its path"),
        **_named("get_parameter named_buffers buffers", "model.named_tensors() has all with paths"),
        "share_memory": _PROCESSES,
        "compile": _COMPILED,
    },
    "Optimiser": {
        "param_groups": "all parameters have one rate, optimiser.lr, which may be set at any time",
        "add_param_group": "one optimiser has one list of parameters; make a second optimiser",
        "state": "what is kept of each parameter is optimiser.velocities (SGD), means and squares",
    },
}

_PLAIN = (int, float, str, NoneType)  # what is compared; an array is not asked whether it equals 1

# The only value that each has here, and what is said of others.
ARGUMENTS: dict[str, tuple[Any, str]] = {
    "dilation": (1, "no net of the papers dilates its kernels"),
    "groups": (1, "no net of the papers has grouped convolutions, which are ResNeXt's"),
    "padding_mode": ("zeros", _PADDING),
    "mode": ("constant", f"{_PADDING}; the constant is value="),
    "ceil_mode": (False, "windows that do not fit are left out; pad the images instead"),
    "return_indices": (False, "the places of maxima are kept for backward alone"),
    "count_include_pad": (True, "the zeros of the padding count in a mean, as PyTorch's default"),
    "divisor_override": (None, "a mean is divided by the pixels of its window"),
    "output_size": (1, _ADAPTIVE),
    "affine": (True, "batch norm has a weight and a bias; F.batch_norm can do without"),
    "track_running_stats": (True, "batch norm has running statistics; F.batch_norm can do without"),
    "dampening": (0, "optim.SGD has momentum as the paper has it"),
    "nesterov": (False, "optim.SGD has momentum as the paper has it"),
    "amsgrad": (False, "optim.Adam is that of Kingma & Ba 2015"),
    "reduce": (None, 'reduction="none", "mean" or "sum" says it'),
}


def expect_only(**arguments: Any) -> None:
    """Raise UsageError if an argument has another value than the one in `ARGUMENTS`."""
    for name, value in arguments.items():
        only, sentence = ARGUMENTS[name]
        if value is only:
            continue
        values = value if isinstance(value, tuple | list) and len(value) == 2 else (value,)
        if not all(isinstance(v, _PLAIN) and v == only for v in values):
            raise UsageError(f"{name}={shown(value)} is not here, only {only!r}: {sentence}")


def expect_no_device(target: Any) -> None:
    """Raise UsageError if `to` is given one of PyTorch's devices."""
    if isinstance(target, str) and target.split(":")[0] in ("cpu", "cuda", "mps"):
        raise UsageError(f"to({shown(target)}) is not here: {_CPU}")


def missing_attribute(of: Any, kind: str, name: str) -> AttributeError:
    """Return the error for an attribute that an object does not have.

    Args:
        of: the object.
        kind: its key in `NAMES`.
        name: the attribute.
    """
    if name in NAMES[kind]:
        return MissingNameError(f"{type(of).__name__}.{name} is not here: {NAMES[kind][name]}")
    return AttributeError(
        f"{type(of).__name__!r} object has no attribute {name!r}", name=name, obj=of
    )


def expect_here(module: str, name: str) -> None:
    """Raise MissingNameError if a module has no attribute because it is PyTorch's alone."""
    if sentence := NAMES.get(module, {}).get(name):
        raise MissingNameError(f"{module}.{name} is not here: {sentence}")


class PyTorchNames:
    """Answers `from minires.data import DataLoader`, for `sys.meta_path`: it finds nothing."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None, target: Any = None) -> None:
        module, _, attribute = name.rpartition(".")
        if sentence := NAMES.get(module, {}).get(attribute):
            raise ImportError(f"{name} is not here: {sentence}", name=name)
