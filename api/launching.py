"""Starts the workers of a training on this machine, and starts them again if one fails."""

from __future__ import annotations

import contextlib
import ctypes
import math
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from attention_zoo.train.cluster import Cluster

# Results that another attempt would not change: success, a user's mistake, a wanted stop.
_FINAL = {0, 2, 128 + signal.SIGINT, 128 + signal.SIGTERM}
# How long the others may take once one worker has ended; after a mistake, to report it too.
_SECONDS_TO_STOP = 120
_SECONDS_FOR_MESSAGES = 3


def train_in_processes(
    arguments: Sequence[str],
    run_file: Path,
    workers: int,
    restarts: int,
    say: Callable[[str], None],
) -> int:
    """Trains in processes of its own, and resumes when one of them fails.

    Args:
        arguments: the command line of each worker, without the name of the program.
        run_file: exists once there is a run to resume.
        workers: the number of processes.
        restarts: how many times to start again.
        say: called with a line of text about failures and restarts.

    Returns:
        The exit status: that of the workers, or 1 if one of them failed too often.
    """
    for restart in range(restarts + 1):
        resuming = ["--resume"] if restart and run_file.exists() else []
        command = [sys.executable, "-m", "attention_zoo.cli", *arguments]
        command += [option for option in resuming if option not in arguments]
        status, failure = _train_once(command, workers)
        if failure is None:
            return status
        if restart < restarts:
            say(f"{failure}; starting again ({restart + 1} of {restarts})")
        else:
            say(f"{failure}; the last checkpoint is valid, continue with --resume")
    return 1


def _train_once(command: list[str], workers: int) -> tuple[int, str | None]:
    """Runs all workers; the exit status, and what happened if one of them failed."""
    addresses = tuple(f"127.0.0.1:{port}" for port in free_ports(workers))
    with contextlib.ExitStack() as stack:
        # The messages of all but the first, which are its own again or about its failure.
        messages = [stack.enter_context(tempfile.TemporaryFile()) for _ in range(workers)]
        processes: list[subprocess.Popen[bytes]] = []
        with _forwarded_signals(processes) as received:
            try:
                for index in range(workers):
                    environment = dict(os.environ)
                    if workers > 1:
                        environment["TF_CONFIG"] = Cluster(addresses, index).tf_config
                    process = subprocess.Popen(
                        command,
                        env=environment,
                        stderr=messages[index] if index else None,
                        start_new_session=True,  # Ctrl-C reaches a worker once, through us
                        preexec_fn=_die_with_parent,
                    )
                    processes.append(process)
                    for number in received:  # while it started
                        process.send_signal(number)
                ended = _wait(processes)
            finally:
                for process in processes:
                    process.kill()
                    process.wait()
        codes = [process.returncode for process in processes]
        index = next((i for i in ended if codes[i] not in _FINAL), None)
        if index is None and 2 in codes:
            index = codes.index(2)
        if index:
            messages[index].seek(0)
            sys.stderr.write(messages[index].read().decode(errors="replace"))
    if index is None or codes[index] == 2:
        return max(codes), None
    if received and codes[index] == -received[0]:  # before it could handle the signal
        return 128 + received[0], None
    return 1, f"{_name(index, workers)} {_ending(codes[index])}"


def _wait(processes: list[subprocess.Popen[bytes]]) -> list[int]:
    """Waits until all have ended, or one has failed; those that have, in that order."""
    ended, deadline = [], math.inf
    while len(ended) < len(processes) and time.monotonic() < deadline:
        for index, process in enumerate(processes):
            if index in ended or process.poll() is None:
                continue
            ended.append(index)
            if process.returncode not in _FINAL:
                return ended
            seconds = _SECONDS_FOR_MESSAGES if process.returncode == 2 else _SECONDS_TO_STOP
            deadline = min(deadline, time.monotonic() + seconds)
        time.sleep(0.05)
    return ended


def _name(index: int, workers: int) -> str:
    return f"worker {index} of {workers}" if workers > 1 else "the training"


def _ending(code: int) -> str:
    if code < 0:
        return f"was killed by {signal.Signals(-code).name}"
    return f"ended with status {code}"


@contextlib.contextmanager
def _forwarded_signals(processes: Sequence[subprocess.Popen[bytes]]) -> Iterator[list[int]]:
    """Sends the workers the signals that this process receives, and gives a list of them."""
    received: list[int] = []

    def forward(number, _frame):
        received.append(number)
        for process in processes:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(number)

    numbers = (signal.SIGINT, signal.SIGTERM)
    previous = {number: signal.signal(number, forward) for number in numbers}
    try:
        yield received
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _die_with_parent() -> None:
    """Makes the kernel kill this process when its parent dies, on Linux."""
    if sys.platform == "linux":
        set_death_signal = 1  # PR_SET_PDEATHSIG of <linux/prctl.h>
        ctypes.CDLL(None).prctl(set_death_signal, signal.SIGKILL)


def free_ports(count: int) -> list[int]:
    """Ports of this machine that no process listens on."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
