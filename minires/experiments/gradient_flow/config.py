"""The configuration of a gradient flow run."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ...errors import UsageError
from ...models import NetSpec
from ...runs.config import check_least, option
from ..degradation import NETS, Config, config_of

FIGURES = ("flow", "responses", "shattered", "paths")


@dataclass(frozen=True)
class FlowConfig:
    """The settings of a run; with `run`, `seed` is that of the nets to take from there.

    Raises:
        UsageError: a value is not one of those possible, or there is no such run;
        RunError: its configuration was altered.
    """

    nets: tuple[str, ...] = option(
        NETS, "plain or resnet and a depth of 6n + 2, by commas: plain20,resnet110.", nets="cifar"
    )
    steps: int = option(10, "Training steps over which the flow is followed; {default} by default.")
    seed: int = option(0, "Of weights, images and draws; {default} by default.")
    dataset: str = option("digits", "digits (shipped, the default) or cifar10.")
    size: int = option(
        32,
        "Height to which images are enlarged for the flow, a multiple of their own; {default} by "
        "default.",
    )
    only: tuple[str, ...] = option(FIGURES, f"Figures to make, by commas: {','.join(FIGURES)}.")
    run: Path | None = option(
        None, "Take responses and paths from the models of a finished degradation run."
    )

    def __post_init__(self) -> None:
        Config(self.dataset, self.nets, seeds=(self.seed,))  # checks these three
        check_least(self, steps=0)
        if not self.only:
            raise UsageError(f"at least one figure of {', '.join(FIGURES)} is needed")
        for name in self.only:
            if name not in FIGURES:
                raise UsageError(f"there is no figure {name!r}; there are: {', '.join(FIGURES)}")
        if len(set(self.only)) < len(self.only):
            raise UsageError(f"a figure is given twice in {', '.join(self.only)}")
        if "paths" in self.only and not self.residual:
            raise UsageError(
                f"paths are those of residual nets, but the nets are {', '.join(self.nets)}; "
                "add one, or choose figures with --only flow,responses,shattered"
            )
        preact = [str(net) for net in self.specs if net.kind == "preact"]
        if "responses" in self.only and preact:
            raise UsageError(
                f"responses are those of plain and residual nets, but {', '.join(preact)} "
                "normalises before its layers; leave it out, or choose figures with --only "
                "flow,shattered,paths"
            )
        if self.run is not None and config_of(self.run).dataset != self.dataset:
            raise UsageError(
                f"the run in {self.run} is on {config_of(self.run).dataset}, but the dataset is "
                f"{self.dataset}"
            )

    @cached_property
    def specs(self) -> tuple[NetSpec, ...]:
        """The nets, parsed."""
        return tuple(map(NetSpec.parse, self.nets))

    @property
    def residual(self) -> tuple[NetSpec, ...]:
        """Those of the nets that have shortcuts."""
        return tuple(net for net in self.specs if net.kind == "resnet")
