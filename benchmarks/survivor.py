"""A run of the degradation experiment that saves after every step, and says so: for soak.py.

    python survivor.py FOLDER

Begins a run in FOLDER or goes on with the one there, stops on a signal as the command does, and
writes a line after every step: the moment, by a clock that all processes share.
"""

import sys
import time
from pathlib import Path

from minires.cli.training import stop_on_signal
from minires.data import Dataset, digits
from minires.errors import MiniresError
from minires.experiments.degradation import Config, Degradation
from minires.runs import autosave as keeping

keeping._SECONDS = 0.0  # it saves after every step, so that a kill often comes while it writes
CONFIG = Config(nets=("plain8", "resnet8"), epochs=2)


def begun(out: Path, data: Dataset) -> Degradation:
    """The run in a folder, which may have been killed before it was there."""
    if (out / "config.json").exists():
        return Degradation.resume({}, out, lambda config: data)
    return Degradation.start(CONFIG, data, out)


def main(out: Path) -> int:
    try:
        with stop_on_signal() as stopped:
            for _ in begun(out, digits()).run(stopped):
                print(time.monotonic(), flush=True)
    except MiniresError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
