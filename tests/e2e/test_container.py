"""An app in a container: deployed from an image of its own, used through the edge, moved, exported, destroyed.

The base of all images takes about a minute to make and needs Debian's package sources: it is kept per machine, for as
long as it is made in the same way.
"""

import contextlib
import json
import shutil
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from support import prepared
from support.host import Host, free_port
from support.places import EXAMPLES
from support.registry import Registry, registry
from support.wait import until
from support.web import Browser

pytestmark = [pytest.mark.root]

NAME = "flask-site"


def blob(layout: Path, digest: str) -> Path:
    return layout / "blobs/sha256" / digest.removeprefix("sha256:")


def manifest(layout: Path, digest: str = "") -> dict[str, Any]:
    """Of the image of that digest, or of the one that a layout has."""
    index = json.loads((layout / "index.json").read_text())
    return dict(json.loads(blob(layout, digest or index["manifests"][0]["digest"]).read_text()))


def configuration(layout: Path, digest: str = "") -> dict[str, Any]:
    return dict(json.loads(blob(layout, manifest(layout, digest)["config"]["digest"]).read_text()))


def unpack(layout: Path, rootfs: Path) -> dict[str, Any]:
    """Makes a root file system of the one image of a layout, as any runtime's caller would; gives its configuration."""
    rootfs.mkdir(parents=True)
    for layer in manifest(layout)["layers"]:
        subprocess.run(["tar", "-xzf", blob(layout, layer["digest"]), "-C", rootfs], check=True)
    return dict(configuration(layout)["config"])


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
    prepared.give_base(host.root)
    outcome = host.try_deploy(EXAMPLES / NAME, "--environment", "container")
    if outcome.code != 0 and "install the base's packages" in str(outcome):
        pytest.skip(f"Debian's packages cannot be had here: {outcome.err}")
    assert outcome.code == 0, f"{outcome}\n{host.tail()}"
    prepared.keep_base(host.root)
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


def test_a_file_that_the_new_release_has_no_more_is_gone_for_it(host: Host, tmp_path: Path) -> None:
    folder = tmp_path / NAME
    shutil.copytree(EXAMPLES / NAME, folder)
    (folder / "once.txt").write_text("of one release")
    host.deploy(folder)
    assert inside(host, "print(open('once.txt').read())") == "of one release\n"
    (folder / "once.txt").unlink()
    host.deploy(folder)
    assert inside(host, "import os; print(os.path.exists('once.txt'))") == "False\n"


def test_a_look_at_a_folder_makes_no_image(host: Host, tmp_path: Path) -> None:
    folder = tmp_path / "looked-at"
    shutil.copytree(EXAMPLES / NAME, folder)
    (folder / "serai.toml").write_text('[environment]\nkind = "container"\n')
    layers = host.root / "images" / "layers"
    before = set(layers.iterdir())
    looked = host.do("detect", str(folder), "--yes")
    assert "image" not in looked.out
    assert set(layers.iterdir()) == before


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


def test_an_archive_for_docker_holds_the_same_image(host: Host, tmp_path: Path) -> None:
    built = host.do("image", "build", NAME, "--json").json
    host.do("image", "export", NAME, str(tmp_path / "site"), "--format", "docker-archive")
    source = ["--insecure-policy", "copy", "--quiet", f"docker-archive:{tmp_path / 'site'}:{built['image']}"]
    subprocess.run(["skopeo", *source, f"oci:{tmp_path / 'layout'}:one"], check=True)
    configs = [configuration(host.root / "images/oci", built["digest"]), configuration(tmp_path / "layout")]
    assert configs[0]["config"] == configs[1]["config"]
    assert configs[0]["rootfs"] == configs[1]["rootfs"]


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with registry(tmp_path_factory.mktemp("shelf") / "registry") as running:
        yield running


def push(host: Host, shelf: Registry, tag: str) -> dict[str, Any]:
    pushed = host.do("image", "push", NAME, f"{shelf.name}/team/site:{tag}", "--insecure", "--json")
    return dict(pushed.json)


def test_a_push_after_a_change_of_the_code_uploads_the_last_layer_only(
    host: Host, shelf: Registry, tmp_path: Path
) -> None:
    first = push(host, shelf, "first")
    assert shelf.digest("team/site", "first") == first["digest"]
    assert shelf.uploads() == len(first["layers"]) + 1  # and the configuration
    push(host, shelf, "again")
    assert shelf.uploads() == len(first["layers"]) + 1
    folder = shutil.copytree(EXAMPLES / NAME, tmp_path / NAME)
    (folder / "new.py").write_text("of one release")
    host.deploy(folder)
    second = push(host, shelf, "second")
    assert shelf.uploads() == len(first["layers"]) + 3
    assert [layer["digest"] for layer in first["layers"][:-1]] == [layer["digest"] for layer in second["layers"][:-1]]


def test_a_registry_that_speaks_plain_http_is_used_when_asked_only(host: Host, shelf: Registry) -> None:
    refused = host.attempt("image", "push", NAME, f"{shelf.name}/team/site:second")
    tried, found, advice = refused.err.splitlines()
    assert refused.code == 1
    assert tried.startswith(f"serai: push {NAME}:r") and tried.endswith(f"to {shelf.name}/team/site:second")
    assert "HTTP response to HTTPS client" in found and "--insecure" in advice
    unnamed = host.attempt("image", "push", NAME, "site:second")
    assert unnamed.code == 2 and "does not begin with the name of a registry" in unnamed.err


def test_a_registry_that_asks_for_credentials_gets_those_of_the_authfile(host: Host, tmp_path: Path) -> None:
    # htpasswd(5) with bcrypt, the only form that the registry takes: "ada", "in the attic".
    hashed = "ada:$2y$05$serai.tests.of.imagesOX5/bOd6oZliai9wOEfZ.Vq4uuP93Og."
    (tmp_path / "htpasswd").write_text(hashed + "\n")
    users = {"auth": {"htpasswd": {"realm": "shelf", "path": str(tmp_path / "htpasswd")}}}
    with registry(tmp_path / "registry", **users) as closed:
        to = [f"{closed.name}/site:1", "--plain-http"]
        refused = host.attempt("image", "push", NAME, *to)
        assert refused.code == 1 and f"skopeo login {closed.name}" in refused.err
        login = ["skopeo", "login", "--tls-verify=false", "--authfile", tmp_path / "auth.json", "--username", "ada"]
        subprocess.run([*login, "--password-stdin", closed.name], input=b"in the attic", check=True)
        pushed = host.do("image", "push", NAME, *to, "--authfile", str(tmp_path / "auth.json"))
        assert f"is {closed.name}/site:1  sha256:" in pushed.out
        assert closed.uploads() == len(host.do("image", "build", NAME, "--json").json["layers"]) + 1


def test_the_pulled_image_serves_where_serai_does_not_run(host: Host, shelf: Registry, tmp_path: Path) -> None:
    pushed = push(host, shelf, "to-run")
    shelf.pull("team/site:to-run", tmp_path / "image")
    index = json.loads((tmp_path / "image/index.json").read_text())
    assert index["manifests"][0]["digest"] == pushed["digest"]
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


@pytest.mark.slow
def test_two_roots_that_share_nothing_make_the_same_image() -> None:
    built = []
    for _ in range(2):
        with Host() as fresh:  # it makes a base of its own
            fresh.deploy(EXAMPLES / NAME, "--environment", "container")
            built.append(fresh.do("image", "build", NAME, "--json").json)
            fresh.destroy(NAME)
    assert built[0]["layers"] == built[1]["layers"]
    assert built[0]["digest"] == built[1]["digest"]


@pytest.mark.slow
@pytest.mark.parametrize("end", [Host.kill_daemon, Host.stop_daemon])
def test_a_daemon_that_ends_while_it_makes_a_base_leaves_the_host_as_it_was(
    host: Host, end: Callable[[Host], None]
) -> None:
    ours = Path("/dev/shm") / f"serai-test-{free_port()}"
    ours.write_text("the host's")
    scratch = host.root / "images" / "scratch"
    with ThreadPoolExecutor() as threads:
        refresh = threads.submit(host.attempt, "image", "refresh")
        until(lambda: any(scratch.glob("*/source/usr/bin/dpkg")), "packages are unpacked", seconds=200)
        end(host)
        assert refresh.result().code == 1
    host.start()
    assert not list(scratch.iterdir())
    assert str(scratch) not in Path("/proc/self/mountinfo").read_text()
    assert ours.read_text() == "the host's"
    ours.unlink()
    assert host.status(NAME)["state"] == "running"


def test_nothing_is_left_of_it(host: Host) -> None:
    images = host.root / "images"
    assert list(images.glob(f"keys/{NAME}/*.json"))
    host.destroy(NAME)
    assert not list(images.glob(f"keys/{NAME}*"))
    kept = {json.loads(key.read_text())["diff_id"][:32] for key in images.glob("keys/*/*.json")}
    assert {path.name for path in (images / "layers").iterdir()} == kept
    assert json.loads((images / "oci/index.json").read_text())["manifests"] == []
    assert not list(Path("/sys/fs/cgroup").glob(f"*/{host.identity.name}/{NAME}*"))
