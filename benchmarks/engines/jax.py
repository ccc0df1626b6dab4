"""JAX: the whole step compiled as one, images and weights in N H W C, as JAX's users lay them.

Batch norm keeps no running statistics.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from . import EPS, LR, MOMENTUM, WEIGHT_DECAY, Step
from .functional import ResNet
from .nets import Net, batch_of, weights_of

Arrays = dict[str, Any]


class JaxNet(ResNet):
    """The net in JAX."""

    def conv2d(self, x: Any, name: str, stride: int, padding: int) -> Any:
        return lax.conv_general_dilated(
            x,
            self.w[f"{name}.weight"],
            (stride, stride),
            ((padding, padding), (padding, padding)),
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
        )

    def batch_norm(self, x: Any, name: str) -> Any:
        mean = x.mean((0, 1, 2))
        var = x.var((0, 1, 2))
        scale = self.w[f"{name}.weight"] * lax.rsqrt(var + EPS)
        return (x - mean) * scale + self.w[f"{name}.bias"]

    def relu(self, x: Any) -> Any:
        return jnp.maximum(x, 0)

    def shortcut_a(self, x: Any, stride: int, zeros: int) -> Any:
        return jnp.pad(x[:, ::stride, ::stride], ((0, 0), (0, 0), (0, 0), (zeros, zeros)))

    def max_pool(self, x: Any) -> Any:
        padding = ((0, 0), (1, 1), (1, 1), (0, 0))
        return lax.reduce_window(x, -jnp.inf, lax.max, (1, 3, 3, 1), (1, 2, 2, 1), padding)

    def global_avg_pool(self, x: Any) -> Any:
        return x.mean((1, 2))

    def linear(self, x: Any, name: str) -> Any:
        return x @ self.w[f"{name}.weight"].T + self.w[f"{name}.bias"]


def training(net: Net, n: int) -> Step:
    """A step of training."""
    images, labels = batch_of(net, n)
    x, t = jnp.asarray(images.transpose(0, 2, 3, 1)), jnp.asarray(labels)
    w = {name: jnp.asarray(_laid_out(value)) for name, value in weights_of(net).items()}
    v = {name: jnp.zeros_like(value) for name, value in w.items()}

    def loss_of(w: Arrays) -> Any:
        logp = jax.nn.log_softmax(JaxNet(net, w)(x))
        return -jnp.take_along_axis(logp, t[:, None], 1).mean()

    def update(w: Arrays, v: Arrays) -> tuple[Arrays, Arrays, Any]:
        loss, g = jax.value_and_grad(loss_of)(w)
        v = {name: MOMENTUM * v[name] + g[name] + WEIGHT_DECAY * w[name] for name in w}
        w = {name: w[name] - LR * v[name] for name in w}
        return w, v, loss

    compiled = jax.jit(update, donate_argnums=(0, 1))

    def step() -> float:
        nonlocal w, v
        w, v, loss = jax.block_until_ready(compiled(w, v))
        return float(loss)

    return step


def _laid_out(w: np.ndarray) -> np.ndarray:
    """(O, C, kh, kw) -> (kh, kw, C, O); others as they are."""
    return w.transpose(2, 3, 1, 0) if w.ndim == 4 else w
