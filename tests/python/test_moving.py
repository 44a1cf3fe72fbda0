"""Tasks that change threads: who may, who must not, and that nothing is lost on the way."""

import pathlib
import subprocess
import sys
import sysconfig

import gmp_py
import pytest
from support import HANG, child, ok

STORM = pathlib.Path(__file__).with_name("storm.py")

SOURCE = r"""
#include <Python.h>
#include <gmprt.h>
#include <pthread.h>
static __thread int depth; /* as PyO3 counts its attachments */
static PyObject *call(PyObject *self, PyObject *fn) {
    pthread_t before = pthread_self();
    (void)self;
    depth++;
    PyObject *result = PyObject_CallNoArgs(fn);
    if (!pthread_equal(before, pthread_self()) || depth < 1) {
        Py_XDECREF(result);
        PyErr_SetString(PyExc_AssertionError, "a foreign frame has moved to another thread");
        return NULL;
    }
    depth--;
    return result;
}
static PyObject *nap_detached(PyObject *self, PyObject *ns) {
    long long wait = PyLong_AsLongLong(ns);
    pthread_t before = pthread_self();
    (void)self;
    Py_BEGIN_ALLOW_THREADS
    gmp_sleep(wait);
    Py_END_ALLOW_THREADS
    return PyBool_FromLong(pthread_equal(before, pthread_self()));
}
static PyMethodDef methods[] = {
    {"call", call, METH_O, NULL}, {"nap_detached", nap_detached, METH_O, NULL}, {NULL, NULL, 0, NULL}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "foreign", NULL, -1, methods, NULL, NULL, NULL, NULL};
PyMODINIT_FUNC PyInit_foreign(void) { return PyModule_Create(&module); }
"""


@pytest.fixture(scope="module")
def foreign(tmp_path_factory):
    """The folder of an extension that knows nothing of tasks, but keeps something of its thread over a call."""
    folder = tmp_path_factory.mktemp("foreign")
    (folder / "foreign.c").write_text(SOURCE)
    includes = [f"-I{gmp_py.get_include()}", f"-I{sysconfig.get_path('include')}"]
    library = [f"-L{gmp_py.get_library_dir()}", "-l:libgmprt.so.0", f"-Wl,-rpath,{gmp_py.get_library_dir()}"]
    command = ["cc", "-O2", "-shared", "-fPIC", *includes, str(folder / "foreign.c"), "-o", str(folder / "foreign.so")]
    subprocess.run(command + library, check=True, timeout=HANG)
    return folder


FRAMES = """
import sys; sys.path.insert(0, %r)
import foreign, gmp_py, os, time, threading
gmp_py.max_procs(%d)
moved = [0]
def below():
    for _ in range(20):
        gmp_py.yield_()
        gmp_py.sleep(0.0005)
def pinned(n):
    for _ in range(10):
        %s
def free(n):
    for _ in range(100):
        before = threading.get_native_id()
        gmp_py.sleep(0.0005)
        moved[0] += threading.get_native_id() != before
def blocks():
    for _ in range(200):
        time.sleep(0.001)
        gmp_py.yield_()
def main():
    tasks = [gmp_py.go(pinned, n) for n in range(10)] + [gmp_py.go(free, n) for n in range(10)]
    tasks += [gmp_py.go(blocks) for _ in range(3)]
    for task in tasks:
        task.join()
gmp_py.run(main)
print(moved[0])
"""


@pytest.mark.parametrize("procs", [1, 2])
def test_foreign_frames_stay_on_their_thread_and_others_move(foreign, procs):
    """Hazard 2: the counter of a foreign frame is its thread's."""
    assert int(ok(FRAMES % (str(foreign), procs, "foreign.call(below)"))) > 0


@pytest.mark.parametrize("procs", [1, 2])
def test_a_park_with_the_gil_released_stays_on_its_thread(foreign, procs):
    """Hazard 20: foreign code lets go of the GIL and waits in the C library of the runtime."""
    assert int(ok(FRAMES % (str(foreign), procs, "assert foreign.nap_detached(500000)"))) > 0


@pytest.mark.parametrize("procs", [1, 2, 4])
@pytest.mark.parametrize("seed", [1, 2])
def test_storm(procs, seed):
    """Hazards 1, 16 and 17: blocking calls of any length beside parks in every place, callbacks, native tasks, threads that compute."""
    done = subprocess.run(
        [sys.executable, "-X", "dev", str(STORM), str(procs), str(seed)], capture_output=True, text=True, timeout=2 * HANG
    )
    assert done.returncode == 0 and done.stdout.startswith("ok"), done.stdout + done.stderr[-4000:]


def test_a_traced_task_stays_and_works():
    ok("""
        import gmp_py, sys, time
        seen = []
        def trace(frame, event, arg):
            seen.append(event)
            gmp_py.yield_()
            return trace
        def traced():
            def nap():
                gmp_py.sleep(0.0002)
            sys.settrace(trace)
            for _ in range(20):
                nap()
            sys.settrace(None)
        def blocks():
            for _ in range(40):
                time.sleep(0.0005)
                gmp_py.yield_()
        def main():
            for task in [gmp_py.go(traced), gmp_py.go(blocks), gmp_py.go(blocks)]:
                task.join()
        gmp_py.run(main)
        assert 'line' in seen
    """)


def test_a_thread_with_the_gil_and_a_yield_storm_both_go_on():
    """Hazard 16: neither starves the other, either way."""
    done = child("""
        import gmp_py, threading, time
        stop, turns, naps = [], [0], [0]
        def thread():
            while not stop:
                time.sleep(0.001)
                naps[0] += 1
        def storm():
            while naps[0] < 50:
                turns[0] += 1
                gmp_py.yield_()
        napper = threading.Thread(target=thread)
        napper.start()
        def main():
            for task in [gmp_py.go(storm) for _ in range(4)]:
                task.join()
        gmp_py.run(main)
        stop.append(1)
        napper.join()
        assert turns[0] > 50
        turns[0] = 0
        def compute():
            while turns[0] < 1000:
                pass
        worker = threading.Thread(target=compute)
        worker.start()
        def count():
            while turns[0] < 1000:
                turns[0] += 1
                gmp_py.yield_()
        gmp_py.run(count)
        worker.join()
        print('done')
    """)
    assert done.stdout == "done\n", done.stderr


def test_what_ended_foreign_calls_left_on_the_stack_keeps_nobody():
    """Hazard 11: a task that has called foreign code, and is parked in pure Python now, leaves a thread that is stuck."""
    ok("""
        import ctypes, decimal, gmp_py, hashlib, json, os, socket, sqlite3, zlib
        gmp_py.max_procs(1)
        libc = ctypes.CDLL(None)
        ours, theirs = os.pipe()
        channel, lock, ended = gmp_py.Chan(), gmp_py.Mutex(), []
        def call_foreign_code():
            zlib.compress(b'x' * 1000)
            json.loads(json.dumps({'a': [1, 2.5, None]}))
            hashlib.sha256(b'x').hexdigest()
            base = sqlite3.connect(':memory:')
            base.execute('create table t(x)')
            base.close()
            decimal.Decimal(1) / 3
            a, b = socket.socketpair()
            a.close()
            b.close()
            libc.getpid()
        def park(how):
            call_foreign_code()
            if how == 0:
                gmp_py.sleep(0.03)
            elif how == 1:
                channel.recv()
            else:
                lock.acquire()
                lock.release()
            ended.append(how)
        def main():
            lock.acquire()
            tasks = [gmp_py.go(park, n % 3) for n in range(60)]
            gmp_py.sleep(0.01)
            stuck = gmp_py.go(os.read, ours, 1)
            gmp_py.sleep(0.01)
            for _ in range(20):
                channel.send(None)
            lock.release()
            while len(ended) < 60:
                gmp_py.sleep(0.001)
            os.write(theirs, b'x')
            for task in [stuck, *tasks]:
                task.join()
        gmp_py.run(main)
    """)
