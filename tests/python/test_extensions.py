"""C extensions that use the runtime, by link and by the capsule, share the one that gmp_py has."""

import itertools
import pathlib
import re
import shutil
import subprocess
import sysconfig

import gmp_py
import pytest
from support import HANG, child, ok

ROOT = pathlib.Path(__file__).resolve().parents[2]
INCLUDES = [f"-I{gmp_py.get_include()}", f"-I{sysconfig.get_path('include')}"]
# Installed where the linker finds it at run time, as an extension's wheel would see to.
LINKED = [f"-L{gmp_py.get_library_dir()}", "-l:libgmprt.so.0", f"-Wl,-rpath,{gmp_py.get_library_dir()}"]

SOURCE = r"""
#include <gmp_py.h>
#ifdef BY_CAPSULE
static const gmp_py_api_t *gmp;
#define CALL(name) gmp->name
#else
#define CALL(name) name
#endif
static gmp_wg_t gate;
static void wait_for_the_gate(void *arg) {
    (void)arg;
    CALL(gmp_wg_wait)(&gate, GMP_FOREVER);
}
static PyObject *count(PyObject *self, PyObject *none) {
    (void)self, (void)none;
    return PyLong_FromLongLong(CALL(gmp_num_tasks)());
}
static PyObject *start(PyObject *self, PyObject *none) {
    (void)self, (void)none;
    CALL(gmp_wg_add)(&gate, 1);
    for (int i = 0; i < 3; i++)
        if (CALL(gmp_go)(wait_for_the_gate, NULL) != 0)
            return PyErr_NoMemory();
    Py_RETURN_NONE;
}
static PyObject *release(PyObject *self, PyObject *none) {
    (void)self, (void)none;
    CALL(gmp_wg_done)(&gate);
    Py_RETURN_NONE;
}
/* Waits in a task: with the GIL held, and released. */
static PyObject *nap(PyObject *self, PyObject *none) {
    (void)self, (void)none;
    CALL(gmp_sleep)(1000000);
    Py_BEGIN_ALLOW_THREADS
    CALL(gmp_sleep)(1000000);
    Py_END_ALLOW_THREADS
    return PyLong_FromUnsignedLongLong(CALL(gmp_self_id)());
}
static PyObject *address(PyObject *self, PyObject *none) {
    (void)self, (void)none;
    return PyLong_FromVoidPtr((void *)CALL(gmp_abi_version));
}
static PyMethodDef methods[] = {
    {"count", count, METH_NOARGS, ""}, {"start", start, METH_NOARGS, ""}, {"release", release, METH_NOARGS, ""},
    {"nap", nap, METH_NOARGS, ""}, {"address", address, METH_NOARGS, ""}, {NULL, NULL, 0, NULL}};
static PyModuleDef module = {PyModuleDef_HEAD_INIT, NAME, "", -1, methods, NULL, NULL, NULL, NULL};
PyMODINIT_FUNC INIT(void) {
#ifdef BY_CAPSULE
    gmp = gmp_py_import();
    if (gmp == NULL)
        return NULL;
#endif
    return PyModule_Create(&module);
}
"""


def build(folder: pathlib.Path, name: str, *options: str) -> pathlib.Path:
    source, library = folder / f"{name}.c", folder / f"{name}.so"
    source.write_text(SOURCE)
    names = [f'-DNAME="{name}"', f"-DINIT=PyInit_{name}"]
    command = ["cc", "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", *INCLUDES, *names, str(source)]
    subprocess.run([*command, "-o", str(library), *options], check=True)
    return library


@pytest.fixture(scope="module")
def extensions(tmp_path_factory):
    if not (pathlib.Path(sysconfig.get_path("include")) / "Python.h").is_file():
        pytest.skip("this interpreter came without its headers")
    folder = tmp_path_factory.mktemp("extensions")
    build(folder, "linked", *LINKED)
    build(folder, "through_capsule", "-DBY_CAPSULE")
    return folder


@pytest.mark.parametrize("order", list(itertools.permutations(["gmp_py", "linked", "through_capsule"])), ids="-".join)
def test_all_have_one_runtime_in_every_order_of_import(extensions, order):
    out = ok(
        f"""
        import sys
        sys.path.insert(0, {str(extensions)!r})
        import {', '.join(order)}, ctypes, os, time
        def until(count):
            end = time.monotonic() + {HANG}
            while (gmp_py.num_tasks(), linked.count(), through_capsule.count()) != (count,) * 3:
                assert time.monotonic() < end, (gmp_py.num_tasks(), linked.count(), through_capsule.count())
                time.sleep(0.001)
        until(0)
        linked.start()
        until(3)
        through_capsule.start()
        until(6)
        task = gmp_py.go(gmp_py.sleep, 1000)
        until(7)
        linked.release()
        until(4)
        through_capsule.release()
        until(1)
        ours = ctypes.CDLL(os.path.join(gmp_py.get_library_dir(), 'libgmprt.so.0')).gmp_abi_version
        ours = ctypes.cast(ours, ctypes.c_void_p).value
        print(linked.address() == ours, through_capsule.address() == ours)
        """
    )
    assert out == "True True\n"


def test_an_extension_waits_in_a_task_while_others_run(extensions):
    ok(
        f"""
        import sys
        sys.path.insert(0, {str(extensions)!r})
        import gmp_py, linked, through_capsule
        def work(nap):
            own = gmp_py.current().id
            assert [nap() for _ in range(10)] == [own] * 10
        def main():
            for task in [gmp_py.go(work, module.nap) for module in (linked, through_capsule) for _ in range(20)]:
                task.join()
        gmp_py.run(main)
        assert linked.nap() == through_capsule.nap() == 0
        """
    )


def test_the_capsule_needs_no_link_step(extensions):
    if shutil.which("readelf") is None:
        pytest.skip("readelf (binutils) is not installed")
    library = extensions / "through_capsule.so"
    text = subprocess.run(["readelf", "-dW", "--dyn-syms", library], check=True, capture_output=True, text=True).stdout
    assert "libgmprt" not in text and not re.search(r"UND +gmp_", text)


def test_the_table_has_every_function_of_the_library():
    header = (pathlib.Path(gmp_py.get_include()) / "gmp_py.h").read_text()
    listed = re.findall(r"X\((gmp_\w+)\)", header)
    declared = re.findall(r"^[\w*][\w *]*?\b(gmp_\w+)\(", (pathlib.Path(gmp_py.get_include()) / "gmprt.h").read_text(), re.M)
    assert len(declared) > 100 and sorted(listed) == sorted(declared)


OLD = """
import ctypes, sys, types
sys.path.insert(0, {folder!r})
class Table(ctypes.Structure):
    _fields_ = [('struct_size', ctypes.c_size_t), ('abi_version', ctypes.c_uint32), ('reserved', ctypes.c_uint32)]
table = Table({size}, {version}, 0)
new = ctypes.pythonapi.PyCapsule_New
new.restype, new.argtypes = ctypes.py_object, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
name = b'gmp_py._C_API'
old = types.ModuleType('gmp_py')
old._C_API = new(ctypes.addressof(table), name, None)
sys.modules['gmp_py'] = old
import through_capsule
"""


@pytest.mark.parametrize("size, version", [(16, 1), (1 << 20, 1 << 16)], ids=["too short", "another interface"])
def test_a_table_that_does_not_fit_is_an_import_error(extensions, size, version):
    done = child(OLD.format(folder=str(extensions), size=size, version=version))
    assert done.returncode == 1 and "ImportError: this extension needs version 0.1" in done.stderr, done.stderr


@pytest.mark.parametrize("compiler, language", [("cc", "c"), ("c++", "c++")])
def test_the_headers_compile_alone_and_twice(tmp_path, compiler, language):
    if shutil.which(compiler) is None:
        pytest.skip(f"{compiler} is not installed")
    strict = ["-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-x", language, *INCLUDES]
    for header in ("gmp_py.h", "gmprt.h"):
        source = tmp_path / "unit"
        source.write_text(f"#include <{header}>\n#include <{header}>\n")
        subprocess.run([compiler, *strict, str(source)], check=True)
    source.write_text(
        "#include <gmp_py.h>\n"
        "int old(const gmp_py_api_t *api) { return GMP_PY_HAS(api, gmp_now) ? api->gmp_now() > 0 : 0; }\n"
        "const gmp_py_api_t *(*import_it)(void) = gmp_py_import;\n"
    )
    subprocess.run([compiler, *strict, str(source)], check=True)
