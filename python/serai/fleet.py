"""The workers of a server: how many there are, which code they run, and what happens when one of them ends.

                    spawn                  ready, and healthy              told to end
    (ordered) ────────────► starting ───────────────────────► serving ───────────────────► retiring ──► reaped
                               │ failed: the first start fails,         │ crashed or hung: replaced,
                               ▼ a roll-out is taken back               ▼ after a pause if that goes on

New code comes as a *candidate* generation: its workers replace those of the current one, one by one, each retired only
when its successor serves. Until the last one is replaced the current zygote stays, so that all can be taken back.
A zygote that died is replaced in the same way; its workers serve on meanwhile, under the master's own care.
"""

import dataclasses
import os
import signal
import time
from collections.abc import Callable

from serai import causes, log, metrics, processes
from serai.accesslog import AccessLog
from serai.backoff import Backoff
from serai.certificates import Certificates
from serai.channel import Message
from serai.failure import FAILED
from serai.generation import Generation
from serai.loop import Loop, Timer
from serai.memory import OutOfMemoryCounter
from serai.probe import HealthCheck
from serai.recycling import Recycling
from serai.reporter import Reporter, unexplained
from serai.settings import MAX_WORKERS, Settings
from serai.worker import CERTIFICATES, LISTEN, RETIRE, TELL_AND_DIE
from serai.worker_process import WorkerProcess
from serai.zygote import Import, Inheritance

_RECYCLING_INTERVAL = 1.0
"""Seconds between two looks at the workers' requests, age and memory."""
_LEAST_PAUSE = 0.1
"""Seconds to the next try where there are no descriptors to make a worker with."""


@dataclasses.dataclass
class Surroundings:
    """What the fleet is given by the master."""

    loop: Loop
    settings: Settings
    sockets: list[int]
    access_log: AccessLog
    certificates: Certificates | None
    report: Callable[[Message], None]
    """Tells the supervisor, where there is one."""
    forget: Callable[[], None]
    """In a forked child: closes the master's own descriptors."""


class Fleet:
    """Owns the generations. Everything happens in callbacks of the loop."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._loop = around.loop
        self._settings = around.settings
        self._tell = Reporter(around.report, around.settings.app)
        self._memory = OutOfMemoryCounter()
        self._generations: list[Generation] = []
        self._current: Generation | None = None
        self._candidate: Generation | None = None
        self._wanted = around.settings.workers
        self._started = False
        """Once all workers of the first start serve; before that a failure ends the server."""
        self._ending = False
        self._exit_code = 0
        self._generation_count = 0
        self._worker_count = 0
        self._totals = metrics.Totals()
        self._worker_backoff = Backoff()
        self._zygote_backoff = Backoff()
        self._leaving: WorkerProcess | None = None
        """Serves until its successor does."""
        self._pause: Timer | None = None
        """While a worker or zygote that keeps failing has to wait."""

    # What the master asks for.

    def start(self) -> None:
        """Begins to serve; reports `ready` or `failed`."""
        self._current = self._new_generation(self._first_import(), [])
        if self._settings.worker_timeout > 0:
            self._watch_for_hung_workers()
        s = self._settings
        if s.max_requests or s.max_worker_age or s.max_worker_memory or s.request_timeout:
            self._watch_for_workers_to_recycle()

    def reload(self) -> None:
        """Replaces all workers by new ones with the code that is on disk now."""
        if self._ending or not self._started:
            return
        if self._candidate:
            self._take_back("another reload was asked for")
        self._cancel_pause()
        self._worker_backoff = Backoff()  # what failed was the old code
        log.info("serve.reloading", "importing the new code; the old workers serve meanwhile")
        self._begin_candidate()

    def scale(self, workers: int) -> None:
        """From now on so many."""
        self._wanted = min(MAX_WORKERS, max(1, workers))
        log.info("serve.scaled", f"{self._wanted} worker{'s' if self._wanted > 1 else ''} wanted", workers=self._wanted)
        self._advance()

    def scale_by(self, difference: int) -> None:
        """One more or one less."""
        self.scale(self._wanted + difference)

    def reopen_logs(self) -> None:
        """The access log's file was renamed."""
        for generation in self._generations:
            if generation.usable:
                generation.channel.send({"type": "reopen"})
            for worker in generation.workers.values():
                worker.signal(signal.SIGUSR1)

    def renew_certificates(self) -> None:
        """There are new ones for those that serve, too."""
        for worker in [w for g in self._generations for w in g.workers.values()]:
            if self._around.certificates:
                self._around.certificates.give(worker.status)
                worker.signal(CERTIFICATES)

    def drain(self, signum: int, timeout: float) -> None:
        """Lets running requests end, for `timeout` seconds at most; the loop stops when all is over."""
        self._ending = True
        self._cancel_pause()
        for generation in list(self._generations):
            for worker in list(generation.workers.values()):
                worker.retire(self._loop, signum, timeout)
        self._tidy()

    def kill(self) -> None:
        """Ends everything at once."""
        self._ending = True
        self._cancel_pause()
        for generation in self._generations:
            for worker in generation.workers.values():
                worker.kill()
        self._tidy()

    def metrics(self) -> str:
        """In Prometheus' words: all workers together, with those that have ended."""
        workers = [worker for generation in self._generations for worker in generation.workers.values()]
        serving = sum(worker.state == "serving" for worker in workers)
        resident = sum(worker.resident_memory() for worker in workers if worker.pid)
        return metrics.exposition(
            self._totals.with_living(worker.numbers() for worker in workers),
            gauges={
                "workers": ("Workers that serve.", serving),
                "workers_wanted": ("Workers that should serve.", self._wanted),
                "workers_memory_bytes": ("Resident memory of all workers, shared pages each time.", resident),
            },
            counters={
                "workers_started": ("Workers started.", self._totals.workers_started),
                "workers_lost": ("Workers that ended though nobody had asked them to.", self._totals.workers_lost),
            },
        )

    def forget(self) -> None:
        """In a forked child: closes what belongs to the master."""
        for generation in self._generations:
            generation.forget()

    def reap(self) -> None:
        """After SIGCHLD. A zygote goes first, since its last messages tell of its workers."""
        ended = processes.reap_all()
        for generation in list(self._generations):
            if generation.alive and generation.pid in ended:
                self._on_zygote_gone(generation, processes.describe_exit(ended[generation.pid]))
        for generation in list(self._generations):
            for worker in list(generation.workers.values()):
                if worker.pid in ended:
                    self._on_worker_exit(worker, ended[worker.pid])

    # Generations.

    def _first_import(self) -> Import:
        by_switch: dict[str, Import] = {"auto": "check", "on": "always", "off": "never"}
        return by_switch[self._settings.preload]

    def _new_generation(self, importing: Import, obstacles: list[str]) -> Generation:
        self._generation_count += 1
        around = self._around
        inheritance = Inheritance(self._settings, around.sockets, around.access_log, importing, os.getpid())
        generation = Generation(self._generation_count, inheritance, obstacles)
        self._generations.append(generation)
        self._loop.on_readable(generation.channel.fileno(), lambda: self._on_zygote_message(generation))
        try:
            generation.fork(around.forget)
        except OSError as error:  # a limit of processes or memory
            reason = f"could not be forked: {error.strerror}"
            self._loop.call_later(0.0, lambda: self._on_zygote_gone(generation, reason))
        return generation

    def _on_zygote_message(self, generation: Generation) -> None:
        messages = generation.channel.receive()
        if messages is None:
            self._loop.forget(generation.channel.fileno())  # its exit follows
            return
        for message in messages:
            self._handle_zygote(generation, message)

    def _handle_zygote(self, generation: Generation, message: Message) -> None:
        match message["type"]:
            case "loaded" | "spawner":
                generation.app |= {key: value for key, value in message.items() if key != "type"}
                generation.usable = True
                if message.get("obstacles") and generation.importing == "always":
                    log.warning(
                        "serve.preload", "preloading although the import left " + ", ".join(message["obstacles"])
                    )
                self._advance()
            case "not_forkable":
                self._import_per_worker(generation, message["obstacles"])
            case "failed":
                generation.failure = message
            case "forked":
                self._on_forked(generation, message)
            case "not_forked":
                if worker := generation.workers.get(message["worker"]):
                    worker.condemned = "unknown", f"could not be forked: {message['error']}"
                    self._on_worker_exit(worker, None)
            case "exited":
                if worker := generation.workers.get(message["worker"]):
                    self._on_worker_exit(worker, message["status"])

    def _import_per_worker(self, generation: Generation, obstacles: list[str]) -> None:
        """Another zygote, which imports nothing, takes the place of this one."""
        left = ", ".join(obstacles)
        log.info("serve.preload", f"each worker imports the app for itself: the import left {left}")
        successor = self._new_generation("never", obstacles)
        if self._current is generation:
            self._current = successor
        elif self._candidate is generation:
            self._candidate = successor

    def _on_zygote_gone(self, generation: Generation, how: str) -> None:
        if generation.channel.fileno() >= 0:
            self._on_zygote_message(generation)  # what it said last
            self._loop.forget(generation.channel.fileno())
        generation.alive = False
        generation.close()
        for worker in list(generation.workers.values()):
            self._adopt(worker)
        if generation in (self._current, self._candidate) and not self._ending:
            self._on_generation_lost(generation, how)
        self._tidy()

    def _adopt(self, worker: WorkerProcess) -> None:
        """The worker is our own child now. One that ended before its zygote could say so has no status to wait for."""
        if worker.pid is None or worker.has_ended():
            self._loop.call_later(0.0, lambda: self._on_worker_exit(worker, None))

    def _on_generation_lost(self, generation: Generation, how: str) -> None:
        """The zygote ended though it should not: the app does not load, or somebody killed it."""
        failure = generation.failure or unexplained(f"the zygote {how}")
        if not self._started:
            self._fail(failure)
        elif generation is self._candidate:
            self._reject_candidate(failure)
        elif not self._candidate:
            log.error("zygote.lost", f"the zygote {how}; its workers serve on", pid=generation.pid)
            self._replace_zygote()

    def _replace_zygote(self) -> None:
        """Workers of the lost one are replaced by those of its successor, as after a reload."""
        if delay := self._zygote_backoff.next_delay(0.0):
            self._pause_for(delay)
        else:
            self._begin_candidate()

    def _begin_candidate(self) -> None:
        try:
            self._candidate = self._new_generation(self._first_import(), [])
        except OSError as error:  # a limit of descriptors
            self._tell.reload_failed(unexplained(f"no zygote could be made: {error.strerror}"))
            if self._current and not self._current.alive:
                self._pause_for(self._zygote_backoff.next_delay(0.0) or _LEAST_PAUSE)

    def _reject_candidate(self, failure: Message) -> None:
        self._tell.reload_failed(failure)
        self._take_back(failure["error"])

    def _take_back(self, reason: str) -> None:
        """Ends the candidate; the current generation fills up again."""
        candidate, self._candidate = self._candidate, None
        if not candidate:
            return
        log.debug("serve.taken_back", f"generation {candidate.number} is given up: {reason}")
        for worker in list(candidate.workers.values()):
            self._retire(worker)
        if self._current and not self._current.alive:
            self._replace_zygote()
        self._tidy()
        self._advance()

    def _tidy(self) -> None:
        """Lets go of generations that have no task any more; ends the loop when none is left."""
        for generation in list(self._generations):
            wanted = generation in (self._current, self._candidate) and not self._ending
            if wanted or generation.workers:
                continue
            if generation.alive:
                if generation.usable:
                    self._loop.forget(generation.channel.fileno())
                    generation.close()
                else:
                    processes.send_signal(generation.pid, signal.SIGKILL)  # it is importing, and hears nothing
            elif generation is not self._current or self._ending:
                self._generations.remove(generation)
        if self._ending and not self._generations:
            self._loop.stop(self._exit_code)

    # Workers.

    def _advance(self) -> None:
        """One step towards what is wanted."""
        if self._ending or self._pause:
            return
        if self._candidate:
            self._advance_rollout(self._candidate)
        elif self._current and self._current.usable:
            self._fill(self._current)
        elif self._current and not self._current.alive:
            self._replace_zygote()
        self._report_ready_once()

    def _fill(self, generation: Generation) -> None:
        active = [worker for g in self._generations for worker in g.active()]
        staying = [worker for worker in active if worker is not self._leaving]
        for _ in range(self._wanted - len(staying)):
            self._spawn(generation)
        for surplus in staying[self._wanted :]:
            self._retire(surplus)
        serving = [worker for worker in staying if worker.state == "serving"]
        if self._leaving and len(serving) >= self._wanted:
            if self._leaving in active:
                self._retire(self._leaving)
            self._leaving = None

    def _advance_rollout(self, candidate: Generation) -> None:
        """One worker at a time."""
        if not candidate.usable or len(candidate.active()) > len(candidate.serving()):
            return
        old = [worker for g in self._generations if g is not candidate for worker in g.active()]
        while old and len(old) + len(candidate.serving()) > self._wanted:
            self._retire(old.pop(0))
        if len(candidate.serving()) < self._wanted:
            self._spawn(candidate)
        elif not old:
            self._promote(candidate)

    def _promote(self, candidate: Generation) -> None:
        self._current, self._candidate = candidate, None
        self._zygote_backoff.failures = 0
        self._tell.reloaded(candidate)
        self._tidy()
        self._advance()

    def _spawn(self, generation: Generation) -> None:
        self._worker_count += 1
        self._totals.workers_started += 1
        recycling = Recycling(self._settings)
        try:
            worker = WorkerProcess(self._worker_count, generation, recycling, probed=bool(self._settings.health_path))
        except OSError as error:  # a limit of descriptors or memory
            failure = unexplained(f"no worker could be made: {error.strerror}")
            self._loop.call_later(0.0, lambda: self._on_not_made(generation, failure))
            return
        generation.workers[worker.number] = worker
        self._loop.on_readable(worker.status.fileno(), lambda: self._on_worker_message(worker))
        if self._around.certificates:
            self._around.certificates.give(worker.status)
        worker.order()

    def _on_not_made(self, generation: Generation, failure: Message) -> None:
        if self._ending or self._pause:
            return
        if not self._started:
            self._fail(failure)
        elif generation is self._candidate:
            self._reject_candidate(failure)
        else:
            self._tell.worker_failed(failure)
            self._pause_for(self._worker_backoff.next_delay(0.0) or _LEAST_PAUSE)

    def _on_forked(self, generation: Generation, message: Message) -> None:
        (pidfd,) = message["descriptors"]
        worker = generation.workers.get(message["worker"])
        if worker is None:
            os.close(pidfd)
            return
        worker.was_forked(message["pid"], pidfd)
        self._tell.worker_started(worker)
        self._on_listening(worker)

    def _on_worker_message(self, worker: WorkerProcess) -> None:
        messages = worker.status.receive()
        if messages is None:
            self._loop.forget(worker.status.fileno())  # its exit follows
            return
        for message in messages:
            if message["type"] == "loaded":
                worker.generation.app |= {key: value for key, value in message.items() if key != "type"}
            elif message["type"] == "failed":
                worker.failure = message
            elif message["type"] == "ready":
                worker.listening = True
                self._on_listening(worker)

    def _on_listening(self, worker: WorkerProcess) -> None:
        """Told by the worker and by its zygote, in either order."""
        if worker.state != "starting" or not worker.listening or worker.pid is None:
            return
        if not worker.probe_connection:
            self._on_serving(worker)
            return
        s = self._settings
        worker.check = HealthCheck(
            self._loop,
            worker.probe_connection,
            s.health_path,
            s.health_timeout,
            lambda reason: self._on_checked(worker, reason),
        )

    def _on_checked(self, worker: WorkerProcess, reason: str) -> None:
        if worker.state != "starting":
            return
        if not reason:
            worker.signal(LISTEN)
            self._on_serving(worker)
            return
        sentence = (
            f"not healthy: {reason} to GET {self._settings.health_path} within {self._settings.health_timeout:g} s"
        )
        worker.failure = unexplained(sentence) | {
            "step": "health",
            "tried": "asking a new worker for its health",
            "fix": f"let {self._settings.health_path} answer below 500, or choose another --health-path",
        }
        worker.condemn(self._loop, "unhealthy", sentence, signal.SIGTERM)

    def _on_serving(self, worker: WorkerProcess) -> None:
        worker.state = "serving"
        worker.started = time.monotonic()
        self._tell.worker_ready(worker)
        self._advance()

    def _report_ready_once(self) -> None:
        current = self._current
        if self._started or not current or len(current.serving()) < self._wanted:
            return
        self._started = True
        self._tell.started(current)

    # How workers end.

    def _retire(self, worker: WorkerProcess) -> None:
        """It has a successor, or is one too many."""
        worker.retire(self._loop, RETIRE, self._settings.graceful_timeout)

    def _watch_for_hung_workers(self) -> None:
        limit = self._settings.worker_timeout
        for worker in [w for g in self._generations for w in g.workers.values()]:
            if worker.busy_seconds() > limit and not worker.condemned:
                sentence = f"hung: for {limit:g} s no thread of it came back from the app (--worker-timeout)"
                worker.condemn(self._loop, "hung", sentence, TELL_AND_DIE)
                self._advance()
        self._loop.call_later(min(1.0, limit / 4), self._watch_for_hung_workers)

    def _watch_for_workers_to_recycle(self) -> None:
        """One at a time, each only when its successor serves."""
        current = self._current
        if current and not (self._leaving or self._candidate or self._pause or self._ending):
            for worker in current.serving():
                if reason := worker.recycling.reason(worker):
                    self._tell.worker_recycled(worker, reason)
                    self._leaving = worker
                    self._advance()
                    break
        self._loop.call_later(_RECYCLING_INTERVAL, self._watch_for_workers_to_recycle)

    def _on_worker_exit(self, worker: WorkerProcess, status: int | None) -> None:
        generation = worker.generation
        if generation.workers.get(worker.number) is not worker:
            return  # told twice
        if worker.state == "starting" and worker.status.fileno() >= 0:
            self._on_worker_message(worker)  # what it said last
        del generation.workers[worker.number]
        if worker is self._leaving:
            self._leaving = None
        self._loop.forget(worker.status.fileno())
        cause = causes.of_exit(status, worker.stack(), worker.condemned, self._memory)
        self._tell.worker_exited(worker, cause)
        self._totals.add(worker.numbers())
        worker.close()
        if worker.state != "retiring" and not self._ending:
            self._on_worker_lost(worker, cause)
        self._tidy()
        self._advance()

    def _on_worker_lost(self, worker: WorkerProcess, cause: causes.Cause) -> None:
        """It ended though nobody asked it to, or because it was no good."""
        self._totals.workers_lost += 1
        failure = worker.failure or unexplained(f"a worker {cause.sentence}", cause.stack)
        served = worker.state == "serving"
        if not served and not self._started:
            self._fail(failure)
        elif not served and worker.generation is self._candidate:
            self._reject_candidate(failure)
        elif worker.generation is (self._candidate or self._current):  # else its successor is on the way
            if worker.failure:
                self._tell.worker_failed(failure)
            delay = self._worker_backoff.next_delay(time.monotonic() - worker.started if served else 0.0)
            if delay:
                self._pause_for(delay)

    def _pause_for(self, seconds: float) -> None:
        if self._pause or self._ending:
            return
        log.warning("serve.back_off", f"the next try is in {seconds:g} s, since it keeps failing", seconds=seconds)
        self._pause = self._loop.call_later(seconds, self._end_pause)

    def _end_pause(self) -> None:
        self._pause = None
        if self._current and not self._current.alive and not self._candidate:
            self._begin_candidate()
        self._advance()

    def _cancel_pause(self) -> None:
        if self._pause:
            self._pause.cancel()
            self._pause = None

    # Failures of the start.

    def _fail(self, failure: Message) -> None:
        """The first start failed: everything ends, with the exit code that says why."""
        self._tell.start_failed(failure)
        self._exit_code = int(failure.get("exit_code") or FAILED)
        self.drain(signal.SIGTERM, 0.0)
