"""Runs probes, each in a process of its own: facts and names come as JSON, what became of them goes as JSON."""

import json
import os
import select
import signal
import sys
import traceback


def is_open(number):
    try:
        return os.fstat(number)
    except OSError:
        return None


INHERITED = [number for number in range(256) if is_open(number)]

from probes import PROBES, Facts, Stopped  # noqa: E402
from probes.kernel import call  # noqa: E402

SECONDS = 20


def main():
    request = json.load(sys.stdin)
    facts = Facts(request["facts"], inherited=INHERITED)
    json.dump({name: attempt(PROBES[name], facts) for name in request["names"]}, sys.stdout)


def attempt(probe, facts):
    """`gained` with the evidence, `stopped` with the reason, or `failed`: the probe itself is wrong."""
    read_end, write_end = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(read_end)
        os.setsid()
        if facts.apart:
            call("unshare", 0x00020000)  # what a control mounts is not there for the next one
        os.write(write_end, json.dumps(outcome(probe, facts)).encode())
        os._exit(0)
    os.close(write_end)
    ready = select.select([read_end], [], [], SECONDS)[0]
    text = os.read(read_end, 1 << 16) if ready else b""
    os.close(read_end)
    for kill in (os.killpg, os.kill):
        try:
            kill(pid, signal.SIGKILL)
        except OSError:
            pass
    status = os.waitpid(pid, 0)[1]
    if text:
        return json.loads(text)
    if not ready:
        return {"outcome": "stopped", "detail": "nothing happened"}
    return {"outcome": "stopped", "detail": f"killed by signal {os.WTERMSIG(status)}"}


def outcome(probe, facts):
    try:
        evidence = probe.attempt(facts)
    except (OSError, Stopped) as reason:
        return {"outcome": "stopped", "detail": f"{type(reason).__name__}: {reason}"[:300]}
    except BaseException:
        return {"outcome": "failed", "detail": traceback.format_exc()[-2000:]}
    return {"outcome": "gained" if evidence else "stopped", "detail": str(evidence)[:300]}


if __name__ == "__main__":
    main()
