"""Locks that were made before the patches, replaced where they are held.

Always true: what is replaced is unlocked, or an RLock that the caller itself holds; so nobody waits for the old one, and
the new one is held by whom the old one was. Locks that are held by others stay: they exclude whom they excluded, but two
tasks of one thread can be inside such an RLock at once, which is said in a warning.
"""

import gc
import sys
import warnings
from types import BuiltinMethodType, CellType, ModuleType
from typing import Any

from ._patching import MonkeyPatchWarning

# Nobody else runs Python code for so long: what is unlocked stays so while it is replaced.
_SECONDS = 3600.0


def renew_locks(kinds: dict[Any, Any]) -> None:
    """Replaces the locks of the given types by ones of the types that they are mapped to."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(_SECONDS)
    try:
        held = _renew(kinds)
    finally:
        sys.setswitchinterval(interval)
    if held:
        warnings.warn(
            f"{held} RLock(s) were held by other threads while threading was patched, and stay unpatched",
            MonkeyPatchWarning,
            stacklevel=5,
        )


def _renew(kinds: dict[Any, Any]) -> int:
    old = [found for found in gc.get_objects() if type(found) in kinds]
    renewed: dict[int, Any] = {}
    held = 0
    for lock in old:
        new = _like(lock, kinds[type(lock)])
        if new is not None:
            renewed[id(lock)] = new
        elif hasattr(lock, "_is_owned"):
            held += 1
    # What a Condition takes from its lock are bound methods.
    methods = [m for m in gc.get_referrers(*old) if type(m) is BuiltinMethodType] if old else []
    for method in methods:
        new = renewed.get(id(method.__self__))
        if new is not None and hasattr(new, method.__name__):
            renewed[id(method)] = getattr(new, method.__name__)
    mine = {id(old), id(methods), id(renewed)}
    for holder in gc.get_referrers(*old, *methods) if old else ():
        if id(holder) not in mine:
            _renew_in(holder, renewed)
    return held


def _like(lock: Any, kind: Any) -> Any:
    """A new lock in the state of an old one; None when that is not to be had."""
    if not hasattr(lock, "_is_owned"):
        return None if lock.locked() else kind()
    new = kind()
    if lock._is_owned():
        state = lock._release_save()
        lock._acquire_restore(state)
        for _ in range(state[0]):
            new.acquire()
        return new
    if not lock.acquire(False):
        return None
    lock.release()
    return new


def _renew_in(holder: Any, renewed: dict[int, Any]) -> None:
    names: Any
    if isinstance(holder, ModuleType):
        return  # its dict is a holder of its own
    if type(holder) is dict:
        names = holder
    elif type(holder) is list:
        for i, value in enumerate(holder):
            if id(value) in renewed:
                holder[i] = renewed[id(value)]
        return
    elif type(holder) is CellType:
        if id(holder.cell_contents) in renewed:
            holder.cell_contents = renewed[id(holder.cell_contents)]
        return
    else:
        _renew_slots(holder, renewed)
        names = getattr(holder, "__dict__", None)
        if type(names) is not dict:
            return
    for key, value in list(names.items()):
        if id(value) in renewed:
            names[key] = renewed[id(value)]


def _renew_slots(holder: Any, renewed: dict[int, Any]) -> None:
    for kind in type(holder).__mro__:
        slots = kind.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if name.startswith("__") and not name.endswith("__"):
                name = f"_{kind.__name__.lstrip('_')}{name}"
            value = getattr(holder, name, None)
            if id(value) in renewed:
                setattr(holder, name, renewed[id(value)])
