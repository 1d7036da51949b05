"""What apps rely on in the engine's event loop, run by test_event_loop.py in a CPython that has an engine."""

import asyncio
import contextvars
import gc
import os
import signal
import socket
import sys
import threading
import time
import unittest
import weakref

from serai._loop import EventLoop

variable = contextvars.ContextVar("variable", default="unset")


class Case(unittest.TestCase):
    def setUp(self):
        self.loop = EventLoop()
        self.addCleanup(self.loop.close)
        self.problems = []
        self.loop.set_exception_handler(lambda _, context: self.problems.append(context))

    def run_briefly(self):
        self.loop.call_soon(self.loop.stop)
        self.loop.run_forever()


class Calls(Case):
    def test_handles_are_asyncios(self):
        handle = self.loop.call_soon(print, 1)
        timer = self.loop.call_later(5, print, 2)
        self.assertIsInstance(handle, asyncio.Handle)
        self.assertIsInstance(timer, asyncio.TimerHandle)
        self.assertRegex(repr(handle), r"^<Handle print\(1?\)>$")
        self.assertIs(weakref.ref(handle)(), handle)
        handle.cancel()
        timer.cancel()
        self.assertTrue(handle.cancelled() and timer.cancelled())
        self.assertEqual(repr(handle), "<Handle cancelled>")

    def test_calls_run_in_order_and_cancelled_ones_do_not(self):
        ran = []
        self.loop.call_soon(ran.append, 1)
        self.loop.call_soon(ran.append, 2).cancel()
        self.loop.call_soon(callback=lambda: ran.append(3))
        self.run_briefly()
        self.assertEqual(ran, [1, 3])

    def test_a_call_runs_in_its_context_or_in_a_copy_of_the_current_one(self):
        seen = []
        given = contextvars.Context()
        given.run(variable.set, "given")
        self.loop.call_soon(lambda: seen.append(variable.get()), context=given)
        token = variable.set("current")
        self.loop.call_soon(lambda: (seen.append(variable.get()), variable.set("lost")))
        variable.reset(token)
        self.run_briefly()
        self.assertEqual((seen, variable.get()), (["given", "current"], "unset"))

    def test_stop_lets_what_is_queued_run_and_nothing_after(self):
        ran = []
        self.loop.call_soon(lambda: self.loop.call_soon(ran.append, "later"))
        self.loop.call_soon(self.loop.stop)
        self.loop.call_soon(ran.append, "queued")
        self.loop.run_forever()
        self.assertEqual(ran, ["queued"])
        self.run_briefly()
        self.assertEqual(ran, ["queued", "later"])

    def test_a_loop_that_was_not_initialised_refuses_calls(self):
        class Lazy(EventLoop):
            def __init__(self):
                pass

            def __del__(self):
                pass

        with self.assertRaises(RuntimeError):
            Lazy().call_soon(print)
        with self.assertRaises(RuntimeError):
            Lazy().call_later(1, print)
        with self.assertRaises(AttributeError):
            del self.loop._ready

    def test_wrong_calls_are_refused(self):
        with self.assertRaises(TypeError):
            self.loop.call_soon()
        with self.assertRaises(TypeError):
            self.loop.call_soon(print, unknown=1)
        with self.assertRaises(TypeError):
            self.loop.call_later(None, print)
        with self.assertRaises(TypeError):
            self.loop.call_at("soon", print)
        self.loop.close()
        for call in (self.loop.call_soon, self.loop.call_soon_threadsafe, lambda f: self.loop.call_later(1, f)):
            with self.assertRaisesRegex(RuntimeError, "closed"):
                call(print)

    def test_an_exception_goes_to_the_handler_and_the_loop_goes_on(self):
        ran = []
        handle = self.loop.call_soon(lambda: 1 / 0)
        self.loop.call_soon(ran.append, 1)
        self.run_briefly()
        self.assertEqual(ran, [1])
        self.assertIsInstance(self.problems[0]["exception"], ZeroDivisionError)
        self.assertIs(self.problems[0]["handle"], handle)
        self.assertRegex(self.problems[0]["message"], "^Exception in callback .*<lambda>")

    def test_what_ends_the_program_leaves_the_loop_which_can_go_on(self):
        ran = []
        for error in (KeyboardInterrupt, SystemExit):

            def leave(error=error):
                raise error

            self.loop.call_soon(leave)
            self.loop.call_soon(ran.append, error)
            with self.assertRaises(error):
                self.loop.run_forever()
            self.assertEqual(ran, [])
            self.run_briefly()
            self.assertEqual(ran.pop(), error)

    def test_a_handle_of_somebody_elses_class_is_asked(self):
        ran = []

        class Own(asyncio.Handle):
            def _run(self):
                ran.append("own")

        self.loop._ready.append(Own(print, (), self.loop))
        self.loop._ready.append(asyncio.Handle(ran.append, ("asyncio's",), self.loop))
        self.run_briefly()
        self.assertEqual(ran, ["own", "asyncio's"])

    def test_a_callback_may_turn_the_loop(self):
        ran = []
        self.loop.call_soon(lambda: (self.loop.call_soon(ran.append, 1), self.loop._run_once()))
        self.loop.call_soon(ran.append, 0)
        self.run_briefly()
        self.assertEqual(ran, [0, 1])


class Timers(Case):
    def test_timers_run_when_they_are_due_in_order(self):
        ran = []
        now = self.loop.time()
        for delay in (0.03, 0.01, 0.02):
            self.loop.call_at(now + delay, ran.append, delay)
        self.loop.call_later(0.04, self.loop.stop)
        self.loop.run_forever()
        self.assertEqual(ran, [0.01, 0.02, 0.03])
        self.assertGreaterEqual(self.loop.time() - now, 0.04)

    def test_timers_compare_as_asyncios_do(self):
        early, late = self.loop.call_at(1, print), self.loop.call_at(2, print)
        self.assertTrue(early < late and late > early and early <= late and early != late and early == early)
        other = asyncio.TimerHandle(1.5, print, (), self.loop)
        self.assertTrue(early < other < late)
        self.assertEqual(hash(early), hash(1))
        self.assertEqual(early.when(), 1)

    def test_many_cancelled_timers_are_forgotten(self):
        timers = [self.loop.call_later(3600, print) for _ in range(1000)]
        for timer in timers[10:]:
            timer.cancel()
        self.run_briefly()
        self.assertEqual(len(self.loop._scheduled), 10)

    def test_the_loop_does_not_wait_for_a_cancelled_timer(self):
        self.loop.call_later(0.01, self.loop.stop)
        self.loop.call_later(0.001, print).cancel()
        self.loop.run_forever()

    def test_sleeps_and_time_outs(self):
        async def main():
            await asyncio.gather(*(asyncio.sleep(0.01) for _ in range(50)))
            try:
                await asyncio.wait_for(asyncio.sleep(10), 0.01)
            except asyncio.TimeoutError:
                return "timed out"

        self.assertEqual(self.loop.run_until_complete(main()), "timed out")


class Threads(Case):
    def test_a_call_from_a_thread_wakes_a_sleeping_loop(self):
        thread = threading.Thread(target=lambda: (time.sleep(0.05), self.loop.call_soon_threadsafe(self.loop.stop)))
        thread.start()
        self.loop.run_forever()
        thread.join()

    def test_what_was_queued_before_the_loop_waits_is_not_slept_through(self):
        # asyncio's own turn, in debug mode, has reckoned how long to wait by then.
        self.loop.call_soon_threadsafe(lambda: None)
        began = time.monotonic()
        self.loop._selector.select(10)
        self.assertLess(time.monotonic() - began, 5)

    def test_no_call_of_many_threads_is_lost(self):
        count, threads = 0, 8
        done = self.loop.create_future()

        def note():
            nonlocal count
            count += 1
            if count == threads * 2000:
                done.set_result(None)

        def call():
            for _ in range(2000):
                self.loop.call_soon_threadsafe(note)

        for _ in range(threads):
            threading.Thread(target=call).start()
        self.loop.run_until_complete(asyncio.wait_for(done, 60))

    def test_executors_work(self):
        async def main():
            return await asyncio.gather(*(self.loop.run_in_executor(None, abs, -i) for i in range(50)))

        self.assertEqual(self.loop.run_until_complete(main()), list(range(50)))
        self.loop.run_until_complete(self.loop.shutdown_default_executor())

    def test_signal_handlers_run(self):
        self.loop.add_signal_handler(signal.SIGUSR1, self.loop.stop)
        self.loop.call_later(0.01, os.kill, os.getpid(), signal.SIGUSR1)
        self.loop.run_forever()
        self.loop.remove_signal_handler(signal.SIGUSR1)


class Descriptors(Case):
    def setUp(self):
        super().setUp()
        self.ours, self.theirs = socket.socketpair()
        for end in (self.ours, self.theirs):
            end.setblocking(False)
            self.addCleanup(end.close)

    def test_readers_are_told_as_long_as_there_is_something(self):
        seen = []

        def read():
            seen.append(self.ours.recv(1))
            if len(seen) == 3:
                self.loop.stop()

        self.loop.add_reader(self.ours, read)
        self.theirs.send(b"abc")
        self.loop.run_forever()
        self.assertEqual(seen, [b"a", b"b", b"c"])
        self.assertTrue(self.loop.remove_reader(self.ours))
        self.assertFalse(self.loop.remove_reader(self.ours))

    def test_a_writer_may_remove_itself_and_leave_the_reader(self):
        ran = []
        self.loop.add_reader(self.ours, lambda: (ran.append("read"), self.loop.stop()))
        self.loop.add_writer(self.ours, lambda: (ran.append("write"), self.loop.remove_writer(self.ours)))
        self.loop.call_later(0.02, self.theirs.send, b"x")
        self.loop.run_forever()
        self.assertEqual(ran, ["write", "read"])

    def test_a_new_reader_replaces_the_old_one(self):
        self.loop.add_reader(self.ours, self.problems.append, "old")
        self.loop.add_reader(self.ours, self.loop.stop)
        self.theirs.send(b"x")
        self.loop.run_forever()
        self.assertEqual(self.problems, [])

    def test_a_number_that_was_closed_and_given_out_again_can_be_watched(self):
        number = self.ours.fileno()
        self.loop.add_reader(number, print)
        other, far = socket.socketpair()
        self.ours.close()
        os.dup2(other.fileno(), number)
        self.loop.add_reader(number, self.loop.stop)
        self.loop.add_writer(number, lambda: self.loop.remove_writer(number))
        far.send(b"x")
        self.loop.run_forever()
        self.loop.remove_reader(number)
        os.close(number)
        other.close()
        far.close()

    def test_a_plain_file_is_refused(self):
        with open(__file__) as file, self.assertRaises(PermissionError):
            self.loop.add_reader(file, print)

    def test_socket_methods_of_the_loop_work(self):
        async def main():
            await self.loop.sock_sendall(self.ours, b"x" * 1_000_000)

        async def drain():
            count = 0
            while count < 1_000_000:
                count += len(await self.loop.sock_recv(self.theirs, 65536))
            return count

        async def both():
            return (await asyncio.gather(main(), drain()))[1]

        self.assertEqual(self.loop.run_until_complete(both()), 1_000_000)


class Recorder(asyncio.Protocol):
    """Keeps what it hears."""

    def __init__(self, loop):
        self.heard, self.events = b"", []
        self.lost = loop.create_future()
        self.ended = loop.create_future()

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.heard += data

    def eof_received(self):
        self.ended.set_result(None)
        return True

    def pause_writing(self):
        self.events.append("pause")

    def resume_writing(self):
        self.events.append("resume")

    def connection_lost(self, error):
        self.lost.set_result(error)


class Transports(Case):
    def setUp(self):
        super().setUp()
        self.loop.run_until_complete(self.connect())

    def tearDown(self):
        for end in (self.near, self.far):
            end.transport.abort()
        self.loop.run_until_complete(asyncio.gather(self.near.lost, self.far.lost))
        super().tearDown()

    async def connect(self):
        listening = socket.create_server(("127.0.0.1", 0))
        address = listening.getsockname()
        _, self.near = await self.loop.create_connection(lambda: Recorder(self.loop), *address)
        accepted, _ = listening.accept()
        accepted.setblocking(False)
        listening.close()
        _, self.far = await self.loop.connect_accepted_socket(lambda: Recorder(self.loop), accepted)

    def hear(self, end, count):
        async def wait():
            while len(end.heard) < count:
                await asyncio.sleep(0.001)

        self.loop.run_until_complete(asyncio.wait_for(wait(), 20))
        return end.heard

    def test_they_are_asyncios(self):
        transport = self.near.transport
        self.assertIsInstance(transport, asyncio.Transport)
        self.assertIn("read=polling", repr(transport))
        self.assertEqual(transport.get_extra_info("peername"), self.far.transport.get_extra_info("sockname"))

    def test_bytes_of_all_kinds_come_in_order(self):
        write, writelines = self.near.transport.write, self.near.transport.writelines
        write(b"1")
        writelines([b"2", b"", b"3"])
        write(bytearray(b"4"))
        write(memoryview(b"5"))
        writelines([b"6", bytearray(b"7")])
        writelines([])
        write(b"")
        self.assertEqual(self.hear(self.far, 7), b"1234567")
        with self.assertRaises(TypeError):
            write("text")

    def test_what_the_socket_does_not_take_waits(self):
        pieces = [bytes([i]) * 1_000_000 for i in range(20)]
        self.near.transport.write(pieces[0])
        self.near.transport.writelines(pieces[1:10])
        for piece in pieces[10:]:
            self.near.transport.write(piece)
        self.assertGreater(self.near.transport.get_write_buffer_size(), 0)
        self.assertEqual(self.near.events, ["pause"])
        self.assertEqual(self.hear(self.far, 20_000_000), b"".join(pieces))
        self.assertEqual(self.near.events, ["pause", "resume"])

    def test_reading_can_be_paused(self):
        self.far.transport.pause_reading()
        self.near.transport.write(b"x")
        self.loop.run_until_complete(asyncio.sleep(0.02))
        self.assertEqual(self.far.heard, b"")
        self.far.transport.resume_reading()
        self.assertEqual(self.hear(self.far, 1), b"x")

    def test_one_direction_can_end_before_the_other(self):
        self.near.transport.write(b"x" * 3_000_000)
        self.near.transport.write_eof()
        with self.assertRaises(RuntimeError):
            self.near.transport.write(b"y")
        self.loop.run_until_complete(asyncio.wait_for(self.far.ended, 20))
        self.assertEqual(len(self.far.heard), 3_000_000)
        self.far.transport.write(b"answer")
        self.assertEqual(self.hear(self.near, 6), b"answer")

    def test_close_sends_what_is_left_and_abort_does_not(self):
        self.near.transport.write(b"x" * 3_000_000)
        self.near.transport.close()
        self.assertTrue(self.near.transport.is_closing())
        self.assertEqual(len(self.hear(self.far, 3_000_000)), 3_000_000)
        self.assertIsNone(self.loop.run_until_complete(asyncio.wait_for(asyncio.shield(self.near.lost), 20)))
        self.far.transport.write(b"y" * 3_000_000)
        self.far.transport.abort()
        self.far.transport.write(b"z")
        self.loop.run_until_complete(asyncio.wait_for(asyncio.shield(self.far.lost), 20))

    def test_an_error_of_the_protocol_ends_the_connection(self):
        self.far.data_received = lambda data: 1 / 0
        self.near.transport.write(b"x")
        error = self.loop.run_until_complete(asyncio.wait_for(asyncio.shield(self.far.lost), 20))
        self.assertIsInstance(error, ZeroDivisionError)
        self.assertEqual(self.problems[0]["message"], "Fatal error: protocol.data_received() call failed.")

    def test_a_reset_is_an_error(self):
        linger = b"\1\0\0\0\0\0\0\0"
        self.near.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.near.transport.abort()
        error = self.loop.run_until_complete(asyncio.wait_for(asyncio.shield(self.far.lost), 20))
        self.assertIsInstance(error, ConnectionResetError)

    def test_a_protocol_may_bring_its_buffer_and_be_replaced(self):
        class Buffered(asyncio.BufferedProtocol):
            def __init__(self):
                self.buffer, self.heard = bytearray(3), b""

            def get_buffer(self, _):
                return self.buffer

            def buffer_updated(self, count):
                self.heard += self.buffer[:count]

        other, first = Buffered(), self.far
        first.transport.set_protocol(other)
        self.near.transport.write(b"abcdefgh")
        self.assertEqual(self.hear(other, 8), b"abcdefgh")
        first.transport.set_protocol(first)
        self.near.transport.write(b"again")
        self.assertEqual(self.hear(first, 5), b"again")


class Life(Case):
    def test_debug_mode_can_be_switched_on_and_off(self):
        async def main():
            ran = []
            timers = [self.loop.call_later(0.01 * i, ran.append, i) for i in range(3)]
            self.loop.set_debug(True)
            timers += [self.loop.call_later(0.01 * i + 0.005, ran.append, i) for i in range(3)]
            await asyncio.sleep(0.015)
            self.loop.set_debug(False)
            await asyncio.sleep(0.05)
            return ran

        self.assertEqual(self.loop.run_until_complete(main()), [0, 0, 1, 1, 2, 2])

    def test_subprocesses_work(self):
        async def main():
            process = await asyncio.create_subprocess_exec("cat", stdin=-1, stdout=-1)
            return (await process.communicate(b"meow"))[0]

        watcher = getattr(asyncio, "PidfdChildWatcher", None)
        if watcher and not hasattr(asyncio, "Runner"):
            self.skipTest("needs a child watcher of the policy")
        asyncio.set_event_loop(self.loop)
        self.assertEqual(self.loop.run_until_complete(main()), b"meow")
        asyncio.set_event_loop(None)

    def test_no_object_is_lost_by_calls_timers_and_transports(self):
        async def work():
            near, far = socket.socketpair()
            reader, writer = await asyncio.open_unix_connection(sock=near)
            _, other = await asyncio.open_unix_connection(sock=far)
            for _ in range(300):
                other.writelines([b"ab", b"c"])
                await asyncio.wait_for(reader.readexactly(3), 10)
                self.loop.call_soon(print).cancel()
                self.loop.call_later(60, print).cancel()
                self.loop.call_soon(int, "no number")
                await asyncio.sleep(0)
                self.problems.clear()
            for end in (writer, other):
                end.close()
                await end.wait_closed()

        def blocks_after_work():
            self.loop.run_until_complete(work())
            gc.collect()
            return sys.getallocatedblocks()

        for _ in range(3):
            before = blocks_after_work()
        self.assertLess(blocks_after_work() - before, 100)

    def test_nothing_of_a_loop_is_left(self):
        loop = EventLoop()
        loop.run_until_complete(asyncio.sleep(0))
        loop.call_later(3600, print, loop)
        timer = loop.call_later(3600, print)
        timer.cancel()
        loop.add_reader(loop._ssock, print, loop)
        before = set(os.listdir("/proc/self/fd"))
        loop.close()
        left = set(os.listdir("/proc/self/fd"))
        gone = weakref.ref(loop)
        del loop, timer
        gc.collect()
        self.assertIsNone(gone())
        self.assertEqual(len(before - left), 5)  # its pipe, two epolls, a wake-up

    def test_an_unclosed_loop_can_be_collected(self):
        loop = EventLoop()
        loop.call_soon(print, loop)
        loop.add_reader(loop._ssock, print, loop)
        gone = weakref.ref(loop)
        with self.assertWarns(ResourceWarning):
            del loop
            gc.collect()
        self.assertIsNone(gone())


if __name__ == "__main__":
    unittest.main()
