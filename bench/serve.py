"""CPU time per request of `serai serve` beside uvicorn, gunicorn and granian: one worker each, on one CPU.

    scripts/bench serve [--rounds N] [--seconds N] [--only WORKLOAD …]

Each is set up as its documentation advises for speed, without access logs: uvicorn with uvloop and httptools, gunicorn
with gthread and 8 threads on kept-alive connections, granian with uvloop. Serai runs WSGI on 8 threads too.
"""

import argparse
import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import common

OURS = "serai"
PYTHON = common.PEERS / "python"
ENGINE = common.RELEASE / "lib" / "serai" / "engine" / "cpython-311"

Command = list[str | Path]


def serai(workload: common.Workload, port: int) -> Command:
    threads = ["--threads", "8"] if workload.interface == "wsgi" else []
    return [PYTHON, "-m", "serai", "app:app", "--bind", f"127.0.0.1:{port}", "--access-log", "off", *threads]


def uvicorn(workload: common.Workload, port: int) -> Command:
    quiet = ["--no-access-log", "--log-level", "warning"]
    return [common.PEERS / "uvicorn", "app:app", "--port", str(port), "--loop", "uvloop", "--http", "httptools", *quiet]


def gunicorn(workload: common.Workload, port: int) -> Command:
    threads = ["--worker-class", "gthread", "--threads", "8", "--keep-alive", "60", "--no-control-socket"]
    return [common.PEERS / "gunicorn", "app:app", "--bind", f"127.0.0.1:{port}", *threads, "--log-level", "warning"]


def granian(workload: common.Workload, port: int) -> Command:
    loop = ["--loop", "uvloop"] if workload.interface == "asgi" else []
    return [
        *(common.PEERS / "granian", "app:app", "--port", str(port), "--interface", workload.interface, *loop),
        *("--no-access-log", "--no-ws", "--log-level", "warning"),
    ]


CONTENDERS: dict[str, dict[str, Callable[[common.Workload, int], Command]]] = {
    "asgi": {OURS: serai, "uvicorn": uvicorn, "granian": granian},
    "wsgi": {OURS: serai, "gunicorn (gthread)": gunicorn, "granian": granian},
}


@contextlib.contextmanager
def serving(name: str, command: Command, workload: common.Workload, port: int) -> Iterator[common.Contender]:
    env = {"PYTHONPATH": str(ENGINE)} if name == OURS else None
    with common.Program(*command, cwd=workload.folder, env=env) as program:
        yield common.Contender(name, port, program.process_ids)


def run(workload: common.Workload, rounds: int, seconds: int) -> None:
    with contextlib.ExitStack() as stack:
        contenders = []
        for name, make in CONTENDERS[workload.interface].items():
            port = common.free_port()
            contenders.append(stack.enter_context(serving(name, make(workload, port), workload, port)))
        common.interleave(contenders, workload, rounds, seconds)
        common.print_table(workload, contenders, OURS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3, help="of load per round")
    parser.add_argument("--only", nargs="+", choices=[workload.name for workload in common.WORKLOADS])
    given = parser.parse_args()
    common.print_machine()
    for workload in common.WORKLOADS:
        if not given.only or workload.name in given.only:
            run(workload, given.rounds, given.seconds)


if __name__ == "__main__":
    main()
