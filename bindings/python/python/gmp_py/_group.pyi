from collections.abc import Callable
from contextvars import Context
from typing import Self, TypeVar, TypeVarTuple

from . import Task, _gmp

_T = TypeVar("_T")
_Args = TypeVarTuple("_Args")

class Group(_gmp._Shield):
    def __init__(self) -> None: ...
    def go(
        self,
        fn: Callable[[*_Args], _T],
        /,
        *args: *_Args,
        name: str | None = None,
        stack_size: int | None = None,
        context: Context | None = None,
    ) -> Task[_T]: ...
    def cancel(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, /, *args: object) -> bool | None: ...
