"""Names on the command line, durations, sizes and environment files."""

import sys
from pathlib import Path

import pytest

from tests.serve.conftest import Folder

MODULE = """
    class Site:
        api = "the api"
    site = Site()
    def create(name="plain", *, debug=False):
        return f"{name} {debug}"
    application = "found by convention"
"""


@pytest.fixture
def module(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> str:
    folder.write("loadable.py", MODULE)
    monkeypatch.syspath_prepend(str(folder.path))
    sys.modules.pop("loadable", None)
    return "loadable"


@pytest.mark.parametrize(
    ("name", "factory", "expected"),
    [
        ("loadable", False, "found by convention"),
        ("loadable:site.api", False, "the api"),
        ("loadable:create()", False, "plain False"),
        ("loadable:create", True, "plain False"),
        ("loadable:create('shop', debug=True)", False, "shop True"),
    ],
)
def test_names_lead_to_objects(module: str, name: str, factory: bool, expected: str) -> None:
    from serai import loading

    assert loading.load(loading.Target.parse(name, factory=factory)) == expected


def test_a_misspelt_attribute_gets_the_nearest_one(module: str) -> None:
    from serai import loading

    with pytest.raises(loading.LoadError) as raised:
        loading.load(loading.Target.parse("loadable:aplication", factory=False))
    assert "application" in raised.value.fix


@pytest.mark.parametrize("name", ["a b:c", ":app", "a:b[0]", "a:b(x)", "a:b()()", "a:1"])
def test_other_names_are_wrong_use(name: str) -> None:
    from serai import failure, loading

    with pytest.raises(failure.Failure) as raised:
        loading.Target.parse(name, factory=False)
    assert raised.value.exit_code == failure.WRONG_USE


def test_durations_and_sizes() -> None:
    from serai import units

    assert [units.seconds(t) for t in ("30", "500ms", "2m", "1.5s", "1h")] == [30, 0.5, 120, 1.5, 3600]
    assert [units.size(t) for t in ("10", "64KiB", "1M", "1MB", "2GiB")] == [10, 65536, 1048576, 1000000, 2147483648]
    for text in ("", "x", "-1", "1 parsec", "nan", "inf"):
        with pytest.raises(ValueError):
            units.seconds(text)


def test_environment_files(tmp_path: Path) -> None:
    from serai import application, failure

    file = tmp_path / "env"
    file.write_text("# comment\n\nA=1\nexport B = 'two words'\nC=\nD=a=b\n")
    assert application.read_env_file(str(file)) == {"A": "1", "B": "two words", "C": "", "D": "a=b"}
    file.write_text("A=1\nnot an assignment\n")
    with pytest.raises(failure.Failure, match="line 2"):
        application.read_env_file(str(file))
