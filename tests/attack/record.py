"""What is known to succeed, by kind of environment. A probe that is stopped from now on has to come off the list."""

OPEN: dict[str, frozenset[str]] = {
    "shared": frozenset(
        {
            # one disk for all
            "fills the disk with data",
            "fills the disk through tmp",
            "makes files without end",
            # what /proc tells
            "learns the hosts paths",
            "learns the hosts memory",
        }
    )
}

# How a reader calls the walls; the layers of tests/tools/confine.cc among them.
WALLS = {
    "view": "root of its own",
    "pid": "pid namespace",
    "cgroup": "cgroup namespace",
    "net": "network namespace",
    "victims_net": "network namespace",
    "group": "control group",
    "limits": "limits per process",
    "privileges": "own user without rights",
    "no_new_privs": "no new privileges",
    "scope": "Landlock (Linux 6.12)",
    "filter": "system call filter",
    "firewall": "firewall",
    "close on exec": "close on exec",
}
