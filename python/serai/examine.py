"""What an app is, asked of the app itself: imported in the sandbox, before a release goes live.

`python -m serai.examine REQUEST` gets JSON (made by src/app/probe.cc): the places where the app may be, best first.
It imports them until one is an app and prints one line, `SERAI-EXAMINE {...}`, after whatever the app printed. A
failed import prints its traceback to standard error.
"""

import contextlib
import inspect
import json
import os
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from serai import interface, loading
from serai.failure import Failure

MARKER = "SERAI-EXAMINE "
_FACTORIES = ("create_app", "make_app", "create_application", "build_app", "get_app")
_ASGI_APPS = ("channels", "daphne", "django_eventstream")


def main(request: dict[str, Any]) -> dict[str, Any]:
    """The answer to a request; never raises for what an app may do."""
    opened = _watch_databases()
    os.chdir(os.path.join(os.getcwd(), request["folder"]))
    if request["settings"]:
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", request["settings"])
    failures: list[Failure] = []
    for candidate in _in_order(request, failures):
        try:
            answer = _ask(candidate, request["factory"])
        except Failure as failure:
            failures.append(failure)
            if request["explicit"]:
                break
            continue
        answer["databases"] = sorted(opened)
        return answer
    return _explain(failures)


def _watch_databases() -> set[str]:
    """Remembers each SQLite file that is opened while the app is imported."""
    opened: set[str] = set()

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "sqlite3.connect" and arguments and isinstance(arguments[0], str | bytes | os.PathLike):
            path = os.fsdecode(arguments[0])
            if path and not path.startswith((":memory:", "file:")):
                opened.add(os.path.abspath(path))

    sys.addaudithook(hook)
    return opened


def _ask(candidate: dict[str, Any], factory: bool) -> dict[str, Any]:
    loading.import_path(candidate["app_dir"] or ".")
    target = loading.Target.parse(candidate["target"], factory=factory)
    app, target = _load(target)
    kind, reason = interface.detect(app, target.text)
    answer = {
        "ok": True,
        "target": target.text,
        "factory": factory and not target.text.endswith(")"),
        "app_dir": candidate["app_dir"],
        "evidence": candidate["evidence"],
        "interface": kind,
        "reason": candidate.get("reason") or reason,
        "framework": _framework(app, kind),
    }
    flask = _flask_of(app)
    if flask is not None:
        answer["flask"] = _flask_facts(flask)
    if "django.conf" in sys.modules:
        answer["django"] = _django_facts()
    return answer


def _load(target: loading.Target) -> tuple[Any, loading.Target]:
    """The app object. A target that is a module only is looked through: usual names, any app object, factories."""
    if target.path:
        return loading.load(target), target
    try:
        found = loading.load(target)
        return found, _attribute_of(target, found)
    except loading.LoadError:
        module = sys.modules.get(target.module)
        if module is None:
            raise
        name = _app_in(module)
        if name is None:
            raise
        named = loading.Target.parse(f"{target.module}:{name}", factory=False)
        return loading.load(named), named


def _attribute_of(target: loading.Target, found: Any) -> loading.Target:
    module = sys.modules[target.module]
    name = next((n for n in ("application", "app") if getattr(module, n, None) is found), "")
    return loading.Target.parse(f"{target.module}:{name}" if name else target.text, factory=False)


def _app_in(module: ModuleType) -> str | None:
    """The name of an app object of a known framework, else a factory that needs no argument."""
    for name, value in vars(module).items():
        if not name.startswith("_") and not inspect.isclass(value) and _framework(value, "") != "":
            return name
    for name in _FACTORIES:
        if inspect.isfunction(getattr(module, name, None)):
            return f"{name}()"
    return None


# ---- frameworks ------------------------------------------------------------------------------------------------------

_KNOWN = {
    "django": ("django", "Django"),
    "flask": ("flask", "Flask"),
    "fastapi": ("fastapi", "FastAPI"),
    "starlette": ("starlette", "Starlette"),
    "quart": ("quart", "Quart"),
    "litestar": ("litestar", "Litestar"),
    "bottle": ("bottle", "Bottle"),
    "falcon": ("falcon", "Falcon"),
    "pyramid": ("pyramid", "Pyramid"),
    "channels": ("channels", "Django Channels"),
    "dash": ("dash", "Dash"),
    "connexion": ("connexion", "Connexion"),
}


def _framework(app: Any, kind: str) -> str:
    """ "Django 5.2"; the interface's name when no class of a known framework is in its ancestry."""
    for base in type(app).__mro__:
        known = _KNOWN.get(base.__module__.partition(".")[0])
        if known:
            return f"{known[1]} {_version(known[0])}".strip()
    return kind.upper()


def _version(distribution: str) -> str:
    from importlib import metadata

    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return ""


def _flask_of(app: Any) -> Any:
    """The Flask object, also behind WSGI middleware that keeps it in an attribute."""
    flask = sys.modules.get("flask")
    for _ in range(8):
        if flask is None or app is None or isinstance(app, flask.Flask):
            return app if flask is not None else None
        wrapped = getattr(app, "__self__", None)  # Flask.wsgi_app is a bound method
        for name in ("app", "wsgi_app", "application", "wrapped"):
            wrapped = wrapped or getattr(app, name, None)
        app = wrapped
    return None


def _flask_facts(app: Any) -> dict[str, Any]:
    folder = app.static_folder if app.has_static_folder else ""
    return {
        "instance_path": app.instance_path,
        "static_folder": os.path.abspath(folder) if folder else "",
        "static_url_path": app.static_url_path or "" if folder else "",
        "static_exists": bool(folder) and os.path.isdir(folder),
    }


def _django_facts() -> dict[str, Any]:
    from django.conf import settings

    if not settings.configured:
        return {}
    databases = [
        {"alias": alias, "engine": str(entry.get("ENGINE", "")), "name": _path(entry.get("NAME"))}
        for alias, entry in settings.DATABASES.items()
    ]
    return {
        "settings": os.environ.get("DJANGO_SETTINGS_MODULE", ""),
        "databases": databases,
        "media_root": _path(settings.MEDIA_ROOT),
        "static_root": _path(settings.STATIC_ROOT),
        "static_url": str(settings.STATIC_URL or ""),
        "staticfiles": "django.contrib.staticfiles" in settings.INSTALLED_APPS,
        "collectstatic_off": bool(os.environ.get("DISABLE_COLLECTSTATIC")),
        "allowed_hosts": [str(host) for host in settings.ALLOWED_HOSTS],
        "debug": bool(settings.DEBUG),
    }


def _path(value: Any) -> str:
    """An absolute path of a setting that may be text, a Path or nothing; SQLite's ":memory:" stays."""
    text = os.fsdecode(value) if isinstance(value, str | bytes | os.PathLike) else ""
    return os.path.abspath(text) if text and not text.startswith((":memory:", "file:")) else text


# ---- Django's two entries --------------------------------------------------------------------------------------------


def _in_order(request: dict[str, Any], failures: list[Failure]) -> Iterator[dict[str, Any]]:
    """The candidates, with the entry that a Django site needs first."""
    candidates = request["candidates"]
    entries = {candidate["interface"]: candidate for candidate in candidates}
    if request["explicit"] or not request["settings"] or not {"wsgi", "asgi"} <= entries.keys():
        yield from candidates
        return
    try:
        needs = _asgi_need(entries["asgi"], request)
    except Failure as failure:
        failures.append(failure)
        return
    chosen, other = (entries["asgi"], entries["wsgi"]) if needs else (entries["wsgi"], entries["asgi"])
    reason = needs or "no view, middleware or installed app needs ASGI"
    yield chosen | {"reason": reason}
    yield other


def _asgi_need(entry: dict[str, Any], request: dict[str, Any]) -> str:
    """Why the site needs ASGI; empty when WSGI will do. Raises Failure when its settings cannot be imported."""
    try:
        loading.import_path(".")
        import django
        from django.conf import settings

        django.setup()
        installed = [app for app in settings.INSTALLED_APPS if app.partition(".")[0] in _ASGI_APPS]
        if installed:
            return f"{installed[0]} is installed"
        return _async_code(settings)
    except (Exception, SystemExit) as error:
        trace = loading.app_traceback(error)
        found = f"{type(error).__name__}: {error}"
        fix = "see the traceback: the error is inside the site"
        raise loading.LoadError(f"importing Django's settings {request['settings']}", found, fix, trace) from None


def _async_code(settings: Any) -> str:
    from django.urls import get_resolver

    for view in _views(get_resolver(settings.ROOT_URLCONF), 2000):
        if inspect.iscoroutinefunction(view) or getattr(view, "view_is_async", False) is True or _class_is_async(view):
            return f"the view {getattr(view, '__module__', '')}.{getattr(view, '__qualname__', view)} is async"
    return ""


def _class_is_async(view: Any) -> bool:
    return getattr(getattr(view, "view_class", None), "view_is_async", False) is True


def _views(resolver: Any, limit: int) -> Iterator[Any]:
    for pattern in resolver.url_patterns[:limit]:
        if hasattr(pattern, "url_patterns"):
            yield from _views(pattern, limit)
        else:
            yield pattern.callback


# ---- failures --------------------------------------------------------------------------------------------------------


def _explain(failures: list[Failure]) -> dict[str, Any]:
    """The failure that says most: an error inside the app rather than a place where no app is."""
    if not failures:
        return {
            "ok": False,
            "tried": "looking for the app",
            "found": "no place to look",
            "fix": "name it in serai.toml",
        }
    told = next((f for f in failures if getattr(f, "traceback", "")), failures[0])
    if trace := getattr(told, "traceback", ""):
        print(trace, file=sys.stderr)
    return {"ok": False, "tried": told.tried, "found": told.found, "fix": told.fix}


if __name__ == "__main__":
    result = main(json.loads(sys.argv[1]))
    with contextlib.suppress(Exception):
        sys.stdout.flush()
        sys.stderr.flush()
    os.write(1, f"\n{MARKER}{json.dumps(result)}\n".encode())
    os._exit(0 if result["ok"] else 1)  # threads that the app started, and its exit handlers, are not our business
