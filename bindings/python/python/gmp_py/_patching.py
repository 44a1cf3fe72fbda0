"""What the patches share: the names that were replaced, and who still holds what was there before.

Always true: a name of the standard library that was imported elsewhere in it before is replaced there too. In all other
modules nothing is touched; the user is told.
"""

import sys
import warnings
from collections.abc import Iterator
from types import ModuleType
from typing import Any


class MonkeyPatchWarning(RuntimeWarning):
    """Something that was there before the patches is not patched.

    Example:
        >>> from gmp_py import monkey
        >>> issubclass(monkey.MonkeyPatchWarning, RuntimeWarning)
        True
    """


# By the id of what was replaced: it, what replaces it, and how it is called.
_replaced: dict[int, tuple[Any, Any, str]] = {}


def replace(module: Any, name: str, new: Any) -> None:
    """Puts something in the place of a module's attribute; nothing happens when the module has none."""
    if hasattr(module, name):
        remember(getattr(module, name), new, f"{module.__name__}.{name}")
        setattr(module, name, new)


def remember(old: Any, new: Any, name: str) -> None:
    _replaced.setdefault(id(old), (old, new, name))


patched: set[str] = set()


def is_first(name: str) -> bool:
    """Whether a patch is to be applied now: once in a process."""
    if name in patched:
        return False
    patched.add(name)
    return True


def _modules() -> Iterator[tuple[str, dict[str, Any]]]:
    for name, module in list(sys.modules.items()):
        if isinstance(module, ModuleType) and name.partition(".")[0] != "gmp_py":
            yield name, vars(module)


def renew_references() -> None:
    """Looks through the modules for names that were imported before the patches."""
    kept: list[str] = []
    for name, names in _modules():
        ours = name.partition(".")[0] in sys.stdlib_module_names
        for key, value in list(names.items()):
            old, new, what = _replaced.get(id(value), (None, None, ""))
            if old is None or value is not old:
                continue
            if ours:
                names[key] = new
            else:
                kept.append(f"{name}.{key} is still {what}")
    if kept:
        warnings.warn(
            "imported before the patches and not patched: " + "; ".join(sorted(kept)), MonkeyPatchWarning, stacklevel=3
        )
