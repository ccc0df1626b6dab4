"""The walk through the training step that comes: the step page, at the weights of now."""

from collections.abc import Sequence

import numpy as np

from ..experiments.stepping import Stepping, about
from ..inspect.step_page import Page, step_page
from ..inspect.trace import Trace, record
from ..modes import set_modes
from .gradients import OperationNames, scaled_gradients
from .session import Session
from .training import NetTraining


def walk_page(session: Session) -> Page:
    """Return the page that goes through the training step that both nets take next.

    Its images are those that come, and its gradients what surgery makes of them; a gradient can be
    changed there. The session stays as it is.
    """
    nets = [(training.settings.net, recorded(training)) for training in session.trainings]
    factors = [
        _factors(trace, training)
        for (_, trace), training in zip(nets, session.trainings, strict=True)
    ]
    x, labels = session.trainings[0].coming()
    config = Stepping(
        tuple(name for name, _ in nets), len(x), after=session.step, seed=session.config.seed
    )
    dataset = session.dataset
    title, footer = about(config, dataset, x.shape, str(dataset.classes[labels[0]]))
    return step_page(nets, title, footer, dataset.classes, factors)


def recorded(training: NetTraining) -> Trace:
    """Return the training step that comes, recorded; parameters keep the gradients they have."""
    parameters = list(training.model.parameters())
    kept = [p.grad for p in parameters]
    try:
        for p in parameters:
            p.grad = None
        # Running statistics stay as they are, and what is computed may be infinite.
        with (
            scaled_gradients(training.factors),
            set_modes(recomputing=True),
            np.errstate(all="ignore"),
        ):
            return record(training.model, *training.coming())
    finally:
        for p, grad in zip(parameters, kept, strict=True):
            p.grad = grad


def _factors(trace: Trace, training: NetTraining) -> Sequence[tuple[str, float]]:
    """Return the name of each operation and the factor of the gradients that it hands on."""
    names = list(map(OperationNames().of, (r.op for r in reversed(trace.records))))
    return [(name, training.factors.get(name, 1.0)) for name in reversed(names)]
