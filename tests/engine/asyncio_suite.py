"""CPython's own tests of asyncio, with the engine's event loop in the place of asyncio.SelectorEventLoop.

asyncio_suite.py [MODULE …]: of test.test_asyncio.
"""

import asyncio
import importlib
import sys
import unittest
import warnings

from serai._loop import EventLoop

# Those that run a real loop. The others test asyncio's own classes with mocks.
MODULES = [
    "buffered_proto", "events", "futures", "locks", "queues", "runners", "sendfile", "server", "sock_lowlevel",
    "sslproto", "ssl", "streams", "subprocess", "taskgroups", "tasks", "threads", "timeouts", "unix_events", "waitfor",
]  # fmt: skip

EXCUSED = {
    "test_loop_factory_default_event_loop": "asks for the very class asyncio.EventLoop",
}


class Substitute(EventLoop):
    """The tests give a selector, one after the other: they are all the same here."""

    def __init__(self, selector: object = None) -> None:
        super().__init__()


class Policy(asyncio.DefaultEventLoopPolicy):
    _loop_factory = Substitute


def cases(suite: unittest.TestSuite) -> list[unittest.TestCase]:
    found = []
    for test in suite:
        found += cases(test) if isinstance(test, unittest.TestSuite) else [test]
    return found


def is_wanted(case: unittest.TestCase) -> bool:
    # One selector is as good as the other.
    name = type(case).__name__
    return case._testMethodName not in EXCUSED and not name.startswith(("SelectEventLoop", "PollEventLoop"))


def load(names: list[str]) -> unittest.TestSuite:
    chosen = unittest.TestSuite()
    for name in names:
        try:
            module = importlib.import_module(f"test.test_asyncio.test_{name}")
        except ModuleNotFoundError:
            continue  # of another version
        module.tearDownModule = lambda: None  # it would take the policy back
        chosen.addTests(filter(is_wanted, cases(unittest.defaultTestLoader.loadTestsFromModule(module))))
    return chosen


def main() -> int:
    asyncio.SelectorEventLoop = Substitute  # type: ignore[misc,assignment]
    warnings.simplefilter("ignore", DeprecationWarning)
    asyncio.set_event_loop_policy(Policy())
    result = unittest.TextTestRunner(verbosity=1).run(load(sys.argv[1:] or MODULES))
    return 0 if result.wasSuccessful() and result.testsRun > 500 else 1


if __name__ == "__main__":
    sys.exit(main())
