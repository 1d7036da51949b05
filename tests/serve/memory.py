"""The memory of processes."""

from pathlib import Path


def proportional_kib(*pids: int) -> int:
    """Of all of them together: pages that processes share count in parts (PSS)."""
    total = 0
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            total += int(line.split()[1]) if line.startswith("Pss:") else 0
    return total
