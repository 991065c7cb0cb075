"""Which signals reach those who listen: each call is passed on to other processes, where the second one counts."""

from __future__ import annotations

import os
import signal
import threading
import time

from campaigns.commands.stop_signals import StopSignals, stop_signals

HUP, TERM = signal.SIGHUP, signal.SIGTERM


def calls(*received: signal.Signals) -> int:
    stop, called = StopSignals(), list[bool]()
    with stop.calling(lambda: called.append(True)):
        for number in received:
            stop.receive(number)
    return len(called)


def test_a_closed_terminal_counts_once_however_often_it_is_told() -> None:
    assert calls(HUP) == calls(HUP, HUP) == calls(HUP, HUP, HUP) == 1


def test_a_closed_terminal_and_one_request_to_end_are_no_second_signal() -> None:
    assert calls(HUP, TERM) == calls(TERM, HUP) == 1


def test_the_signal_that_ends_a_command_at_once_is_passed_on() -> None:
    before = signal.signal(TERM, signal.SIG_IGN)
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, [TERM])
    try:
        assert calls(HUP, TERM, TERM) == 2
    finally:
        signal.signal(TERM, signal.SIG_IGN)  # what is pending is dropped
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        signal.signal(TERM, before)


def test_who_waits_is_woken_by_the_signal_and_later_waits_for_nothing() -> None:
    began = time.monotonic()
    with stop_signals(60) as stop:
        threading.Timer(0.1, os.kill, (os.getpid(), TERM)).start()
        stop.wait(60)
        assert stop.requested
        stop.wait(60)
    assert time.monotonic() - began < 30
