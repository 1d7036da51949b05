"""Serai's application server for Python: `serai serve module:app`.

The package is small on purpose. A *master* process holds the listening sockets and imports nothing of the app, a
*zygote* imports the app once and forks *workers*, and each worker hands its sockets to the engine, the C++ extension
module `serai._engine`. docs/serve.md is the user's page; docs/architecture.md shows where the processes stand.
"""

from typing import Any

__all__ = ["__version__"]


def __getattr__(name: str) -> Any:
    """The version has one source, CMakeLists.txt, and is compiled into the engine; import it only when asked for."""
    if name == "__version__":
        from serai._engine import __version__

        return __version__
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
