"""A real registry for images: Debian's docker-registry (the distribution project's) on a loopback port."""

import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from .host import free_port
from .wait import until

PROGRAM = Path("/usr/bin/docker-registry")
MANIFEST = "application/vnd.oci.image.manifest.v1+json"


@dataclass(frozen=True)
class Registry:
    name: str  # "127.0.0.1:PORT"
    log: Path

    def answers(self) -> bool:
        return "listening on" in self.log.read_text(errors="replace")

    def uploads(self) -> int:
        """How many blobs were uploaded so far: layers and configurations."""
        return len(re.findall(r'"PUT /v2/\S+/blobs/uploads/\S+ HTTP/1.1" 201', self.log.read_text(errors="replace")))

    def digest(self, repository: str, tag: str) -> str:
        """What the registry itself calls the manifest."""
        request = Request(f"http://{self.name}/v2/{repository}/manifests/{tag}", headers={"Accept": MANIFEST})
        with urlopen(request) as answer:
            return str(answer.headers["Docker-Content-Digest"])

    def pull(self, reference: str, layout: Path) -> None:
        """By skopeo, into an OCI layout."""
        source = ["--src-tls-verify=false", f"docker://{self.name}/{reference}"]
        subprocess.run(["skopeo", "copy", "--quiet", *source, f"oci:{layout}:pulled"], check=True)


@contextmanager
def registry(folder: Path, **settings: Any) -> Iterator[Registry]:
    """`settings` are further sections of its configuration."""
    port = free_port()
    folder.mkdir(parents=True)
    config = {
        "version": "0.1",
        "storage": {"filesystem": {"rootdirectory": str(folder / "blobs")}},
        "http": {"addr": f"127.0.0.1:{port}"},
        **settings,
    }
    (folder / "config.yml").write_text(json.dumps(config))  # JSON is YAML
    served = Registry(f"127.0.0.1:{port}", folder / "log")
    with (
        served.log.open("wb") as log,
        subprocess.Popen([PROGRAM, "serve", folder / "config.yml"], stdout=log, stderr=log) as process,
    ):
        try:
            until(served.answers, "the registry answers")
            yield served
        finally:
            process.terminate()
