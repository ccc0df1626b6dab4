"""What is left of a session: a run folder that `minires plot` draws, and a Python script."""

from dataclasses import asdict
from itertools import count
from pathlib import Path

from ..errors import UsageError
from ..experiments.degradation.figure import degradation_figure
from ..runs import RunFolder
from ..runs.machine import machine
from .session import Session

_SCRIPT = '''\
"""Two nets side by side, as in minires lab: {address}"""

from minires import data
from minires.lab import LabConfig, NetConfig, Session, Surgery

config = LabConfig(
    nets=(
        {left},
        {right},
    ),
    dataset={dataset!r},
    images={images},
    batch={batch},
    seed={seed},
)
surgeries = [{surgeries}]
session = Session(config, data.load(config.dataset), surgeries)
for _ in session.run():
    if session.step % 10 == 0:
        errors = [f"{{r.settings.net}} {{r.curve.means[-1]:.1f} %" for r in session.racers]
        print(session.step, *errors)
    if session.step == {step}:
        break
'''.replace(":.1f} %", ":.1f}} %")


def save(session: Session, where: Path = Path("runs")) -> list[Path]:
    """Write the run folder of a session; two nets of one name get a folder each.

    Returns:
        The folders, runs/lab-N.

    Raises:
        UsageError: no epoch has ended.
        RunError: a folder cannot be written.
    """
    racers = list(session.racers)
    if not any(racer.trainer.rows for racer in racers):
        raise UsageError("there is nothing to save before the first epoch has ended")
    same = racers[0].settings.net == racers[1].settings.net
    folders = []
    for group in [[racer] for racer in racers] if same else [racers]:
        path = next(p for n in count(1) if not (p := where / f"lab-{n}").exists())
        rows = [row for racer in group for row in racer.trainer.rows]
        facts = {
            "address": session.address,
            "step": session.step,
            "settings": [asdict(racer.settings) for racer in group],
            "data": session.dataset.name,
            "data_sha256": session.dataset.digest,
            "machine": machine("numpy"),
        }
        folder = RunFolder.create(path, facts)
        with folder.locked():
            folder.write_history(rows)
            folder.write("degradation.png", degradation_figure([(session.dataset.name, rows)]))
            folder.write("session.py", script(session).encode())
            for racer in group:
                folder.save_weights(racer.trainer.label, racer.model)
        folders.append(path)
    return folders


def script(session: Session) -> str:
    """Return a Python script that computes the same as a session so far."""
    left, right = session.config.nets
    surgeries = "".join(f"\n    {surgery!r}," for surgery in session.done)
    return _SCRIPT.format(
        address=session.address,
        left=left,
        right=right,
        dataset=session.config.dataset,
        images=session.config.images,
        batch=session.config.batch,
        seed=session.config.seed,
        surgeries=f"{surgeries}\n" if surgeries else "",
        step=session.step,
    )
