"""A pipeline of channels, in a group: python pipeline.py [DIR]

Counts the words of every text file below a directory: one task walks, four read, two count, and a select brings together the
counts and the names of files that are no text. Without DIR it makes files whose counts it knows, and compares; then one
that makes a stage fail, which ends all the others; status 1 if a count is wrong or a task is left.
"""

import collections
import os
import pathlib
import sys
import tempfile

import gmp_py
from gmp_py import Chan, recv, select

Counts = collections.Counter[str]
READERS = 4
COUNTERS = 2
FAIL = "#! fail"


def walk(root: str, paths: Chan[str]) -> None:
    """First stage: the files' names."""
    for folder, _, names in os.walk(root):
        for name in names:
            paths.send(os.path.join(folder, name))
    paths.close()


def read(paths: Chan[str], texts: Chan[str], unreadable: Chan[str]) -> None:
    """Second stage: what is in them. It blocks in the kernel, and others go on."""
    for path in paths:
        try:
            texts.send(pathlib.Path(path).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError):
            unreadable.send(path)


def count(texts: Chan[str], counts: Chan[Counts]) -> None:
    """Third stage."""
    for text in texts:
        if text.startswith(FAIL):
            raise ValueError("a stage that fails")
        counts.send(Counts(text.split()))


def closing(tasks: list[gmp_py.Task[None]], *chans: Chan[str] | Chan[Counts]) -> None:
    """Closes channels once all who send into them have ended."""
    for task in tasks:
        task.join()
    for chan in chans:
        chan.close()


def collect(counts: Chan[Counts], unreadable: Chan[str]) -> tuple[Counts, list[str]]:
    """Last stage: whatever comes first."""
    total, bad = Counts(), list[str]()
    left = [recv(counts), recv(unreadable)]
    while left:
        index, value, ok = select(*left, timeout=60)
        if not ok:
            del left[index]
        elif isinstance(value, collections.Counter):
            total += value
        else:
            bad.append(value)
    return total, bad


def words_below(root: str) -> tuple[Counts, list[str]]:
    """The pipeline. The group's end is everybody's: no task is left when this returns or raises."""
    paths, texts, unreadable = Chan[str](16), Chan[str](16), Chan[str]()
    counts = Chan[Counts](16)
    with gmp_py.Group() as group:
        group.go(walk, root, paths)
        readers = [group.go(read, paths, texts, unreadable) for _ in range(READERS)]
        counters = [group.go(count, texts, counts) for _ in range(COUNTERS)]
        group.go(closing, readers, texts, unreadable)
        group.go(closing, counters, counts)
        result = group.go(collect, counts, unreadable)
    return result.join()


def failing(root: str) -> str:
    """What comes out of a pipeline that fails."""
    try:
        words_below(root)
    except ExceptionGroup as group:
        return "; ".join(map(str, group.exceptions))
    return "nothing"


def main(root: str | None) -> bool:
    if root is not None:
        counts, unreadable = words_below(root)
        print(f"{counts.total()} words, {len(counts)} of them different, {len(unreadable)} files are no text")
        print(", ".join(f"{word}: {n}" for word, n in counts.most_common(5)))
        return True
    with tempfile.TemporaryDirectory() as folder:
        for n in range(100):
            pathlib.Path(folder, f"{n}.txt").write_text("one two two " + "three " * n)
        pathlib.Path(folder, "binary").write_bytes(bytes(range(256)))
        counts, unreadable = words_below(folder)
        print(*(f"{word}: {n}" for word, n in counts.most_common()))
        good = counts == Counts(one=100, two=200, three=4950) and unreadable == [os.path.join(folder, "binary")]
        pathlib.Path(folder, "bad.txt").write_text(FAIL)
        told = failing(folder)
        print("a pipeline that fails:", told)
    return good and told == "a stage that fails" and gmp_py.num_tasks() == 1


if __name__ == "__main__":
    sys.exit(not gmp_py.run(main, sys.argv[1] if len(sys.argv) > 1 else None))
