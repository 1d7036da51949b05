"""Was a process killed for want of memory? The kernel counts that per cgroup, v2 and v1."""

from serai import units


class OutOfMemoryCounter:
    """Watches this process's cgroup. `new_kills` says how often the kernel killed in it since last asked."""

    def __init__(self) -> None:
        self._file, self._limit_file = _find_files()
        self._seen = self._read()

    def new_kills(self) -> int:
        """0 also where the counter cannot be read."""
        before, self._seen = self._seen, self._read()
        return max(0, self._seen - before)

    def limit(self) -> str:
        """The cgroup's memory limit in words; empty where there is none or it cannot be read."""
        try:
            with open(self._limit_file, encoding="ascii") as file:
                value = int(file.read())
        except (OSError, ValueError):
            return ""  # "max" in v2
        return units.show_size(value) if value < 1 << 60 else ""

    def _read(self) -> int:
        try:
            with open(self._file, encoding="ascii") as file:
                counts = dict(line.split() for line in file)
            return int(counts.get("oom_kill", 0))
        except (OSError, ValueError):
            return 0


def _find_files() -> tuple[str, str]:
    """Counter and limit of our cgroup; empty where no memory controller is visible."""
    for mount, controller, root in _mounts():
        for group in _groups(controller):
            path = mount + group.removeprefix(root.rstrip("/")).rstrip("/")
            if controller:
                return path + "/memory.oom_control", path + "/memory.limit_in_bytes"
            return path + "/memory.events", path + "/memory.max"
    return "", ""


def _mounts() -> list[tuple[str, str, str]]:
    """Where cgroups are mounted: mount point, "memory" (v1) or "" (v2), the group shown there. v1 goes first."""
    found = []
    try:
        with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as file:
            for line in file:
                fields, _, rest = line.partition(" - ")
                kind, _, options = rest.split(" ", 2)
                root, point = fields.split()[3:5]
                if kind == "cgroup2":
                    found.append((point, "", root))
                elif kind == "cgroup" and "memory" in options.strip().split(","):
                    found.insert(0, (point, "memory", root))
    except (OSError, ValueError):
        return []
    return found


def _groups(controller: str) -> list[str]:
    """Our group in that hierarchy (/proc/PID/cgroup: id:controllers:path)."""
    try:
        with open("/proc/self/cgroup", encoding="utf-8", errors="replace") as file:
            rows = [line.rstrip("\n").split(":", 2) for line in file]
    except OSError:
        return []
    return [path for _, controllers, path in rows if controller in controllers.split(",")]
