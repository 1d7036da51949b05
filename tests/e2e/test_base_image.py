"""`[environment] base`: a container on a system of the owner's own, an image in a registry.

The images are made of Serai's own base (test_container.py), without its Python and a library of the engine's.
"""

import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import prepared
from support.host import Host
from support.images import ImageFolder
from support.places import EXAMPLES
from support.registry import Registry, registry

pytestmark = [pytest.mark.root]

NAME = "flask-site"


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with registry(tmp_path_factory.mktemp("shelf") / "registry") as running:
        yield running


@pytest.fixture(scope="module")
def host(shelf: Registry, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """Its owner has said that this registry speaks plain HTTP, as any program that uses images reads it."""
    home = tmp_path_factory.mktemp("home")
    said = home / ".config/containers/registries.conf"
    said.parent.mkdir(parents=True)
    said.write_text(f'[[registry]]\nlocation = "{shelf.name}"\ninsecure = true\n')
    host = Host()
    host.within = ["env", f"HOME={home}"]
    with host:
        for fact in host.do("doctor", "--json").json["facts"]:
            if fact.get("environment") == "container" and not fact["good"]:
                pytest.skip(f"{fact['found']}: {fact['advice']}")
        prepared.give_base(host.root)
        if not list((host.root / "images").glob("keys/_host/base-*.json")):
            refreshed = host.attempt("image", "refresh")
            if refreshed.code != 0:
                pytest.skip(f"Debian's packages cannot be had here: {refreshed.err}")
            prepared.keep_base(host.root)
        yield host


def without_python(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    libraries = "./usr/lib/x86_64-linux-gnu"
    left_out = ("./usr/bin/python3", "./usr/lib/python3", f"{libraries}/libfmt")
    left_out += (
        "./usr/bin/perl",
        f"{libraries}/perl",
        f"{libraries}/gconv",
        "./usr/share/perl",
    )  # for the time it takes
    return None if member.name.startswith(left_out) else member


@pytest.fixture(scope="module")
def system(host: Host) -> Path:
    """Serai's own base, unpacked."""
    layers = [part for part in prepared.parts_of_base(host.root / "images") if part.parts[0] == "layers"]
    return host.root / "images" / layers[0]


@pytest.fixture(scope="module")
def image(system: Path, tmp_path_factory: pytest.TempPathFactory) -> ImageFolder:
    image = ImageFolder(tmp_path_factory.mktemp("image") / "layout")
    image.add_tree(system, without_python)
    image.add_files({"etc/ours": "first", "etc/goes": "", "app/not-the-apps.txt": ""})
    image.add_files({"etc/.wh.goes": ""})
    return image


@pytest.fixture
def site(tmp_path: Path, shelf: Registry) -> Path:
    folder = shutil.copytree(EXAMPLES / NAME, tmp_path / NAME)
    said = f'[environment]\nkind = "container"\nbase = "{shelf.name}/team/system:12"\n'
    (folder / "serai.toml").write_text(said)
    return Path(folder)


def inside(host: Host, code: str) -> str:
    return host.do("run", NAME, "python", "-c", code).out.strip()


def test_an_app_runs_on_the_image_and_gets_the_python_that_it_lacks(
    host: Host, shelf: Registry, image: ImageFolder, site: Path
) -> None:
    image.push(shelf, "team/system:12")
    deployed = host.deploy(site)
    assert f"{shelf.name}/team/system:12" in deployed.out
    assert host.browser(NAME).get("/").status == 200
    facts = (
        "import os, sys; print(open('/etc/ours').read(), os.path.exists('/etc/goes'), sys.version_info[:2] >= (3, 11))"
    )
    assert inside(host, facts) == "first False True"
    assert "not-the-apps.txt" not in inside(host, "import os; print(os.listdir('/app'))")
    names = [layer["name"] for layer in host.do("image", "build", NAME, "--json").json["layers"]]
    assert names == ["base", "engine", "dependencies", "app"]


@pytest.mark.slow
def test_a_release_keeps_what_its_tag_meant(host: Host, shelf: Registry, image: ImageFolder, site: Path) -> None:
    image.push(shelf, "team/system:12")
    host.deploy(site)
    image.add_files({"etc/ours": "second"})
    image.push(shelf, "team/system:12")
    host.do("restart", NAME)
    assert inside(host, "print(open('/etc/ours').read())") == "first"
    host.deploy(site)
    assert inside(host, "print(open('/etc/ours').read())") == "second"
    host.do("rollback", NAME)
    assert inside(host, "print(open('/etc/ours').read())") == "first"


def test_an_image_that_cannot_be_a_base_is_refused_with_the_reason(
    host: Host, shelf: Registry, site: Path, tmp_path: Path
) -> None:
    before = host.apps()
    alpine = ImageFolder(tmp_path / "alpine")
    alpine.add_files({"lib/ld-musl-x86_64.so.1": "", "etc/os-release": "ID=alpine\n"})
    foreign = ImageFolder(tmp_path / "foreign", architecture="s390x")
    foreign.add_files({"etc/ours": ""})
    upwards = ImageFolder(tmp_path / "upwards")
    upwards.add_files({"../../escaped": ""})
    for image, why in ((alpine, "musl"), (foreign, "linux/s390x"), (upwards, "leads upwards")):
        image.push(shelf, "team/system:12")
        refused = host.try_deploy(site, name="refused")
        assert refused.code == 1 and why in refused.text, refused
    assert not list(host.root.rglob("escaped"))
    assert not list((host.root / "images/scratch").iterdir())
    assert host.apps() - before <= {"refused"}


def test_a_registry_that_does_not_answer_is_named(host: Host, site: Path) -> None:
    (site / "serai.toml").write_text('[environment]\nkind = "container"\nbase = "127.0.0.1:1/team/system:12"\n')
    refused = host.try_deploy(site, name="refused")
    assert refused.code == 1
    assert "look up the image 127.0.0.1:1/team/system:12" in refused.text
    assert "connection refused" in refused.text and "is the registry running" in refused.text
    (site / "serai.toml").write_text('[environment]\nbase = "system:12"\n')
    unnamed = host.try_deploy(site, name="refused")
    assert "must be REGISTRY/NAME:TAG" in unnamed.text


def test_in_the_shared_environment_it_is_said_that_it_is_not_used(host: Host, site: Path) -> None:
    deployed = host.deploy(site, "--environment", "shared")
    assert "base: not used in the shared environment" in deployed.text


def test_nothing_is_left_of_it(host: Host) -> None:
    for name in host.apps():
        host.destroy(name)
    assert not list((host.root / "images").glob(f"keys/{NAME}*"))
