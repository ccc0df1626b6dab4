"""A run of the degradation experiment that saves after every step, for soak.py.

    python survivor.py FOLDER

Starts a run in FOLDER, or resumes the one there; stops on a signal as the command does. Prints the
time after every step, by a clock that all processes share.
"""

import sys
import time
from pathlib import Path

from minires.cli.training import stop_on_signal
from minires.data import Dataset, digits
from minires.errors import MiniresError
from minires.experiments.degradation import Config, Degradation

CONFIG = Config(nets=("plain8", "resnet8"), epochs=2)


def start_or_resume(out: Path, data: Dataset) -> Degradation:
    """Return the run in a folder; it may have been killed before it wrote its configuration."""
    if (out / "config.json").exists():
        return Degradation.resume({}, out, lambda config: data)
    return Degradation.start(CONFIG, data, out)


def main(out: Path) -> int:
    try:
        with stop_on_signal() as stopped:
            run = start_or_resume(out, digits())
            run.autosave_interval = 0.0  # so that a kill often comes while it writes
            for _ in run.run(stopped):
                print(time.monotonic(), flush=True)
    except MiniresError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
