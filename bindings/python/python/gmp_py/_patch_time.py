"""What `gmp_py.monkey.patch_time` puts into ``time``: a sleep that parks the task. Plain threads keep their own."""

import time

from . import _gmp
from ._patching import is_first, replace


def patch() -> None:
    if not is_first("time"):
        return
    replace(time, "sleep", _gmp._sleep_function(time))
