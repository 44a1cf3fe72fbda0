"""Dask runs its calls in tasks: by a pool, as a scheduler, and in the workers of a cluster."""

import pathlib
import subprocess
import sys

import gmp_py
import pytest
from support import wait_until

dask = pytest.importorskip("dask", reason="dask is not installed: it is not tried with our executor")

EXAMPLES = pathlib.Path(__file__).resolve().parents[2] / "examples" / "python"
LIMIT = 300  # seconds for a cluster to come up and go, on a machine that is busy with other things


def in_a_task(n):
    assert gmp_py.current() is not None
    gmp_py.sleep(0.001)
    return n


@pytest.mark.parametrize("max_tasks", [None, 1, 7])
def test_a_pool_of_tasks(max_tasks):
    total = dask.delayed(sum)([dask.delayed(in_a_task)(n) for n in range(100)])
    with gmp_py.Executor(max_tasks) as executor, dask.config.set(scheduler="threads", pool=executor):
        assert total.compute() == sum(range(100))
        assert dask.compute(total, total) == (sum(range(100)),) * 2


def test_an_executor_is_a_scheduler():
    total = dask.delayed(sum)([dask.delayed(in_a_task)(n) for n in range(100)])
    with gmp_py.Executor() as executor:
        assert total.compute(scheduler=executor) == sum(range(100))
        with dask.config.set(scheduler=executor):
            assert total.compute() == sum(range(100))


def test_calls_are_under_way_at_the_same_time():
    number, here = 50, []

    def meet(n):
        here.append(n)
        wait_until(lambda: len(here) == number)
        return n

    with gmp_py.Executor(number) as executor, dask.config.set(scheduler="threads", pool=executor):
        assert dask.compute(*[dask.delayed(meet)(n) for n in range(number)]) == tuple(range(number))


def test_an_exception_comes_out_of_compute():
    def fail(n):
        gmp_py.sleep(0.001)
        raise KeyError(n)

    with gmp_py.Executor() as executor, dask.config.set(scheduler="threads", pool=executor):
        with pytest.raises(KeyError, match="3"):
            dask.delayed(fail)(3).compute()


def example(name, *arguments):
    """What an example printed, as a dict of its lines."""
    if not EXAMPLES.is_dir():
        pytest.skip("the examples are not here")
    command = [sys.executable, str(EXAMPLES / name), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [line.rsplit(maxsplit=1) for line in done.stdout.splitlines()]
    return {what: int(number) for what, number in lines}


def test_the_example_of_a_pool():
    printed = example("dask_pool.py", "300")
    assert printed["sum"] == sum(n * n for n in range(300))
    assert 1 < printed["at the same time"] <= 300


@pytest.mark.parametrize("inside", [["--inside"], []], ids=["inside", "processes"])
def test_the_example_of_a_cluster(inside):
    pytest.importorskip("distributed", reason="distributed is not installed: no cluster is tried with our executor")
    printed = example("dask_cluster.py", *inside, "200")
    assert printed["sum"] == sum(n * n for n in range(200))
    assert 1 < printed["at the same time"] <= 100
    assert 1 <= printed["workers"] <= (1 if inside else 2)
