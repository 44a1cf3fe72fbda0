"""The child of a fork starts with an empty runtime."""

import subprocess
import sys

import pytest
from support import HANG, ok

# 3.12 and later warn about fork in a process with threads; that is the point here.
QUIET = ("-W", "ignore::DeprecationWarning")


def test_handles_of_the_parent_are_refused_and_new_tasks_run():
    out = ok(
        """
        import os, gmp_py
        parked = gmp_py.go(gmp_py.sleep, 1000, name='parked')
        ended = gmp_py.go(int, '4')
        ended.join()
        pid = os.fork()
        if pid == 0:
            print(gmp_py.num_tasks(), gmp_py.current())
            for task in (parked, ended):
                for call in (task.join, lambda: task.join(0), task.exception, task.done):
                    try:
                        call()
                        print('no error')
                    except gmp_py.GmpError as error:
                        assert 'fork' in str(error)
            print(parked.name, 'parent' in repr(parked))
            print(gmp_py.run(lambda: gmp_py.go(int, '5').join()))
            gmp_py.sleep(0.001)
            os._exit(0)
        assert os.waitpid(pid, 0)[1] == 0
        print(ended.join(), gmp_py.go(int, '6').join(), parked.done())
        """,
        *QUIET,
    )
    assert out == "0 None\nparked True\n5\n4 6 False\n"


def test_a_child_that_ends_in_the_ordinary_way():
    out = ok(
        """
        import os, sys, gmp_py
        def work():
            started.append(1)
            try:
                gmp_py.sleep(1000)
            finally:
                print('finally in', 'parent' if os.getpid() == parent else 'child', flush=True)
        parent, started = os.getpid(), []
        task = gmp_py.go(work)
        while not started:
            gmp_py.yield_()
        pid = os.fork()
        if pid == 0:
            sys.exit(7)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
        """,
        *QUIET,
    )
    assert out == "finally in parent\n"


def test_fork_in_a_task():
    out = ok(
        """
        import os, gmp_py
        def work():
            others = [gmp_py.go(gmp_py.sleep, 1000) for _ in range(5)]
            gmp_py.yield_()
            pid = os.fork()
            if pid == 0:
                assert gmp_py.current() is None and gmp_py.num_tasks() == 0
                assert gmp_py.go(int, '5').join() == 5
                assert gmp_py.run(lambda: gmp_py.current() is not None)
                os._exit(3)
            return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        print(gmp_py.run(work))
        """,
        *QUIET,
    )
    assert out == "3\n"


@pytest.mark.parametrize("end, status", [("return", 0), ("raise SystemExit(4)", 4), ("raise KeyError('x')", 1)])
def test_a_forked_task_that_returns_ends_the_child(end, status):
    out = ok(
        f"""
        import os, sys, gmp_py
        def fork_and_end():
            pid = os.fork()
            if pid == 0:
                sys.stderr = sys.stdout
                print('child')
                {end}
            return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        print(gmp_py.run(fork_and_end))
        """,
        *QUIET,
    )
    lines = out.splitlines()
    assert lines[0] == "child" and lines[-1] == str(status)
    assert ("KeyError: 'x'" in lines) == (status == 1)


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_multiprocessing(method, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        f"""
import multiprocessing, gmp_py

def in_child(n):
    return gmp_py.run(lambda: sum(task.join() for task in [gmp_py.go(int, n) for _ in range(10)]))

def main():
    with multiprocessing.get_context({method!r}).Pool(2) as pool:
        return pool.map(in_child, range(4))

if __name__ == '__main__':
    parked = gmp_py.go(gmp_py.sleep, 1000)
    print(main())
"""
    )
    done = subprocess.run([sys.executable, *QUIET, str(script)], capture_output=True, text=True, timeout=HANG)
    assert (done.returncode, done.stdout, done.stderr) == (0, "[0, 10, 20, 30]\n", "")


def test_a_process_started_from_a_task():
    out = ok(
        """
        import multiprocessing, subprocess, sys, gmp_py
        def in_child(queue):
            queue.put(gmp_py.go(int, '8').join())
        def work():
            context = multiprocessing.get_context('fork')
            queue = context.SimpleQueue()
            process = context.Process(target=in_child, args=(queue,))
            process.start()
            result = queue.get()
            process.join()
            text = subprocess.run([sys.executable, '-c', 'print(9)'], capture_output=True, text=True).stdout
            return result, process.exitcode, int(text)
        print(gmp_py.run(work))
        """,
        *QUIET,
    )
    assert out == "(8, 0, 9)\n"
