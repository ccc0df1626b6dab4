"""The reference operations: forward and hand-written backward side by side, on arrays alone."""

from ..arguments import Pair
from .arithmetic import Add, Div, Exp, Log, Mul, Neg, Pow, Sub
from .batchnorm import BatchNorm, BatchNormInference, SyncBatchNorm
from .conv import Conv2d
from .loss import CrossEntropy, LogSoftmax
from .matmul import Linear, Matmul
from .op import Gradients, Op
from .pool import AvgPool2d, GlobalAvgPool2d, MaxPool2d
from .reduce import Max, Mean, Sum
from .relu import ReLU
from .reshape import Index, Pad, Permute, Reshape

ALL: tuple[type[Op], ...] = (
    *(Add, Sub, Mul, Div, Neg, Pow, Exp, Log),
    *(Matmul, Linear),
    *(Sum, Mean, Max),
    *(Reshape, Permute, Pad, Index),
    *(ReLU, Conv2d, BatchNorm, SyncBatchNorm, BatchNormInference),
    *(MaxPool2d, AvgPool2d, GlobalAvgPool2d),
    *(LogSoftmax, CrossEntropy),
)
