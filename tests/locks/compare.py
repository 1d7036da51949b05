#!/usr/bin/env python3
"""compare.py [CASE…]: do converted locks install what the tool that wrote them installs?

Each case is a folder of src/app/testdata/locks: a lock that the real tool made, and `requirements.expected`, which the
unit tests hold equal to what src/app converts it to. Here both are installed into fresh environments, by the tool and
by uv, and every name and version compared, for several Pythons. Needs the network and uv; not part of `make test`.
"""

import dataclasses
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

CASES = pathlib.Path(__file__).resolve().parents[2] / "src/app/testdata/locks"
SEEDS = {"pip", "setuptools", "wheel", "packaging"}
"""What comes with an environment, whether or not the lock names it."""


@dataclasses.dataclass(frozen=True)
class Case:
    name: str
    tool: tuple[str, ...]
    """The requirements of the tool itself."""
    install: tuple[str, ...]
    pythons: tuple[str, ...]
    tool_python: str = "3.11"


ALL = (
    Case(
        "poetry-1.1",
        ("poetry==1.1.15", "urllib3<2", "setuptools<60"),
        ("poetry", "install", "--no-dev", "--no-root"),
        ("3.8", "3.11"),
        "3.8",
    ),
    Case(
        "poetry-1.8", ("poetry==1.8.5",), ("poetry", "install", "--only", "main", "--no-root"), ("3.10", "3.11", "3.12")
    ),
    Case(
        "poetry-2", ("poetry==2.5.1",), ("poetry", "install", "--only", "main", "--no-root"), ("3.10", "3.11", "3.12")
    ),
    Case("pipenv", ("pipenv==2026.10.3",), ("pipenv", "sync"), ("3.11",)),
)


def uv(*arguments: str) -> str:
    return subprocess.run(["uv", "--quiet", *arguments], check=True, capture_output=True, text=True).stdout


def make_environment(folder: pathlib.Path, python: str) -> pathlib.Path:
    uv("venv", "--seed", "--python", python, str(folder))
    return folder


def installed(environment: pathlib.Path) -> dict[str, str]:
    listed = json.loads(uv("pip", "list", "--format", "json", "--python", str(environment / "bin/python")))
    return {package["name"]: package["version"] for package in listed if package["name"] not in SEEDS}


def install_by_tool(case: Case, tool: pathlib.Path, project: pathlib.Path, environment: pathlib.Path) -> dict[str, str]:
    variables = {
        **os.environ,
        "VIRTUAL_ENV": str(environment),
        "PATH": f"{environment}/bin:{os.environ['PATH']}",
        "PIPENV_VERBOSITY": "-1",
        "POETRY_CACHE_DIR": str(tool / "cache"),
    }
    program, *arguments = case.install
    subprocess.run(
        [str(tool / "bin" / program), *arguments], cwd=project, env=variables, check=True, stdout=subprocess.DEVNULL
    )
    return installed(environment)


def install_converted(case: Case, environment: pathlib.Path) -> dict[str, str]:
    requirements = str(CASES / case.name / "requirements.expected")
    python = str(environment / "bin/python")
    uv("pip", "install", "--no-deps", "--require-hashes", "--python", python, "-r", requirements)
    return installed(environment)


def compare(case: Case, scratch: pathlib.Path) -> bool:
    tool = make_environment(scratch / "tool", case.tool_python)
    uv("pip", "install", "--python", str(tool / "bin/python"), *case.tool)
    same = True
    for python in case.pythons:
        project = scratch / f"project-{python}"
        shutil.copytree(CASES / case.name, project)
        by_tool = install_by_tool(case, tool, project, make_environment(scratch / f"tool-{python}", python))
        by_us = install_converted(case, make_environment(scratch / f"converted-{python}", python))
        different = sorted(set(by_tool.items()) ^ set(by_us.items()))
        verdict = f"DIFFERENT {different}" if different else f"{len(by_us)} packages, the same"
        print(f"{case.name} on Python {python}: {verdict}", flush=True)
        same = same and not different
    return same


def main() -> int:
    chosen = [case for case in ALL if not sys.argv[1:] or case.name in sys.argv[1:]]
    results = []
    for case in chosen:
        with tempfile.TemporaryDirectory(prefix="serai-locks-") as scratch:
            results.append(compare(case, pathlib.Path(scratch)))
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
