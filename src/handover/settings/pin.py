"""One release for the whole life of a worker, though the link to the release moves on."""

import os
import sys


def pinned(path: str, root: str, real: str) -> str:
    """`path` with the link `root` at its start replaced by what it stood for, `real`."""
    return real + path[len(root) :] if path == root or path.startswith(root + "/") else path


def pin(root: str, real: str) -> None:
    """Have this process import everything from `real`, the release that the link `root` stood for.

    Without it, a worker that imports something late would take it from whatever release is current by then. The packages
    that the master has loaded (gunicorn, gevent) look for their submodules in their own `__path__`, so these are
    resolved as well.
    """
    sys.path[:] = [pinned(path, root, real) for path in sys.path]
    for module in list(sys.modules.values()):
        search = getattr(module, "__path__", None)
        if isinstance(search, list):
            search[:] = [pinned(path, root, real) for path in search]
    sys.path_importer_cache.clear()
    # What the application starts runs this Python and this environment, too (multiprocessing, or subprocess with sys.executable), and
    # multiprocessing has its processes run the main file again.
    for name in ("executable", "prefix", "exec_prefix"):
        setattr(sys, name, pinned(getattr(sys, name), root, real))
    if spawn := sys.modules.get("multiprocessing.spawn"):
        spawn.set_executable(pinned(os.fsdecode(spawn.get_executable()), root, real))
    if file := getattr(sys.modules["__main__"], "__file__", None):
        sys.modules["__main__"].__file__ = pinned(file, root, real)
