"""`minires gradcheck`: check every backward pass on this machine."""

from rich.markup import escape

from ..errors import GradientError
from ..inspect import gradchecks
from .app import command, say
from .output import new_table, show_table
from .shared import Backend, Threads


@command(
    "minires gradcheck",
    "minires gradcheck --backend cupy",
)
def gradcheck(backend: Backend = None, threads: Threads = None) -> None:
    """Check every hand-written backward pass numerically, on this machine."""
    table = new_table(None, "operation", "case", numbers=("largest difference", "time", ""))
    results = [gradchecks.check(case) for case in gradchecks.cases()]
    for result in results:
        table.add_row(
            result.case.op.__name__,
            escape(result.case.label),
            f"{result.error:.1e}",
            f"{1000 * result.seconds:.0f} ms",
            "[red]wrong" if result.failure else "ok",
        )
    show_table(table)
    failures = [result for result in results if result.failure]
    if failures:
        lines = (f"{r.case.op.__name__} ({r.case.label}), {r.failure}" for r in failures)
        raise GradientError(f"{len(failures)} of {len(results)} checks failed\n" + "\n".join(lines))
    say(f"{len(results)} checks, all passed")
