"""CPython's own tests under the patches, against a plain run of the same interpreter.

    cpython_patched.py [--quick] [--mode=main|task] [--known=FILE] [--log=DIR] [MODULE ...]

A MODULE may be a class of one: test_threading.LockTests. Every one runs three times, in children: plain; patched in the main thread; patched in a task. A test whose outcome
differs from the plain one must be in known_differences/VERSION.txt, and what is there must differ: both kinds of surprise
are run again by themselves, both ways, and fail this program when they come again each time. A test that hangs or kills
its process is given that as its outcome, and the others go on without it.
"""

import os
import pathlib
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field

HERE = pathlib.Path(__file__).parent
VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
MODES = ("main", "task")
BARE = "bare"  # in a task without patches: cpython_bare.py

MODULES = (
    "test_thread",
    "test_threading",
    "test_threading_local",
    "test_queue",
    "test_select",
    "test_selectors",
    "test_poll",
    "test_epoll",
    "test_socket",
    "test_subprocess",
)
QUICK = (
    "test_thread",
    "test_threading_local",
    "test_threading.LockTests",
    "test_threading.CRLockTests",
    "test_threading.ConditionTests",
    "test_threading.BarrierTests",
    "test_threading.MiscTestCase",
    "test_queue.CSimpleQueueTest",
    "test_select",
    "test_epoll",
    "test_socket.BasicTCPTest",
    "test_subprocess.RunFuncTestCase",
)

# What is not run, and why.
LEFT_OUT = {
    "plain": {"VSOCK": "hangs where there is no such network"},
    "main": {},
    BARE: {
        "SignalAndYieldFromTest": "waits for a Ctrl-C that the main thread answers, which waits for the task that runs the tests here",
        "InterruptMainTests": "as above",
    },
    "task": {"InterruptMainTests": "interrupts the main thread, which waits for the task that runs the tests here"},
}

# Seconds without a test's end or begin; the slowest tests take 15 on an idle machine.
SILENCE = 150
AGAIN = 3


@dataclass
class Run:
    """What a module's tests came to in one mode."""

    outcomes: dict[str, str] = field(default_factory=dict)
    log: str = ""


def child(mode: str, module: str, only: list[str], done: list[str]) -> Run:
    """One process; its last test is given `hang` or `died` when it did not come to the end."""
    with tempfile.TemporaryDirectory() as place:
        out, log = pathlib.Path(place, "out"), pathlib.Path(place, "log")
        out.touch()
        parts = [f"-x={part}" for part in LEFT_OUT["plain"] | LEFT_OUT[mode]] + [f"-d={test}" for test in done]
        command = [sys.executable, str(HERE / "cpython_child.py"), mode, module, str(out), *parts, *only]
        work = pathlib.Path(place, "work")
        work.mkdir()
        with log.open("w") as file:
            process = subprocess.Popen(
                command, cwd=work, stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True
            )
            hung = False
            seen = -1
            while True:
                try:
                    process.wait(SILENCE)
                    break
                except subprocess.TimeoutExpired:
                    size = out.stat().st_size
                    if size == seen:
                        hung = True
                        os.killpg(process.pid, 9)
                        process.wait()
                        break
                    seen = size
        run = Run(log=log.read_text(errors="replace"))
        begun, whole_way = "", False
        for line in out.read_text().splitlines():
            kind, *words = line.split("\t")
            whole_way = whole_way or kind == "done"
            if kind == "begin":
                begun = words[0]
            elif kind == "end":
                run.outcomes[words[0]] = words[1]
                begun = ""
        end = "hang" if hung else f"died ({process.returncode})"
        if begun:
            run.outcomes[begun] = end
        elif not whole_way or (hung or process.returncode != 0):
            run.outcomes[f"test.{module} (the process)"] = end
        return run


def whole(mode: str, module: str, only: list[str] = []) -> Run:
    """Every test of a module, in as many processes as it takes."""
    total = Run()
    while True:
        run = child(mode, module, only, list(total.outcomes))
        total.log += run.log
        fresh = {test: outcome for test, outcome in run.outcomes.items() if test not in total.outcomes}
        total.outcomes.update(fresh)
        broken = [t for t, outcome in fresh.items() if outcome == "hang" or outcome.startswith("died")]
        if not broken or any(t.endswith("(the process)") for t in broken):
            return total


def known(path: pathlib.Path) -> dict[tuple[str, str], tuple[bool, str]]:
    """(mode, test) → whether it always differs, and why. Lines: [sometimes] MODE TEST: REASON."""
    found = {}
    for line in path.read_text().splitlines() if path.exists() else []:
        if not line.strip() or line.startswith("#"):
            continue
        what, _, reason = line.partition(": ")
        *often, mode, test = what.split()
        assert mode in (*MODES, BARE) and reason.strip() and often in ([], ["sometimes"]), f"{path}: {line}"
        found[mode, "test." + test] = (not often, reason.strip())
    return found


def differs(mode: str, module: str, test: str) -> tuple[int, str]:
    """How often, of `AGAIN` times, a test by itself differs from the plain run; and the last log of such a time."""
    times, log = 0, ""
    for _ in range(AGAIN):
        plain, patched = whole("plain", module, [test]), whole(mode, module, [test])
        if plain.outcomes != patched.outcomes:
            times += 1
            log = patched.log
    return times, log


def compare(mode: str, module: str, plain: Run, patched: Run, listed: dict[tuple[str, str], tuple[bool, str]]) -> list[str]:
    """The surprises of one module in one mode, as lines."""
    surprises = []
    different = {
        test
        for test in plain.outcomes.keys() | patched.outcomes.keys()
        if plain.outcomes.get(test) != patched.outcomes.get(test)
        and not any(part in test for part in LEFT_OUT[mode])
    }
    expected = {test for m, test in listed if m == mode and test.startswith(f"test.{module}.")}
    for test in sorted(different - expected):
        before, after = plain.outcomes.get(test), patched.outcomes.get(test)
        times, log = differs(mode, module, test)
        print(f"    {test}: {before} -> {after}; {times} of {AGAIN} times again", flush=True)
        if times == AGAIN:
            print("    | " + log[-3000:].replace("\n", "\n    | "), flush=True)
            surprises.append(f"{mode} {test.removeprefix('test.')}: {before} -> {after}, and not in the list")
    for test in sorted(expected - different):
        always, reason = listed[mode, test]
        if always and test in plain.outcomes and differs(mode, module, test)[0] == 0:
            surprises.append(f"{mode} {test.removeprefix('test.')}: differs no longer, but is in the list ({reason})")
        elif test not in plain.outcomes:
            surprises.append(f"{mode} {test.removeprefix('test.')}: there is no such test")
    return surprises


def main() -> int:
    arguments = sys.argv[1:]
    modes = [a.removeprefix("--mode=") for a in arguments if a.startswith("--mode=")] or list(MODES)
    modules = [a for a in arguments if not a.startswith("-")]
    modules = modules or list(QUICK if "--quick" in arguments else MODULES)
    logs = [pathlib.Path(a.removeprefix("--log=")) for a in arguments if a.startswith("--log=")]
    lists = [pathlib.Path(a.removeprefix("--known=")) for a in arguments if a.startswith("--known=")]
    listed = known(*lists or [HERE / "known_differences" / f"{VERSION}.txt"])
    surprises = []
    for module in modules:
        plain = whole("plain", module)
        for mode in modes:
            patched = whole(mode, module)
            for place in logs:
                place.mkdir(exist_ok=True)
                (place / f"{module}.{mode}.log").write_text(patched.log)
                (place / f"{module}.plain.log").write_text(plain.log)
            counts = {o: list(patched.outcomes.values()).count(o) for o in sorted(set(patched.outcomes.values()))}
            print(f"{module} {mode}: {len(patched.outcomes)} tests, {counts}", flush=True)
            surprises += compare(mode, module, plain, patched, listed)
    for line in surprises:
        print("SURPRISE", line)
    print(f"{len(surprises)} surprises, {len(listed)} known differences")
    return 1 if surprises else 0


if __name__ == "__main__":
    sys.exit(main())
