"""Event loops in all the places where one may run."""

import asyncio
import threading

import gmp_py
from gmp_py import aio
from support import HANG, in_task


def everywhere(make):
    """Runs a coroutine in the main thread, in a thread, in a task, and in the main task of `run`."""
    outcomes = [asyncio.run(make())]
    thread = threading.Thread(target=lambda: outcomes.append(aio.run(make())))
    thread.start()
    thread.join(HANG)
    outcomes.append(in_task(aio.run, make()))
    outcomes.append(gmp_py.run(aio.run, make()))
    assert len(outcomes) == 4
    return outcomes


def nap_and(value):
    gmp_py.sleep(0.002)
    return value
