"""Locks for tasks and threads alike, with the standard library's method names where it has the class."""

from ._gmp import Event, Mutex, RLock

__all__ = ["Event", "Mutex", "RLock"]
