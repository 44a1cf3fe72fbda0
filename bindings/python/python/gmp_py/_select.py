"""What select gives: one operation that was done."""

from typing import Any, NamedTuple

from . import _gmp
from ._gmp import Case, recv, select, send


class Selected(NamedTuple):
    """What `select` did: the case's index, the value that it received, and whether it received one or sent."""

    index: int
    value: Any
    ok: bool


Selected.__module__ = "gmp_py"
_gmp._set_selected(Selected)

__all__ = ["Case", "Selected", "recv", "select", "send"]
