"""What a run of the degradation experiment showed, in words and beside the paper's numbers."""

import math
import statistics
from collections.abc import Sequence

from ...data import Dataset
from ...models import NetSpec
from ...train import Recipe, Row
from . import published
from .config import Config

# Final errors in % on CIFAR-10 after 64,000 iterations. He et al. 2015: the test errors of the
# residual nets from table 6, the others read off figure 6. Pre-activation nets: He et al. 2016
# (1603.05027), table 4, at batch 128.
PAPER: dict[str, tuple[float | None, float | None]] = {
    "plain20": (1.3, 9.7),
    "plain32": (1.2, 10.1),
    "plain44": (2.6, 11.3),
    "plain56": (5.7, 13.3),
    "resnet20": (0.7, 8.75),
    "resnet32": (None, 7.51),
    "resnet44": (None, 7.17),
    "resnet56": (None, 6.97),
    "resnet110": (None, 6.43),
    "resnet1202": (None, 7.93),
    "preact164": (None, 5.46),
    "preact1001": (None, 4.92),
}


_DEGRADATION = (
    "That is degradation, and not overfitting, which would make the training error smaller."
)
_KINDS = {"plain": "plain", "resnet": "residual", "preact": "pre-activation"}


def summary(config: Config, dataset: Dataset, recipe: Recipe, rows: Sequence[Row]) -> str:
    """summary.md: a table, and sentences that say what was seen."""
    ended = final_rows([row for row in rows if row.iteration == recipe.iterations])
    finished = sum(map(len, ended.values())) == len(config.nets) * len(config.seeds)
    going_on = {net: last for net, last in final_rows(rows).items() if net not in ended}
    parts = [
        f"# Degradation on {dataset.name}",
        _settings(config, dataset, recipe),
        _table(ended, going_on, config.is_the_papers),
        "Errors in %; with several seeds the mean ± the standard deviation. Training errors are "
        "those of the last epoch's batches, augmented, as they were trained on. The paper's are "
        "on CIFAR-10 after 64,000 iterations (He et al. 2015, table 6; those of plain nets and "
        "all training errors read off figure 6; pre-activation nets from He et al. 2016, table 4)."
        + (
            f" Those of {published.SOURCE}, a re-implementation, are after as many epochs as here, "
            "or the last ones that were published before."
            if config.is_the_papers
            else ""
        ),
        "## What was seen",
        *_what_was_seen(ended, going_on, finished),
        "## What this does and does not show",
        _limits(config, dataset, recipe, finished),
    ]
    return "\n\n".join(parts) + "\n"


def final_rows(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """The last row of each seed, by net."""
    last = {(row.net, row.seed): row for row in rows}
    finals: dict[str, list[Row]] = {}
    for (net, _), row in last.items():
        finals.setdefault(net, []).append(row)
    return finals


def _settings(config: Config, dataset: Dataset, recipe: Recipe) -> str:
    seeds = ", ".join(map(str, config.seeds))
    every = config.checkpoint_every
    saving = (
        f"; activations checkpointed every {every} block{'s' if every > 1 else ''}" if every else ""
    )
    return (
        f"{len(dataset.train_images):,} training and {len(dataset.test_images):,} test images; "
        f"{recipe.iterations:,} iterations at batch {recipe.batch_size}, SGD with momentum "
        f"{recipe.momentum:g} and weight decay {recipe.weight_decay:g}, learning rate "
        f"{recipe.lr:g} divided by 10 after a half and three quarters; crops shifted by up to "
        f"{dataset.shift} pixel{'s' if dataset.shift > 1 else ''}"
        f"{' and mirrored' if dataset.flip else ''}; seeds {seeds}; backend "
        f"{config.backend}{' in TF32' if config.tf32 else ''}{saving}."
    )


def _table(ended: dict[str, list[Row]], going_on: dict[str, list[Row]], comparable: bool) -> str:
    """Nets with a training that has ended, by those; the others by where they stand."""
    others = ["paper", "re-implementation"] if comparable else ["paper"]
    errors = [f"{who}, {what}" for who in others for what in ("training", "test")]
    head = ["net", "training error", "test error", *errors, "minutes"]
    lines = [head, ["---"] * len(head)]
    for net, rows in {**ended, **going_on}.items():
        compared = [PAPER.get(net, (None, None))]
        if comparable:
            compared.append(published.errors(net, math.ceil(rows[-1].epoch)))
        cells = [
            net if net in ended else f"{net} (at iteration {rows[-1].iteration:,})",
            _spread([row.train_error for row in rows]),
            _spread([row.test_error for row in rows]),
            *("" if error is None else f"{error:g}" for pair in compared for error in pair),
            f"{sum(row.seconds for row in rows) / 60:.1f}",
        ]
        lines.append(cells)
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def _spread(values: Sequence[float]) -> str:
    mean = f"{statistics.mean(values):.2f}"
    return f"{mean} ± {statistics.stdev(values):.2f}" if len(values) > 1 else mean


def _train_error(rows: Sequence[Row]) -> float:
    return statistics.mean(row.train_error for row in rows)


def _what_was_seen(
    ended: dict[str, list[Row]], going_on: dict[str, list[Row]], finished: bool
) -> list[str]:
    """What was seen of the trainings that have ended; if none has, of all as far as they came."""
    nets, so_far = ended, ""
    reached = {row.iteration for rows in going_on.values() for row in rows}
    if not ended and len(reached) == 1:
        nets, so_far = going_on, f" after {reached.pop():,} iterations"
    said = [sentence for kind in _KINDS if (sentence := _seen(kind, nets, so_far))]
    if not finished:
        about = "where its nets stand" if so_far else "the trainings that are"
        said.insert(0, f"The run is not finished: this is about {about}.")
    return [*said, *_both(nets, so_far)]


def _seen(kind: str, nets: dict[str, list[Row]], so_far: str) -> str:
    """The shallowest against the deepest net of one kind; empty with fewer than two."""
    names = sorted(
        (net for net in nets if NetSpec.parse(net).kind == kind),
        key=lambda net: NetSpec.parse(net).depth,
    )
    if len(names) < 2:
        return ""
    shallow, deep = names[0], names[-1]
    low, high = _train_error(nets[shallow]), _train_error(nets[deep])
    stands = f"stands{so_far} at" if so_far else "ends with"
    facts = (
        f"{deep} {stands} a training error of {high:.2f} %, "
        f"{shallow} {'at' if so_far else 'with'} {low:.2f} %"
    )
    if high <= low:
        return f"{facts}: the deeper net is no worse on the images it was trained on."
    if high < 1.2 * low:
        return f"{facts}: too close to each other to say that depth harms."
    if kind == "plain":
        worse = (
            f"{facts}: the deeper plain net is {_times(high, low)} worse on the very images it "
            "was trained on"
        )
        return f"{worse}, so far." if so_far else f"{worse}. {_DEGRADATION}"
    worse = f"{high - low:.2f} points worse {'so far' if so_far else 'after this training'}"
    return f"{facts}: the deeper {_KINDS[kind]} net is {worse}."


def _times(high: float, low: float) -> str:
    return f"{high / low:.1f} times" if low > 0 else "infinitely"


def _both(nets: dict[str, list[Row]], so_far: str) -> list[str]:
    """Each depth that was trained plain and residual."""
    depths = sorted({NetSpec.parse(net).depth for net in nets})
    sentences = []
    for depth in depths:
        plain, residual = nets.get(f"plain{depth}"), nets.get(f"resnet{depth}")
        if plain and residual:
            before, after = _train_error(plain), _train_error(residual)
            verdict = "lower" if after < before else "not lower"
            verb = "stand" if so_far else "end"
            sentences.append(
                f"With shortcuts, the same {depth} layers {verb} at {after:.2f} % instead of "
                f"{before:.2f} % training error: {verdict}."
            )
    return sentences


def _limits(config: Config, dataset: Dataset, recipe: Recipe, finished: bool) -> str:
    default = config.lr is None and config.batch is None and not config.validation
    sentences = []
    if config.dataset == "digits":
        sentences.append(
            "Digits are 8x8 pixels and few, and training is short: enough to see whether a net "
            "can be *optimised*, which is what degradation is about. It is not enough to see what "
            "depth is good for: on so easy a task residual nets of all depths come close to each "
            "other, and a deep plain net that would learn slowly in the paper's 64,000 iterations "
            "hardly begins here, so that its failure looks starker than in the paper (13 % test "
            "error on CIFAR-10, not chance)."
        )
        if default and config.schedule == "quick":
            sentences.append(
                "The learning rate was chosen on a validation split of the training images "
                "(`--validation`), not on the test images."
            )
    elif config.is_the_papers and finished:
        sentences.append("This is the paper's task, its recipe and its length.")
    elif config.is_the_papers:
        sentences.append(
            "This is the paper's task and its recipe, but not yet its length: the order of the "
            "nets can be seen early, the final errors cannot."
        )
    elif recipe.iterations < 64_000:
        sentences.append(
            f"The paper trains for 64,000 iterations, this run for {recipe.iterations:,}: the "
            "order of the nets can be seen early, the final errors cannot."
        )
    if config.validation:
        sentences.append(
            "What is called test error here is the error on training images that were held out."
        )
    last = "last" if finished else "latest"
    sentences.append(f"The errors are those after the {last} epoch: none was picked for being low.")
    return " ".join(sentences)
