"""The kernel process of a report: IPython's own kernel, which loads beforehand what its notebook
will import.
"""

from __future__ import annotations

import gc
import os
import sys
import threading
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

VARIABLE = "WALLETLAB_PRELOAD"  # names of modules
_THEME = "analysis.charts.theme"


def load_ipython_extension(_shell: Any) -> None:
    """Import the modules named in the variable; the notebook tells of what cannot be imported."""
    for name in os.environ.pop(VARIABLE, "").split():
        with suppress(Exception):
            import_module(name)
    gc.freeze()
    if _THEME in sys.modules:  # beside the first queries, which leave a processor free
        threading.Thread(target=sys.modules[_THEME].install, daemon=True).start()


def main() -> None:
    """Run the kernel until it is ended; the arguments are those of ipykernel_launcher."""
    gc.set_threshold(100_000)  # imports make many objects and next to no garbage
    if sys.path[0] == "" or Path(sys.path[0]) == Path.cwd():
        del sys.path[0]  # as ipykernel_launcher does
    from ipykernel import kernelapp

    kernelapp.launch_new_instance()


if __name__ == "__main__":
    main()
