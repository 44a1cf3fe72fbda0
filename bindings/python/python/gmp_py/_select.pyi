from typing import Any, NamedTuple, TypeVar, final

from . import Chan

__all__ = ["Case", "Selected", "recv", "select", "send"]

_T = TypeVar("_T")

@final
class Case: ...

class Selected(NamedTuple):
    index: int  # type: ignore[assignment]
    value: Any
    ok: bool

def recv(chan: Chan[Any], /) -> Case: ...
def send(chan: Chan[_T], value: _T, /) -> Case: ...
def select(*cases: Case, timeout: float | None = None, default: bool = False) -> Selected: ...
