"""Images as others make them: written by hand, one layer a call, and put into a registry by skopeo."""

import gzip
import hashlib
import io
import json
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .registry import Registry

Filter = Callable[[tarfile.TarInfo], tarfile.TarInfo | None]


class ImageFolder:
    """An OCI layout with one image, whose layers are added from the lowest up."""

    def __init__(self, folder: Path, *, architecture: str = "amd64") -> None:
        self.folder = folder
        self.architecture = architecture
        self.layers: list[dict[str, Any]] = []
        self.diff_ids: list[str] = []
        (folder / "blobs/sha256").mkdir(parents=True)

    def _blob(self, content: bytes, kind: str) -> dict[str, Any]:
        digest = hashlib.sha256(content).hexdigest()
        (self.folder / "blobs/sha256" / digest).write_bytes(content)
        return {"mediaType": kind, "digest": f"sha256:{digest}", "size": len(content)}

    def _add(self, tar: bytes) -> None:
        self.diff_ids.append("sha256:" + hashlib.sha256(tar).hexdigest())
        packed = gzip.compress(tar, compresslevel=1, mtime=0)
        self.layers.append(self._blob(packed, "application/vnd.oci.image.layer.v1.tar+gzip"))

    def add_tree(self, tree: Path, keep: Filter = lambda member: member) -> None:
        """All that is in a folder, but for what the filter leaves out."""
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as tar:
            tar.add(tree, arcname=".", filter=keep)
        self._add(packed.getvalue())

    def add_files(self, files: dict[str, str]) -> None:
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as tar:
            for path, text in files.items():
                member = tarfile.TarInfo(path)
                member.size = len(text.encode())
                tar.addfile(member, io.BytesIO(text.encode()))
        self._add(packed.getvalue())

    def push(self, registry: Registry, reference: str) -> None:
        config = {
            "os": "linux",
            "architecture": self.architecture,
            "config": {},
            "rootfs": {"type": "layers", "diff_ids": self.diff_ids},
        }
        manifest = {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": self._blob(json.dumps(config).encode(), "application/vnd.oci.image.config.v1+json"),
            "layers": self.layers,
        }
        descriptor = self._blob(json.dumps(manifest).encode(), str(manifest["mediaType"]))
        descriptor["annotations"] = {"org.opencontainers.image.ref.name": "made"}
        (self.folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
        (self.folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [descriptor]}))
        target = ["--dest-tls-verify=false", f"oci:{self.folder}:made", f"docker://{registry.name}/{reference}"]
        subprocess.run(["skopeo", "--insecure-policy", "copy", "--quiet", *target], check=True)
