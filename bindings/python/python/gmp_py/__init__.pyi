import contextvars
from collections.abc import AsyncIterator, Callable
from types import GenericAlias
from typing import Any, Final, Generic, Literal, NamedTuple, ParamSpec, Self, TypeVar, TypeVarTuple, final

from . import aio as aio
from . import monkey as monkey
from . import net as net
from . import servers as servers
from ._context import Context as Context
from ._dump import dump as dump
from ._executor import Executor as Executor
from ._group import Group as Group
from ._locks import Barrier as Barrier
from ._locks import Condition as Condition
from ._trace import trace as trace
from ._locks import Event as Event
from ._locks import Mutex as Mutex
from ._locks import Once as Once
from ._locks import RLock as RLock
from ._locks import RWLock as RWLock
from ._locks import Semaphore as Semaphore
from ._locks import WaitGroup as WaitGroup
from ._select import Selected as Selected
from ._select import recv as recv
from ._select import select as select
from ._select import send as send

__all__ = [
    "Barrier",
    "Cancelled",
    "Chan",
    "ChannelClosed",
    "Condition",
    "Context",
    "Event",
    "Executor",
    "GmpError",
    "Group",
    "Misuse",
    "Mutex",
    "Once",
    "RLock",
    "RWLock",
    "Semaphore",
    "Selected",
    "Stats",
    "Stopped",
    "Task",
    "TaskExit",
    "Ticker",
    "Timer",
    "WaitGroup",
    "__version__",
    "after",
    "aio",
    "blocking",
    "cancel_scope",
    "checkpoint",
    "current",
    "dump",
    "get_include",
    "get_library_dir",
    "go",
    "go_native",
    "max_procs",
    "monkey",
    "net",
    "num_tasks",
    "recv",
    "run",
    "select",
    "send",
    "servers",
    "sleep",
    "stats",
    "trace",
    "yield_",
]

_T = TypeVar("_T")
_Params = ParamSpec("_Params")
_T_co = TypeVar("_T_co", covariant=True)
_Args = TypeVarTuple("_Args")

__version__: Final[str]

class GmpError(Exception): ...
class Stopped(GmpError): ...
class Misuse(GmpError, RuntimeError): ...
class TaskExit(BaseException): ...
class Cancelled(BaseException): ...
class ChannelClosed(GmpError): ...

@final
class Task(Generic[_T_co]):
    @property
    def id(self) -> int: ...
    @property
    def name(self) -> str: ...
    def join(self, timeout: float | None = None) -> _T_co: ...
    def exception(self, timeout: float | None = None) -> BaseException | None: ...
    def cancel(self) -> bool: ...
    def done(self) -> bool: ...
    @classmethod
    def __class_getitem__(cls, item: Any, /) -> GenericAlias: ...

@final
class Chan(Generic[_T]):
    def __new__(cls, capacity: int = 0) -> Self: ...
    @property
    def capacity(self) -> int: ...
    @property
    def closed(self) -> bool: ...
    def send(self, value: _T, /, timeout: float | None = None) -> None: ...
    def recv(self, /, timeout: float | None = None) -> _T: ...
    def try_send(self, value: _T, /) -> bool: ...
    def try_recv(self) -> tuple[_T, Literal[True]] | tuple[None, Literal[False]]: ...
    def close(self) -> None: ...
    def __len__(self) -> int: ...
    def __bool__(self) -> Literal[True]: ...
    def __iter__(self) -> Self: ...
    def __next__(self) -> _T: ...
    def __aiter__(self) -> AsyncIterator[_T]: ...
    def _give_back(self, value: _T, /) -> None: ...
    @classmethod
    def __class_getitem__(cls, item: Any, /) -> GenericAlias: ...
@final
class cancel_scope:
    def __new__(cls, timeout: float | None = None) -> Self: ...
    @property
    def cancelled(self) -> bool: ...
    def cancel(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, /, *args: object) -> bool: ...

@final
class Timer:
    def __new__(cls, seconds: float, fn: Callable[[], object]) -> Self: ...
    def stop(self) -> bool: ...

@final
class Ticker:
    def __new__(cls, seconds: float) -> Self: ...
    @property
    def c(self) -> Chan[float]: ...
    def stop(self) -> None: ...

class Stats(NamedTuple):
    tasks_created: int
    tasks_ended: int
    switches: int
    steals: int
    parks: int
    wakes: int
    handoffs: int
    retakes_blocked: int
    retakes_running: int
    polls: int
    timers_fired: int
    thread_limit_hits: int
    deadlocks: int
    tasks_runnable: int
    tasks_running: int
    tasks_blocked: int
    tasks_parked: int
    timers_pending: int
    poll_waiters: int
    procs: int
    procs_idle: int
    threads: int
    threads_idle: int
    threads_searching: int
    threads_peak: int
    stack_bytes_reserved: int
    stack_bytes_resident: int

def go(
    fn: Callable[[*_Args], _T],
    /,
    *args: *_Args,
    name: str | None = None,
    stack_size: int | None = None,
    context: contextvars.Context | None = None,
) -> Task[_T]: ...
def run(main: Callable[[*_Args], _T], /, *args: *_Args) -> _T: ...
def current() -> Task[Any] | None: ...
def blocking(fn: Callable[_Params, _T], /, *args: _Params.args, **kwargs: _Params.kwargs) -> _T: ...
def yield_() -> None: ...
def sleep(seconds: float, /) -> None: ...
def checkpoint() -> None: ...
def go_native(address: int, arg: int = 0) -> Task[int]: ...
def max_procs(n: int | None = None) -> int: ...
def num_tasks() -> int: ...
def after(seconds: float, /) -> Chan[float]: ...
def stats() -> Stats: ...
def get_include() -> str: ...
def get_library_dir() -> str: ...
