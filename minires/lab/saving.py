"""What is left of a session: a run folder that `minires plot` draws, and a Python script."""

from dataclasses import asdict
from itertools import count
from pathlib import Path

from ..errors import UsageError
from ..runs import RunFolder
from ..runs.machine import machine
from .session import Session

_SCRIPT = '''\
"""Two nets side by side, as in minires lab: {address}"""

{imports}
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
session = Session(config, {load}, surgeries)
for _ in session.run():
    if session.step % 10 == 0:
        errors = [f"{{t.settings.net}} {{t.curve.means[-1]:.1f} %" for t in session.trainings]
        print(session.step, *errors)
    if session.step == {step}:
        break
'''.replace(":.1f} %", ":.1f}} %")
# What is imported to load a dataset, and how it is loaded; a folder is an argument of the script.
_DATA = {
    "digits": ("from minires import data", 'data.load("digits")'),
    "cifar10": ("import sys\n\nfrom minires import data", 'data.load("cifar10", sys.argv[1])'),
    "folder": (
        "import sys\n\nfrom minires.lab.folder import folder_dataset",
        "folder_dataset(sys.argv[1])",
    ),
}


def save(session: Session, where: Path = Path("runs")) -> list[Path]:
    """Write the run folder of a session; two nets of one name get a folder each.

    Returns:
        The folders, runs/lab-N.

    Raises:
        UsageError: no epoch has ended.
        RunError: a folder cannot be written.
    """
    from ..experiments.degradation.figure import degradation_figure  # takes a while to import

    trainings = list(session.trainings)
    if not any(training.trainer.rows for training in trainings):
        raise UsageError("there is nothing to save before the first epoch has ended")
    same = trainings[0].settings.net == trainings[1].settings.net
    folders = []
    for group in [[training] for training in trainings] if same else [trainings]:
        path = next(p for n in count(1) if not (p := where / f"lab-{n}").exists())
        rows = [row for training in group for row in training.trainer.rows]
        facts = {
            "address": session.address,
            "step": session.step,
            "settings": [asdict(training.settings) for training in group],
            "data": session.dataset.name,
            "data_sha256": session.dataset.digest,
            "machine": machine("numpy"),
        }
        folder = RunFolder.create(path, facts)
        with folder.locked():
            folder.write_history(rows)
            folder.write("degradation.png", degradation_figure([(session.dataset.name, rows)]))
            folder.write("session.py", script(session).encode())
            for training in group:
                folder.save_weights(training.trainer.label, training.model)
        folders.append(path)
    return folders


def script(session: Session) -> str:
    """Return a Python script that computes the same as a session so far."""
    left, right = session.config.nets
    surgeries = "".join(f"\n    {surgery!r}," for surgery in session.done)
    imports, load = _DATA[session.config.dataset]
    return _SCRIPT.format(
        imports=imports,
        load=load,
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
