"""The reference operations: forward and hand-written backward side by side, on arrays alone."""

from ..arguments import Pair
from .arithmetic import Abs, Add, Div, Exp, Log, Mul, Neg, Pow, PowerOf, Sqrt, Sub
from .batchnorm import BatchNorm, BatchNormInference
from .conv import Conv2d
from .loss import CrossEntropy, LogSoftmax, NegativeLogLikelihood
from .matmul import Linear, Matmul
from .op import Gradients, Op
from .pool import AvgPool2d, GlobalAvgPool2d, MaxPool2d
from .reduce import Max, Mean, Min, Sum
from .relu import ReLU
from .reshape import Concatenate, Index, Pad, Permute, Reshape

ALL: tuple[type[Op], ...] = (
    *(Add, Sub, Mul, Div, Neg, Pow, PowerOf, Sqrt, Abs, Exp, Log),
    *(Matmul, Linear),
    *(Sum, Mean, Max, Min),
    *(Reshape, Permute, Pad, Index, Concatenate),
    *(ReLU, Conv2d, BatchNorm, BatchNormInference),
    *(MaxPool2d, AvgPool2d, GlobalAvgPool2d),
    *(LogSoftmax, CrossEntropy, NegativeLogLikelihood),
)
