"""From the name on the command line to the application object, with errors that say where the fault is."""

import ast
import dataclasses
import difflib
import importlib
import importlib.util
import os
import sys
import traceback
from types import ModuleType
from typing import Any

from serai.failure import Failure, wrong_use

_CONVENTIONS = ("application", "app")
_CHANGE_NAME = "name it as module:attribute, for example mysite.wsgi:application"


class LoadError(Failure):
    """The app could not be imported or made. `traceback` shows the app's own frames; empty where none took part."""

    def __init__(self, tried: str, found: str, fix: str, trace: str = "") -> None:
        super().__init__(tried, found, fix)
        self.traceback = trace


@dataclasses.dataclass(frozen=True)
class Target:
    """`module:attribute.path`, with the arguments of a call where one is written."""

    text: str
    module: str
    path: tuple[str, ...]
    """Empty: look for the conventional names."""
    call: tuple[list[Any], dict[str, Any]] | None

    @staticmethod
    def parse(text: str, *, factory: bool) -> "Target":
        """Reads the command line's word; raises Failure (wrong use)."""
        module, _, expression = text.partition(":")
        tried = f"reading the app's name {text!r}"
        if "/" in module or module.endswith(".py"):
            dotted = module.removesuffix(".py").strip("./").replace("/", ".")
            raise wrong_use(tried, f"{module!r} is a file, not a module", f"write {dotted}:{expression or 'app'}")
        if not module or not all(part.isidentifier() for part in module.split(".")):
            raise wrong_use(tried, f"{module!r} is not the name of a module", _CHANGE_NAME)
        path, call = _parse_expression(expression, tried) if expression else ((), None)
        return Target(text, module, path, call if call or not factory else ([], {}))


def _parse_expression(expression: str, tried: str) -> tuple[tuple[str, ...], tuple[list[Any], dict[str, Any]] | None]:
    """`name`, `name.attribute`, or one of them called with literals."""
    try:
        node: ast.expr = ast.parse(expression, mode="eval").body
        call = None
        if isinstance(node, ast.Call):
            named = {word.arg: ast.literal_eval(word.value) for word in node.keywords if word.arg}
            call = ([ast.literal_eval(value) for value in node.args], named)
            node = node.func
        path: list[str] = []
        while isinstance(node, ast.Attribute):
            path.insert(0, node.attr)
            node = node.value
        if not isinstance(node, ast.Name):
            raise ValueError("neither a name nor a call of one")
        return (node.id, *path), call
    except (SyntaxError, ValueError) as error:
        found = f"{expression!r} is neither an attribute nor a call of one with literal arguments ({error})"
        raise wrong_use(tried, found, _CHANGE_NAME) from None


def import_path(app_dir: str) -> None:
    """Lets the app's folder be imported from, first of all."""
    folder = os.path.abspath(app_dir)
    if sys.path[:1] != [folder]:
        sys.path.insert(0, folder)
    importlib.invalidate_caches()


def load(target: Target) -> Any:
    """Imports the module and finds, or makes, the application. Raises LoadError."""
    found = _find(_import(target), target)
    if target.call is None:
        return found
    tried = f"calling the factory {target.text}"
    if not callable(found):
        raise LoadError(tried, f"it is {_kind(found)}, which cannot be called", "leave out --factory or the brackets")
    arguments, named = target.call
    try:
        return found(*arguments, **named)
    except (Exception, SystemExit) as error:
        raise _from_exception(tried, target, error) from None


def load_function(text: str, purpose: str) -> Any:
    """A function named as `module:name`, for a hook. Raises LoadError or Failure."""
    target = Target.parse(text, factory=False)
    function = _find(_import(target), target)
    if not callable(function):
        raise LoadError(
            f"looking for the {purpose} {text}", f"it is {_kind(function)}, not a function", "name a function"
        )
    return function


def _import(target: Target) -> ModuleType:
    try:
        return importlib.import_module(target.module)
    except (Exception, SystemExit) as error:
        raise _from_exception(f"importing {target.module}", target, error) from None


def _find(module: ModuleType, target: Target) -> Any:
    if not target.path:
        return _by_convention(module, target)
    found: Any = module
    walked = target.module
    for name in target.path:
        try:
            found = getattr(found, name)
        except AttributeError:
            near = difflib.get_close_matches(name, [n for n in dir(found) if not n.startswith("__")], 3)
            fix = f"did you mean {' or '.join(near)}?" if near else _CHANGE_NAME
            raise LoadError(f"looking for {target.text}", f"{walked} has no {name!r}", fix) from None
        walked += "." + name
    return found


def _by_convention(module: ModuleType, target: Target) -> Any:
    for name in _CONVENTIONS:
        if hasattr(module, name):
            return getattr(module, name)
    found = f"{target.module} has neither {' nor '.join(_CONVENTIONS)}"
    raise LoadError(f"looking for the app in {target.module}", found, _CHANGE_NAME)


def _kind(value: object) -> str:
    return f"of type {type(value).__module__}.{type(value).__qualname__}"


def _from_exception(tried: str, target: Target, error: BaseException) -> LoadError:
    found, fix = _classify(target, error)
    return LoadError(tried, found, fix, app_traceback(error))


def _classify(target: Target, error: BaseException) -> tuple[str, str]:
    """Cause and remedy. An import that fails inside the app is told from an app that is not there."""
    if isinstance(error, ModuleNotFoundError) and error.name:
        if error.name == target.module or target.module.startswith(error.name + "."):
            return (
                f"there is no module {error.name!r} in {sys.path[0]}",
                "check the name, or give its folder with --app-dir",
            )
        if importlib.util.find_spec("serai") and error.name.partition(".")[0] == target.module.partition(".")[0]:
            return f"the app imports {error.name!r}, which is not among its files", "check the app's own imports"
        return (
            f"the app needs {error.name!r}, which is not installed in {sys.prefix}",
            "install it there, or add it to the lock",
        )
    if isinstance(error, SyntaxError):
        return (
            f"{error.filename}, line {error.lineno}: {error.msg}",
            f"correct it; this is Python {sys.version.split()[0]}",
        )
    if isinstance(error, SystemExit):
        return (
            f"the app ended the process (SystemExit: {error.code})",
            "serve a module that does not run a program on import",
        )
    return f"{type(error).__name__}: {error}", "see the traceback: the error is inside the app"


def app_traceback(error: BaseException) -> str:
    """The traceback as the app's author wants it: without our frames and the import system's at its head."""
    report = traceback.TracebackException.from_exception(error, capture_locals=False)
    seen: traceback.TracebackException | None = report
    while seen:
        _trim(seen)
        seen = seen.__cause__ or seen.__context__
    return "".join(report.format()).rstrip("\n")


def _trim(report: traceback.TracebackException) -> None:
    """Drops leading frames up to the app's first."""
    own = os.path.dirname(__file__) + os.sep
    frames = list(report.stack)
    while frames and (
        frames[0].filename.startswith((own, "<frozen importlib")) or "importlib/__init__" in frames[0].filename
    ):
        frames.pop(0)
    report.stack = traceback.StackSummary.from_list(frames)
