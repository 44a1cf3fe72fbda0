from typing import Final

from . import GmpError as GmpError
from . import Misuse as Misuse
from . import Stopped as Stopped
from . import Task as Task
from . import TaskExit as TaskExit
from . import checkpoint as checkpoint
from . import current as current
from . import go as go
from . import go_native as go_native
from . import max_procs as max_procs
from . import num_tasks as num_tasks
from . import run as run
from . import sleep as sleep
from . import yield_ as yield_

__version__: Final[str]
runtime_version: Final[str]

def _stats() -> dict[str, int]: ...
def _at_exit() -> None: ...
