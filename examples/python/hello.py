"""Two tasks say hello. Run: python hello.py"""

import gmp_py


def hello(name: str) -> None:
    task = gmp_py.current()
    assert task is not None
    print(f"hello from {name}, task {task.id}")


def main() -> None:
    for task in [gmp_py.go(hello, "a"), gmp_py.go(hello, "b")]:
        task.join()


gmp_py.run(main)
