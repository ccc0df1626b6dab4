"""A whole autograd engine, to be read from top to bottom: the tensor, the tape, the walk back.

The mathematics is in `minires.ops`. An operation computes its output from arrays (`forward`), and
the gradients of its inputs from the gradient of its output (`backward`); it knows of no graph. An
engine adds the chain rule. It records which operation made each tensor, and from which others
(`apply`; this record is also called a tape). Then it walks back through the record and adds up
the gradients that reach each tensor (`backward`).

    x, w = Tensor(2.0), Tensor(-0.5)
    loss = (w * x).exp() + x
    loss.backward()
    print(x.grad, w.grad)

    y = apply(ops.Conv2d(padding=1), images, weight, None)  # without a bias

`minires.autograd` computes the same numbers from the same operations. What it adds is what a user
needs: float32, GPUs and faster kernels, tensors that need no gradient, arrays released as soon as
backward has used them, a walk that can be watched step by step, and errors that explain.
"""

import itertools

import numpy as np

from minires import ops

numbers = itertools.count()


class Tensor:
    """An array, its gradient, and how it was computed.

    Args:
        data: an array or a number; always float64 here, so that no types have to be mixed.
        op: the operation that made it; None for a leaf, which was not computed.
        sources: the tensors that the operation was applied to; None for an input left out.

    Attributes:
        grad: an array of the same shape, which `backward` adds to; 0 before that.
        number: tensors are numbered as they are made, so that an output has a larger number
            than its sources.
    """

    __array_ufunc__ = None  # makes NumPy leave `array + tensor` to Tensor.__radd__

    def __init__(self, data, op=None, sources=()):
        self.data = np.asarray(data, dtype=np.float64)
        self.grad = np.zeros_like(self.data)
        self.op = op
        self.sources = sources
        self.number = next(numbers)

    def __repr__(self):
        return f"Tensor({self.data}, grad={self.grad})"

    def history(self):
        """Return this tensor and all that it was computed from, the latest first."""
        found, waiting = {self}, [self]
        while waiting:
            for source in waiting.pop().sources:
                if source is not None and source not in found:
                    found.add(source)
                    waiting.append(source)
        return sorted(found, key=lambda tensor: tensor.number, reverse=True)

    def backward(self, gy=1.0):
        """Add the gradient of this tensor to the `grad` of every tensor it was computed from.

        `gy` is the gradient that the walk starts with: 1 for a loss, which is a single number;
        an array of this tensor's shape otherwise.
        """
        gradients = {self: np.asarray(gy, dtype=np.float64).reshape(self.data.shape)}
        for tensor in self.history():
            gy = gradients.pop(tensor)  # complete: all that used this tensor is later than it
            tensor.grad += gy
            if tensor.op is None:
                continue
            gxs = tensor.op.backward(gy)
            for source, gx in zip(tensor.sources, gxs if isinstance(gxs, tuple) else [gxs]):
                if source in gradients:  # it was used more than once: its gradients add up
                    gradients[source] = gradients[source] + gx
                elif source is not None:
                    gradients[source] = gx


def apply(op, *inputs):
    """Return the output of an operation, as a tensor that remembers the operation.

    Args:
        op: an operation of `minires.ops`, a new one for each call.
        inputs: tensors, arrays or numbers; None for an input left out.
    """
    sources = [x if x is None or isinstance(x, Tensor) else Tensor(x) for x in inputs]
    arrays = [None if x is None else x.data for x in sources]
    op.check(*arrays)  # raises an error if the shapes do not fit
    op.input_shapes = tuple(() if a is None else a.shape for a in arrays)  # for op.backward
    op.needs_grad = tuple(a is not None for a in arrays)  # which gradients to compute
    return Tensor(op.forward(*arrays), op, sources)


Tensor.__add__ = lambda a, b: apply(ops.Add(), a, b)
Tensor.__radd__ = lambda b, a: apply(ops.Add(), a, b)
Tensor.__sub__ = lambda a, b: apply(ops.Sub(), a, b)
Tensor.__rsub__ = lambda b, a: apply(ops.Sub(), a, b)
Tensor.__mul__ = lambda a, b: apply(ops.Mul(), a, b)
Tensor.__rmul__ = lambda b, a: apply(ops.Mul(), a, b)
Tensor.__truediv__ = lambda a, b: apply(ops.Div(), a, b)
Tensor.__rtruediv__ = lambda b, a: apply(ops.Div(), a, b)
Tensor.__matmul__ = lambda a, b: apply(ops.Matmul(), a, b)
Tensor.__rmatmul__ = lambda b, a: apply(ops.Matmul(), a, b)
Tensor.__neg__ = lambda x: apply(ops.Neg(), x)
Tensor.__pow__ = lambda x, exponent: apply(ops.Pow(exponent), x)
Tensor.__getitem__ = lambda x, key: apply(ops.Index(key), x)
Tensor.exp = lambda x: apply(ops.Exp(), x)
Tensor.log = lambda x: apply(ops.Log(), x)
Tensor.relu = lambda x: apply(ops.ReLU(), x)
Tensor.sum = lambda x, dim=None, keepdim=False: apply(ops.Sum(dim, keepdim), x)
Tensor.mean = lambda x, dim=None, keepdim=False: apply(ops.Mean(dim, keepdim), x)
Tensor.max = lambda x, dim=None, keepdim=False: apply(ops.Max(dim, keepdim), x)
Tensor.reshape = lambda x, *shape: apply(ops.Reshape(shape), x)
Tensor.permute = lambda x, *dims: apply(ops.Permute(dims), x)
