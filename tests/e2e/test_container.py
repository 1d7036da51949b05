"""An app in a container: deployed from an image of its own, used through the edge, moved, exported, destroyed.

The base of all images takes about a minute to make and needs Debian's package sources: it is kept per machine, for as
long as it is made in the same way.
"""

import contextlib
import json
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.host import Host, free_port
from support.places import EXAMPLES
from support.wait import until
from support.web import Browser

pytestmark = [pytest.mark.root]

NAME = "flask-site"
KEPT = Path("/var/tmp/serai-tests-container-base")


def parts_of_base(images: Path) -> list[Path]:
    """The files and folders of a root's images that are the base's."""
    found = []
    for key in images.glob("keys/_host/base-*.json"):
        layer = json.loads(key.read_text())
        found += [key, images / "oci/blobs/sha256" / layer["digest"], images / "layers" / layer["diff_id"][:32]]
    return sorted(path.relative_to(images) for path in found)


def copy_base(source: Path, target: Path) -> None:
    for part in parts_of_base(source):
        (target / part).parent.mkdir(parents=True, exist_ok=True)
        if (source / part).is_dir():
            shutil.copytree(source / part, target / part, symlinks=True)
        else:
            shutil.copy2(source / part, target / part)


def unpack(layout: Path, rootfs: Path) -> dict[str, Any]:
    """Makes a root file system of the one image of a layout, as any runtime's caller would; gives its configuration."""

    def blob(descriptor: dict[str, Any]) -> Path:
        return layout / "blobs/sha256" / str(descriptor["digest"]).removeprefix("sha256:")

    index = json.loads((layout / "index.json").read_text())
    manifest = json.loads(blob(index["manifests"][0]).read_text())
    rootfs.mkdir(parents=True)
    for layer in manifest["layers"]:
        subprocess.run(["tar", "-xzf", blob(layer), "-C", rootfs], check=True)
    return dict(json.loads(blob(manifest["config"]).read_text())["config"])


def write_bundle(bundle: Path, config: dict[str, Any], port: int) -> None:
    """runc's own example of a configuration, with what the image says and the host's network."""
    subprocess.run(["runc", "spec", "--bundle", bundle], check=True)
    spec = json.loads((bundle / "config.json").read_text())
    uid, gid = map(int, config["User"].split(":"))
    spec["process"] |= {
        "terminal": False,
        "args": [word.replace(":8000", f":{port}") for word in config["Entrypoint"]],
        "env": [*config["Env"], "SECRET_KEY=of-the-test"],
        "cwd": config["WorkingDir"],
        "user": {"uid": uid, "gid": gid},
    }
    spec["root"]["readonly"] = False
    spec["linux"]["namespaces"] = [one for one in spec["linux"]["namespaces"] if one["type"] != "network"]
    (bundle / "config.json").write_text(json.dumps(spec))


def answers(port: int) -> bool:
    with contextlib.suppress(OSError):
        return Browser(port, "127.0.0.1").get("/").status == 200
    return False


@pytest.fixture(scope="module", autouse=True)
def deployed(host: Host) -> Iterator[str]:
    for fact in host.do("doctor", "--json").json["facts"]:
        if fact.get("environment") == "container" and not fact["good"]:
            pytest.skip(f"{fact['found']}: {fact['advice']}")
    images = host.root / "images"
    copy_base(KEPT, images)
    outcome = host.try_deploy(EXAMPLES / NAME, "--environment", "container")
    if outcome.code != 0 and "install the base's packages" in str(outcome):
        pytest.skip(f"Debian's packages cannot be had here: {outcome.err}")
    assert outcome.code == 0, f"{outcome}\n{host.tail()}"
    if parts_of_base(images) != parts_of_base(KEPT):
        shutil.rmtree(KEPT, ignore_errors=True)
        copy_base(images, KEPT)
    yield outcome.out
    if NAME in host.apps():
        host.destroy(NAME)


@pytest.fixture
def visitor(host: Host) -> Browser:
    return host.browser(NAME)


def sign(browser: Browser, message: str) -> None:
    token = browser.get("/sign").hidden("csrf_token")
    browser.post("/sign", {"csrf_token": token, "name": "Grace", "message": message})


def inside(host: Host, code: str) -> str:
    return host.do("run", NAME, "python", "-c", code).out


def test_visitors_see_no_difference(deployed: str, host: Host, visitor: Browser) -> None:
    assert "image" in deployed and "layers" in deployed
    assert host.status(NAME)["environment"] == "container"
    sign(visitor, "Hello <b>there</b>")
    assert "Hello &lt;b&gt;there&lt;/b&gt;" in visitor.get("/").text
    assert visitor.get("/static/style.css").status == 200


def test_the_system_is_its_own(host: Host) -> None:
    packages = inside(host, "print(open('/var/lib/dpkg/status').read().count('Package: '))")
    assert 0 < int(packages) < 200
    assert inside(host, "import os; print(os.path.exists('/usr/bin/gcc'), os.getuid() > 1000)") == "False True\n"
    assert inside(host, "import ssl; print(len(ssl.create_default_context().get_ca_certs()) > 50)") == "True\n"
    status = inside(host, "print(open('/proc/self/status').read())")
    assert "CapBnd:\t0000000000000000" in status and "Seccomp:\t2" in status and "NoNewPrivs:\t1" in status


def test_data_is_kept_over_a_deploy_and_only_the_app_is_new(host: Host, visitor: Browser) -> None:
    sign(visitor, "I was here before")
    again = host.deploy(EXAMPLES / NAME)
    assert "layers, cached" in again.out
    assert "I was here before" in visitor.get("/").text


def test_data_goes_along_to_another_kind_and_back(host: Host, visitor: Browser) -> None:
    sign(visitor, "I travel")
    for kind in ("shared", "container"):
        host.do("move", NAME, "--to", kind)
        assert host.status(NAME)["environment"] == kind
        assert "I travel" in visitor.get("/").text


def test_an_instance_survives_the_daemon(host: Host, visitor: Browser) -> None:
    instance = host.status(NAME)["instance"]
    host.kill_daemon()
    assert visitor.get("/").status == 200
    host.start()
    status = host.status(NAME)
    assert (status["instance"], status["state"]) == (instance, "running")


def test_the_image_is_the_same_each_time_and_goes_into_one_file(host: Host, tmp_path: Path) -> None:
    built = host.do("image", "build", NAME, "--json").json
    assert [layer["name"] for layer in built["layers"]] == ["base", "engine", "dependencies", "app"]
    archives = [tmp_path / "one.tar", tmp_path / "two.tar"]
    for archive in archives:
        host.do("image", "export", NAME, str(archive))
    assert archives[0].read_bytes() == archives[1].read_bytes()
    with tarfile.open(archives[0]) as archive:
        names = archive.getnames()
        index = json.load(archive.extractfile("index.json"))  # type: ignore[arg-type]
    assert index["manifests"][0]["digest"] == built["digest"]
    assert f"blobs/sha256/{built['layers'][-1]['digest'].removeprefix('sha256:')}" in names
    refused = host.attempt("image", "export", NAME, str(archives[0]))
    assert refused.code == 1 and "there already" in refused.err


def test_the_exported_image_serves_where_serai_does_not_run(host: Host, tmp_path: Path) -> None:
    host.do("image", "export", NAME, str(tmp_path / "image"))
    rootfs = tmp_path / "bundle" / "rootfs"
    config = unpack(tmp_path / "image", rootfs)
    (rootfs / "app" / "instance").mkdir(mode=0o777, exist_ok=True)
    (rootfs / "app" / "instance").chmod(0o777)  # a volume for what the app writes
    port = free_port()
    write_bundle(rootfs.parent, config, port)
    runtime = ["runc", "--root", str(tmp_path / "state")]
    name = f"serai-test-{port}"
    with subprocess.Popen([*runtime, "run", "--bundle", rootfs.parent, name], stdin=subprocess.DEVNULL) as container:
        try:
            until(lambda: answers(port), "the exported image answers")
        finally:
            subprocess.run([*runtime, "kill", name, "TERM"], check=False)
            container.wait(timeout=30)


def test_nothing_is_left_of_it(host: Host) -> None:
    images = host.root / "images"
    assert list(images.glob(f"keys/{NAME}/*.json"))
    host.destroy(NAME)
    assert not list(images.glob(f"keys/{NAME}*"))
    kept = {json.loads(key.read_text())["diff_id"][:32] for key in images.glob("keys/*/*.json")}
    assert {path.name for path in (images / "layers").iterdir()} == kept
    assert json.loads((images / "oci/index.json").read_text())["manifests"] == []
    assert not list(Path("/sys/fs/cgroup").glob(f"*/{host.identity.name}/{NAME}*"))
