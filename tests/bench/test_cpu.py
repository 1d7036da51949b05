"""bench/cpu.py: the time of a whole family is counted, and nothing of it stays behind."""

import sys
import time

import cpu

BURN = "import time\nwhile time.process_time() < {0}: pass\n"
FAMILY = f"import subprocess, sys, time\nsubprocess.run([sys.executable, '-c', {BURN.format(0.2)!r}])\ntime.sleep(60)\n"


def test_the_time_of_a_child_that_has_ended_counts() -> None:
    with cpu.Program([sys.executable, "-c", FAMILY]) as program:
        deadline = time.monotonic() + 20
        while program.microseconds() < 0.2e6 and time.monotonic() < deadline:
            time.sleep(0.02)
        if program.counts_ended:
            assert program.microseconds() >= 0.2e6


def test_nobody_is_left_when_the_block_ends() -> None:
    with cpu.Program([sys.executable, "-c", "import os, time\nos.fork()\ntime.sleep(60)"]) as program:
        deadline = time.monotonic() + 20
        while len(program.pids()) < 2 and time.monotonic() < deadline:
            time.sleep(0.02)
        family = program.pids()
    assert len(family) >= 2
    assert not any(cpu.stat_fields(pid) and cpu.stat_fields(pid)[0] != "Z" for pid in family)


def test_what_a_program_said_is_kept() -> None:
    with cpu.Program([sys.executable, "-c", "raise SystemExit('no such app')"]) as program:
        deadline = time.monotonic() + 20
        while program.is_running and time.monotonic() < deadline:
            time.sleep(0.02)
        assert "no such app" in program.output()
