"""CPython's own tests in a task without any patch, against a plain run of the same interpreter: cpython_bare.py [--quick] [MODULE ...].

As cpython_patched.py, whose way of comparing this is; what differs is in known_differences/bare-VERSION.txt.
"""

import importlib.util
import sys
import time

from cpython_patched import BARE, HERE, VERSION, compare, known, whole

QUICK = (
    "test_contextlib",
    "test_context",
    "test_coroutines",
    "test_dict",
    "test_functools",
    "test_generators",
    "test_json",
    "test_struct",
)
MODULES = (
    *QUICK,
    "test_asyncgen",
    "test_asyncio.test_futures",
    "test_asyncio.test_locks",
    "test_asyncio.test_queues",
    "test_asyncio.test_tasks",
    "test_builtin",
    "test_bytes",
    "test_collections",
    "test_copy",
    "test_csv",
    "test_ctypes",
    "test_dataclasses",
    "test_decimal",
    "test_descr",
    "test_enum",
    "test_exceptions",
    "test_fractions",
    "test_hashlib",
    "test_heapq",
    "test_inspect",
    "test_itertools",
    "test_list",
    "test_logging",
    "test_pickle",
    "test_queue",
    "test_re",
    "test_set",
    "test_sqlite3",
    "test_sys_settrace",
    "test_traceback",
    "test_weakref",
    "test_zlib",
)


def main() -> int:
    arguments = sys.argv[1:]
    modules = [a for a in arguments if not a.startswith("-")] or list(QUICK if "--quick" in arguments else MODULES)
    listed = known(HERE / "known_differences" / f"bare-{VERSION}.txt")
    surprises = []
    for module in modules:
        if importlib.util.find_spec("test." + module) is None:
            print(f"{module}: this interpreter came without it", flush=True)
            continue
        start = time.monotonic()
        plain, inside = whole("plain", module), whole(BARE, module)
        differing = sum(plain.outcomes.get(test) != inside.outcomes.get(test) for test in inside.outcomes)
        print(f"{module}: {len(inside.outcomes)} tests, {differing} differ, {time.monotonic() - start:.0f} s", flush=True)
        surprises += compare(BARE, module, plain, inside, listed)
    for line in surprises:
        print("SURPRISE", line)
    print(f"{len(modules)} modules, {len(surprises)} surprises, {len(listed)} known differences")
    return 1 if surprises else 0


if __name__ == "__main__":
    sys.exit(main())
