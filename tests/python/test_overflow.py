"""The stack-overflow reporter in a Python host, with and without faulthandler. The C interface is used through ctypes."""

import os
import signal
import subprocess
import textwrap

import gmp_py
import pytest
from support import child

C_SOURCE = """
#include <gmprt.h>
#include <stddef.h>
__attribute__((noinline)) static int dig(int level) {
    volatile char room[512];
    for (size_t i = 0; i < sizeof room; i++) room[i] = (char)level;
    int deeper = level < 1 << 30 ? dig(level + 1) : 0;
    return deeper + room[level % 512];
}
static void *digger(void *arg) { return (char *)arg + dig(0); }
static void *reader(void *arg) { return (char *)arg + *(volatile int *)arg; }
int start(void) {
    gmp_config_t config;
    gmp_config_init(&config, sizeof config);
    config.flags = GMP_CONFIG_OVERFLOW_HANDLER;
    return gmp_start(&config);
}
int stop(void) { return gmp_shutdown(GMP_FOREVER); }
static int run(gmp_task_fn_t fn) {
    gmp_task_t *task;
    gmp_spawn_opts_t opts;
    gmp_spawn_opts_init(&opts, sizeof opts);
    opts.name = "digger";
    int code = gmp_spawn(fn, NULL, &opts, &task);
    return code ? code : gmp_join(task, GMP_FOREVER, NULL);
}
int overflow(void) { return run(digger); }
int null(void) { return run(reader); }
"""

TOLD = " (digger): stack overflow (size 196608, used "
TRACED = "Fatal Python error: Segmentation fault"


@pytest.fixture(scope="module")
def native(tmp_path_factory):
    folder = tmp_path_factory.mktemp("overflow")
    source, library = folder / "overflow.c", folder / "liboverflow.so"
    source.write_text(C_SOURCE)
    command = ["cc", "-O2", "-shared", "-fPIC", f"-I{gmp_py.get_include()}", str(source), "-o", str(library)]
    command += [f"-L{gmp_py.get_library_dir()}", "-l:libgmprt.so.0", f"-Wl,-rpath,{gmp_py.get_library_dir()}"]
    subprocess.run(command, check=True)
    return os.fspath(library)


def dying(native: str, script: str):
    """What a script said that died of SIGSEGV."""
    head = f"""
        import ctypes, faulthandler, resource
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        native = ctypes.CDLL({native!r})
    """
    done = child(textwrap.dedent(head) + textwrap.dedent(script))
    assert done.returncode == -signal.SIGSEGV, f"{done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stderr


def test_without_faulthandler_only_we_speak(native):
    said = dying(native, "assert native.start() == 0; native.overflow()")
    assert said.count(TOLD) == 1 and TRACED not in said


def test_with_faulthandler_from_before_both_speak_once(native):
    said = dying(native, "faulthandler.enable(); assert native.start() == 0; native.overflow()")
    assert said.count(TOLD) == 1 and said.count(TRACED) == 1
    assert said.index(TOLD) < said.index(TRACED)


def test_with_faulthandler_from_after_both_speak_once(native):
    said = dying(native, "assert native.start() == 0; faulthandler.enable(); native.overflow()")
    assert said.count(TOLD) == 1 and said.count(TRACED) == 1


def test_started_twice_with_faulthandler_in_between(native):
    script = "assert native.start() == 0; faulthandler.enable(); assert native.stop() == 0 == native.start(); native.overflow()"
    said = dying(native, script)
    assert said.count(TOLD) == 1 and said.count(TRACED) == 1


def test_a_null_dereference_is_faulthandlers_alone(native):
    said = dying(native, "faulthandler.enable(); assert native.start() == 0; native.null()")
    assert "gmp: " not in said and said.count(TRACED) == 1


def test_a_fault_of_a_plain_thread_is_faulthandlers_alone(native):
    said = dying(native, "faulthandler.enable(); assert native.start() == 0; ctypes.string_at(0)")
    assert "gmp: " not in said and said.count(TRACED) == 1
