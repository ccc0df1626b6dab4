"""What the benchmarks share: the machine, figures, and the files they are written to."""

import json
import os
import platform
import statistics
from collections.abc import Sequence
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
RESULTS = HERE / "results"


def machine(threads: int | Sequence[int]) -> dict[str, Any]:
    """What was measured on, and with."""
    cpuinfo = Path("/proc/cpuinfo")
    names = [
        line.partition(":")[2].strip()
        for line in (cpuinfo.read_text().splitlines() if cpuinfo.exists() else [])
        if line.startswith("model name")
    ]
    return {
        "cpu": names[0] if names else platform.processor(),
        "cores": os.cpu_count(),
        "threads": threads,
        "system": platform.system(),
        "python": platform.python_version(),
        "numpy": version("numpy"),
        "date": date.today().isoformat(),
    }


def write(path: Path, facts: dict[str, Any], **results: Any) -> None:
    """Write what was measured, with four digits a number, and on what machine."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(_rounded({"machine": facts, **results}), indent=2) + "\n")


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.4g}")
    if isinstance(value, dict):
        return {key: _rounded(v) for key, v in value.items()}
    return [_rounded(v) for v in value] if isinstance(value, list) else value


def timing(seconds: Sequence[float]) -> dict[str, float]:
    """Median, smallest and largest."""
    return {
        "median_s": statistics.median(seconds),
        "min_s": min(seconds),
        "max_s": max(seconds),
    }


def ratio(theirs: Sequence[float], ours: Sequence[float]) -> float:
    """The median of theirs / ours, pair by pair; of the first ones, if there are fewer of one."""
    return statistics.median(a / b for a, b in zip(theirs, ours, strict=False))


def ms(seconds: float) -> str:
    """Milliseconds, with as many digits as matter."""
    digits = 0 if seconds >= 0.1 else 1 if seconds >= 0.01 else 2 if seconds >= 0.001 else 3
    return f"{1000 * seconds:,.{digits}f} ms"


def listed(text: str) -> list[str]:
    """The parts between commas."""
    return [part.strip() for part in text.split(",") if part.strip()]
