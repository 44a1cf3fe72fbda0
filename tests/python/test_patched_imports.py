"""Imports in tasks, whose locks belong to the task under gmp_py.monkey.patch_threading."""

from patches import both, patched

BEGIN = """
import tempfile, pathlib, importlib
place = tempfile.TemporaryDirectory()
sys.path.insert(0, place.name)
def write(name, text):
    pathlib.Path(place.name, name + ".py").write_text(text)
    importlib.invalidate_caches()
"""


@both
def test_a_module_that_parks_at_its_top_level_is_run_once(procs):
    patched(
        BEGIN
        + """
sys.runs = []
write("parks", "import gmp_py, sys\\nsys.runs.append(1)\\ngmp_py.sleep(0.05)\\nwhole = True\\n")
def use(n):
    if n % 2:
        import parks
    else:
        from parks import whole
        return whole
    return parks.whole
tasks = [go(use, n) for n in range(10)]
thread = threading.Thread(target=use, args=(0,))
thread.start()
assert all(task.join(HANG) for task in tasks) and sys.runs == [1]
thread.join(HANG)
assert not thread.is_alive()
""",
        procs,
    )


@both
def test_modules_that_import_each_other_in_two_tasks_do_not_hang(procs):
    patched(
        BEGIN
        + """
write("one", "import gmp_py\\ngmp_py.sleep(0.02)\\nimport two\\nname = 'one'\\n")
write("two", "import gmp_py\\ngmp_py.sleep(0.02)\\nimport one\\nname = 'two'\\n")
tasks = [go(importlib.import_module, name) for name in ("one", "two", "one", "two")]
assert [task.join(HANG).name for task in tasks] == ["one", "two", "one", "two"]
""",
        procs,
    )


def test_an_import_that_fails_while_others_wait_for_it_fails_for_them_or_is_tried_again():
    patched(
        BEGIN
        + """
write("fails", "import gmp_py\\ngmp_py.sleep(0.02)\\nraise ValueError('at the top level')\\n")
tasks = [go(raised, importlib.import_module, "fails") for _ in range(5)]
assert all(isinstance(task.join(HANG), ValueError) for task in tasks)
assert "fails" not in sys.modules
"""
    )


def test_other_modules_are_imported_while_one_parks():
    patched(
        BEGIN
        + """
sys.gate = threading.Event()
write("waits", "import sys\\nsys.gate.wait()\\n")
write("goes", "done = True\\n")
waiting = go(importlib.import_module, "waits")
assert in_task(importlib.import_module, "goes").done and not waiting.done()
sys.gate.set()
waiting.join(HANG)
"""
    )
