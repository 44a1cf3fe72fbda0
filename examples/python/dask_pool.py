"""Dask's graph of calls in tasks instead of threads: python dask_pool.py [CALLS]

Every call of the first layer waits, as one does that asks a server. A pool of threads runs as many at a time as it has
threads; here all of them wait at once, and each is ordinary blocking code. Prints the sum and how many were under way
at the same time.
"""

import sys

import dask
from dask.delayed import delayed

import gmp_py
from gmp_py import Executor

under_way = most = 0


def ask(n: int) -> int:
    """A call that waits for an answer."""
    global under_way, most
    under_way += 1
    most = max(most, under_way)
    gmp_py.sleep(0.2)
    under_way -= 1
    return n * n


def main(calls: int) -> int:
    """Has Dask run a graph in the tasks of an executor."""
    answers = [delayed(ask)(n) for n in range(calls)]
    total = delayed(sum)(answers)
    with Executor(calls) as executor, dask.config.set(scheduler="threads", pool=executor):
        result: int = total.compute()
    return result


if __name__ == "__main__":
    print("sum", main(int(sys.argv[1]) if len(sys.argv) > 1 else 500))
    print("at the same time", most)
