"""Deep recursion through C in a task ends in RecursionError or MemoryError, never in a signal."""

import textwrap

import pytest
from support import child

# One way per line to nest C calls as deep as the interpreter allows. Each defines `attempt()`.
PATHS = {
    "python": """
        def attempt():
            attempt()
    """,
    "sort": """
        def attempt(_=None):
            return sorted([1, 2], key=attempt)
    """,
    "map": """
        def attempt(_=None):
            return list(map(attempt, [1]))
    """,
    "partial": """
        import functools
        def attempt():
            return functools.partial(attempt)()
    """,
    "dunder": """
        class A:
            def __add__(self, other):
                return self + other
            def __getattr__(self, name):
                return getattr(self, name + 'x')
        def attempt():
            try:
                A() + A()
            except RecursionError:
                A().x
    """,
    "repr": """
        class A:
            def __repr__(self):
                return repr([self])
        def attempt():
            repr(A())
    """,
    "call": """
        class A:
            def __call__(self):
                return type(self).__call__(self)
        class B:
            pass
        B.__call__ = B()
        def attempt():
            try:
                A()()
            except RecursionError:
                B()()
    """,
    "json out": """
        import json
        def attempt():
            nested = []
            for _ in range(100000):
                nested = [nested]
            json.dumps(nested)
    """,
    "json in": """
        import json
        def attempt():
            json.loads('[' * 100000 + ']' * 100000)
    """,
    "pickle": """
        import pickle
        def attempt():
            nested = []
            for _ in range(100000):
                nested = [nested]
            pickle.dumps(nested)
    """,
    "ast": """
        import ast
        def attempt():
            try:
                ast.parse('(' * 5000 + ')' * 5000)
            except SyntaxError:
                pass
            ast.literal_eval('-' * 50000 + '1')
    """,
    "compile": """
        def attempt():
            compile('a' + '+a' * 100000, '<deep>', 'eval')
            eval('-' * 100000 + '1')
    """,
    "re": """
        import re
        def attempt():
            re.compile('(' * 5000 + ')' * 5000)
    """,
    "==": """
        def attempt():
            a, b = [], []
            for _ in range(100000):
                a, b = [a], [b]
            a == b
    """,
    "isinstance": """
        def attempt():
            nested = int,
            for _ in range(100000):
                nested = nested,
            isinstance('x', nested)
    """,
    "deallocation": """
        class Node:
            pass
        def attempt():
            chain = None
            for _ in range(200000):
                node = Node()
                node.next, chain = chain, node
            del chain, node
            nested = ()
            for _ in range(200000):
                nested = (nested,)
            del nested
            raise RecursionError('freed')
    """,
}

RUNNER = """
import sys, gmp_py
{path}
def guarded():
    try:
        attempt()
    except (RecursionError, MemoryError, ValueError, SyntaxError) as error:
        return type(error).__name__
    return 'finished'
def main():
    # Not only once, and with other tasks parked just as deep.
    return {{task.join() for task in [gmp_py.go(guarded, stack_size={stack}) for _ in range(3)]}}
print(*sorted(gmp_py.run(main)))
sys.stdout.flush()
"""


@pytest.mark.parametrize("stack", [None, 1], ids=["default stack", "smallest wish"])
@pytest.mark.parametrize("path", PATHS)
def test_deep_recursion_is_an_error_not_a_crash(path, stack):
    done = child(RUNNER.format(path=textwrap.dedent(PATHS[path]), stack=stack))
    assert done.returncode == 0, f"{done.returncode}\n{done.stdout}\n{done.stderr}"
    assert done.stdout.strip() in ("RecursionError", "MemoryError", "MemoryError RecursionError", "finished")


def test_recursion_that_waits_at_the_bottom():
    done = child(
        """
        import gmp_py
        def dive(n=0):
            try:
                sorted([1], key=lambda _: dive(n + 1))
            except RecursionError:
                gmp_py.yield_()
                raise
        def main():
            tasks = [gmp_py.go(dive) for _ in range(5)]
            return {type(task.exception()).__name__ for task in tasks}
        print(gmp_py.run(main))
        """
    )
    assert (done.returncode, done.stdout) == (0, "{'RecursionError'}\n"), done.stderr
