"""Worker processes: the same images as without them, in order, and none left behind."""

import os
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest
from image_files import noisy_image, saved

from minires.errors import DataError, UsageError
from minires.vision.workers import Worker, Workers


@pytest.fixture
def paths(tmp_path):
    names = [str(tmp_path / f"ein 圖 {i}.png") for i in range(12)]
    for i, name in enumerate(names):
        noisy_image(seed=i).save(name)
    return names


def tasks(paths, each=2):
    return [
        {"do": "train", "paths": paths[k : k + each], "size": 32, "seed": 5, "epoch": 1, "start": k}
        for k in range(0, len(paths), each)
    ]


def wait_until(holds, seconds=30):
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def is_running(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with open(f"/proc/{pid}/stat") as file:
        return file.read().rsplit(")", 1)[1].split()[0] != "Z"


needs_proc = pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="needs /proc")


@pytest.mark.parametrize("count", [1, 3])
def test_results_do_not_depend_on_the_number_of_workers(paths, count):
    with Workers(0) as none, Workers(count) as some:
        expected = list(none.results(tasks(paths)))
        got = list(some.results(tasks(paths)))
        assert [x.tobytes() for x in got] == [x.tobytes() for x in expected]
        assert [x.shape for x in got] == [(2, 3, 32, 32)] * 6
        halves = list(some.results(tasks(paths, each=4)))  # nor on what is in a task
        np.testing.assert_array_equal(np.concatenate(halves), np.concatenate(expected))


def test_images_are_decoded_before_they_are_asked_for(paths):
    given = []

    def noted():
        for task in tasks(paths):
            given.append(task)
            yield task

    with Workers(2) as workers:
        results = workers.results(noted())
        next(results)
        assert len(given) == 5  # the one that came, and two for each worker


def test_a_pass_that_is_left_does_not_disturb_the_next(paths):
    with Workers(2) as workers:
        results = workers.results(tasks(paths))
        next(results)
        results.close()
        assert len(list(workers.results(tasks(paths)))) == 6


@pytest.mark.parametrize("count", [0, 2])
def test_a_bad_image_is_a_sentence_and_the_workers_live_on(paths, tmp_path, count):
    (tmp_path / "bad.png").write_bytes(b"x")
    bad = {"do": "evaluate", "paths": [str(tmp_path / "bad.png")], "size": 32}
    with Workers(count) as workers:
        with pytest.raises(DataError, match=r"bad\.png cannot be read: it is not an image"):
            list(workers.results([*tasks(paths), bad]))
        assert len(list(workers.results(tasks(paths)))) == 6
        check = {"do": "problems", "paths": [paths[0], str(tmp_path / "bad.png")]}
        ((first, second),) = workers.results([check])
        assert first is None
        assert "bad.png cannot be read" in second


def test_a_worker_that_is_killed_is_a_sentence(paths):
    with Workers(1) as workers:
        results = workers.results(tasks(paths))
        next(results)
        workers._all[0]._process.kill()
        with pytest.raises(DataError, match=r"a process that decodes images has ended \(.*-9"):
            list(results)


def test_nothing_printed_gets_between_the_images(tmp_path):
    (tmp_path / "p.tif").write_bytes(saved(noisy_image(), "TIFF"))
    with Workers(1) as workers:
        task = {"do": "evaluate", "paths": [str(tmp_path / "p.tif")], "size": 32}
        assert next(workers.results([task])).shape == (1, 3, 32, 32)


def test_a_negative_number_of_workers_raises():
    with pytest.raises(UsageError, match="workers must be at least 0, got -1"):
        Workers(-1)


@needs_proc
def test_close_ends_the_processes(paths):
    workers = Workers(2)
    next(workers.results(tasks(paths)))
    pids = [w._process.pid for w in workers._all]
    assert all(map(is_running, pids))
    workers.close()
    assert not any(map(is_running, pids))
    assert len(list(workers.results(tasks(paths)))) == 6  # new ones, where they are needed again
    workers.close()


SCRIPT = """
    import sys, time
    from minires.vision.workers import Workers

    workers = Workers(2)
    task = {"do": "evaluate", "paths": [sys.argv[1]] * 50, "size": 224}
    results = workers.results([task] * 1000)
    next(results)
    print(*(w._process.pid for w in workers._all), flush=True)
    for _ in results:
        pass
"""


@needs_proc
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_workers_end_with_the_process_that_started_them(paths, how):
    # With no `if __name__ == "__main__"`: that must not be needed.
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(SCRIPT), paths[0]],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    pids = [int(pid) for pid in process.stdout.readline().split()]
    assert len(pids) == 2
    assert all(map(is_running, pids))
    process.send_signal(how)
    _, errors = process.communicate(timeout=30)
    wait_until(lambda: not any(map(is_running, pids)))
    assert errors.count("Traceback") == (how == signal.SIGINT)  # its own; none of the workers


@needs_proc
def test_ctrl_c_is_not_for_the_workers(paths):
    worker = Worker()
    task = {"do": "evaluate", "paths": paths[:1], "size": 32}
    assert worker.perform(task).shape == (1, 3, 32, 32)
    os.kill(worker._process.pid, signal.SIGINT)
    assert worker.perform(task).shape == (1, 3, 32, 32)
    assert os.getsid(worker._process.pid) != os.getsid(0)
    worker.close()
