"""`minires degradation`: train plain and residual models of several depths."""

from typing import Any

from ..data import Dataset
from ..errors import UsageError
from ..experiments.degradation import Config, Degradation
from ..parallel.ranks import world
from ..parallel.sweeps import SweepConfig
from .app import command, say
from .options import options_of
from .outcome import next_commands, planned, show_errors
from .shared import DataDir, Download, GraphOption, Out, Resume, Threads, Until, data_loader
from .training import resume_command, run_folder, train


@command(
    "minires degradation --nets plain20,plain56,resnet20,resnet56,resnet110 --seeds 0,1,2",
    "minires degradation --resume --out runs/degradation-1",
)
@options_of(Config, SweepConfig)
def degradation(
    asked: dict[str, Any],
    where: dict[str, Any],
    data_dir: DataDir = None,
    download: Download = False,
    graph: GraphOption = None,
    until: Until = None,
    threads: Threads = None,
    out: Out = None,
    resume: Resume = False,
) -> None:
    """Train plain and residual models, and see which of them depth harms.

    Without options: plain-20, plain-56, resnet-20 and resnet-56 on digits, some minutes.
    The run folder gets config.json, history.csv, degradation.png and summary.md. A run that has
    ended is trained on by --resume with more --epochs than it had. Started with
    mpiexec -n 4 minires degradation ..., four ranks take each training step together.
    """
    ranks, load = world(), data_loader(data_dir, download)
    if ranks.size > 1 and any(where.values()):
        raise UsageError("mpiexec has started ranks that train together; leave out the workers")
    ranks.expect_same({"resume": resume})

    def load_data(config: Config) -> Dataset:
        return ranks.in_turn(lambda: load(config))

    out = run_folder("degradation", out, resume)
    given = {"data_dir": data_dir, "threads": threads, "download": download}
    given |= {"graph": graph, "no_graph": graph is False}
    with SweepConfig(**where).connected() as sweep:
        if resume:
            run = Degradation.resume(asked, out, load_data, graph, until, sweep, ranks)
        else:
            config = Config(**asked)
            run = Degradation.start(config, load_data(config), out, graph, until, sweep, ranks)
        again = resume_command("degradation", out, **given, until=until, **where)
        train(run, again, planned=planned(run))
    show_errors(run)
    if sum(map(len, run.finished.values())) == len(planned(run)):
        say("", "try next:", *next_commands(run.config, out, data_dir))
    else:
        say("", f"train on with: {resume_command('degradation', out, **given, **where)}")
