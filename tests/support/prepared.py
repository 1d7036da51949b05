"""What takes long to make is kept per machine, for as long as it is made in the same way: the base of all images, the
kernel of virtual machines and the base's disk."""

import json
import shutil
from pathlib import Path

BASE = Path("/var/tmp/serai-tests-container-base")
MACHINES = Path("/var/tmp/serai-tests-vm")


def parts_of_base(images: Path) -> list[Path]:
    """The files and folders of a root's images that are the base's."""
    found = []
    for key in images.glob("keys/_host/base-*.json"):
        layer = json.loads(key.read_text())
        found += [key, images / "oci/blobs/sha256" / layer["digest"], images / "layers" / layer["diff_id"][:32]]
    return sorted(path.relative_to(images) for path in found)


def copy_parts(source: Path, target: Path, parts: list[Path]) -> None:
    for part in parts:
        (target / part).parent.mkdir(parents=True, exist_ok=True)
        if (source / part).is_dir():
            shutil.copytree(source / part, target / part, symlinks=True, dirs_exist_ok=True)
        elif (source / part).exists():
            shutil.copy2(source / part, target / part)


def give_base(root: Path) -> None:
    copy_parts(BASE, root / "images", parts_of_base(BASE))


def keep_base(root: Path) -> None:
    images = root / "images"
    if parts_of_base(images) != parts_of_base(BASE):
        shutil.rmtree(BASE, ignore_errors=True)
        copy_parts(images, BASE, parts_of_base(images))


def parts_of_machines(images: Path) -> list[Path]:
    disks = [Path("disks") / f"{part.name}.squashfs" for part in parts_of_base(images) if part.parts[0] == "layers"]
    return [Path("kernels"), Path("accelerator.json"), *disks]


def give_machines(root: Path) -> None:
    copy_parts(MACHINES, root / "vm", [part for part in parts_of_machines(BASE) if (MACHINES / part).exists()])


def keep_machines(root: Path) -> None:
    copy_parts(root / "vm", MACHINES, parts_of_machines(root / "images"))
