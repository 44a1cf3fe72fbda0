"""A Dask cluster whose workers run their calls in tasks: python dask_cluster.py [--inside] [CALLS]

This is the way beyond one process and one machine: Dask's scheduler hands the calls out, and each worker runs as many
at a time as it has room for, each in a task. Here the cluster is two processes on this machine; on a cluster of many
machines the same plugin is registered by the same line. With --inside the worker is a part of this process.

Prints the sum, how many calls one worker had under way at the same time, and how many workers took part.
"""

import os
import sys
import time

from dask.distributed import Client, LocalCluster, Worker, WorkerPlugin

import gmp_py

ROOM = 100  # calls under way in one worker


class Tasks(WorkerPlugin):
    """Gives a worker an executor of tasks in the place of its pool of threads."""

    name = "gmp-tasks"

    def setup(self, worker: Worker) -> None:
        worker.executors["default"].shutdown(wait=False)
        worker.executors["default"] = gmp_py.Executor(ROOM)


Call = tuple[int, int, float, float]  # its answer, its process, when it began and ended


def ask(n: int) -> Call:
    """A call that waits for an answer: plain blocking code."""
    began = time.monotonic()
    assert gmp_py.current() is not None, "not in a task"
    gmp_py.sleep(0.2)
    return n * n, os.getpid(), began, time.monotonic()


def most_at_once(calls: list[Call]) -> int:
    """How many calls one process had under way at the same time."""
    most = 0
    for process in {call[1] for call in calls}:
        changes = [(at, change) for call in calls if call[1] == process for at, change in ((call[2], 1), (call[3], -1))]
        under_way = 0
        for _, change in sorted(changes):
            under_way += change
            most = max(most, under_way)
    return most


def main(count: int, inside: bool) -> None:
    """Runs the calls on a cluster of two workers, or of one that is inside."""
    if inside:
        cluster = LocalCluster(n_workers=1, threads_per_worker=ROOM, processes=False, dashboard_address=None)  # type: ignore[no-untyped-call]
    else:
        cluster = LocalCluster(n_workers=2, threads_per_worker=ROOM, host="127.0.0.1", dashboard_address=None)  # type: ignore[no-untyped-call]
    with cluster, Client(cluster) as client:  # type: ignore[no-untyped-call]
        client.register_plugin(Tasks())
        calls: list[Call] = client.gather(client.map(ask, range(count)))
    print("sum", sum(call[0] for call in calls))
    print("at the same time", most_at_once(calls))
    print("workers", len({call[1] for call in calls}))


if __name__ == "__main__":
    arguments = [argument for argument in sys.argv[1:] if argument != "--inside"]
    main(int(arguments[0]) if arguments else 400, "--inside" in sys.argv)
