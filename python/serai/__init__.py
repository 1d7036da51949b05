"""Serai's application server for Python: `serai serve module:app`, or `serai.serve(app)` in a program.

The package is small on purpose. A *master* process holds the listening sockets and imports nothing of the app, a
*zygote* imports the app once and forks *workers*, and each worker hands its sockets to the engine, the C++ extension
module `serai._engine`. docs/serve.md is the user's page; docs/architecture.md shows where the processes stand.
"""

TYPE_CHECKING = False  # typing would be most of what importing this costs
if TYPE_CHECKING:
    from serai._engine import __version__
    from serai.failure import Failure
    from serai.serving import Running, running, serve

__all__ = ["Failure", "Running", "__version__", "running", "serve"]

_HOMES = {
    "Failure": "serai.failure",
    "Running": "serai.serving",
    "__version__": "serai._engine",  # it has one source, CMakeLists.txt, and is compiled into the engine
    "running": "serai.serving",
    "serve": "serai.serving",
}


def __getattr__(name: str) -> object:
    """Each part is imported when it is asked for: importing the package costs next to nothing."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    part: object = getattr(import_module(_HOMES[name]), name)
    return part
