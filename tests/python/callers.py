"""Who may call what works everywhere: a task, a thread, the main thread."""

import threading

import pytest
from support import in_task


def in_thread(fn, *args):
    """Calls fn in a thread and gives its result."""
    outcome = []

    def work():
        try:
            outcome.append((fn(*args), None))
        except BaseException as error:
            outcome.append((None, error))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    result, error = outcome[0]
    if error is not None:
        raise error
    return result


def directly(fn, *args):
    return fn(*args)


CALLERS = [pytest.param(in_task, id="task"), pytest.param(in_thread, id="thread"), pytest.param(directly, id="main")]
