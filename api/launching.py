"""Starts the workers of a training on this machine, and starts them again if one fails."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from attention_zoo.train.cluster import Cluster

# Results that another attempt would not change: success, a user's mistake, a wanted stop.
_FINAL = {0, 2, 128 + signal.SIGINT, 128 + signal.SIGTERM}
_SECONDS_TO_STOP = 120


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
    addresses = tuple(f"127.0.0.1:{port}" for port in _free_ports(workers))
    processes = []
    for index in range(workers):
        environment = dict(os.environ)
        if workers > 1:
            environment["TF_CONFIG"] = Cluster(addresses, index).tf_config
        # A session of its own: Ctrl-C reaches a worker once, through us.
        processes.append(
            subprocess.Popen(
                command, env=environment, start_new_session=True, preexec_fn=_die_with_parent
            )
        )
    with _forwarded_signals(processes):
        try:
            return _first_failure(processes)
        finally:
            for process in processes:
                process.kill()
                process.wait()


def _first_failure(processes: list[subprocess.Popen[bytes]]) -> tuple[int, str | None]:
    running = dict(enumerate(processes))
    status, deadline = 0, None
    while running:
        for index, process in list(running.items()):
            code = process.poll()
            if code is None:
                continue
            del running[index]
            if code not in _FINAL:
                return 1, f"{_name(index, processes)} {_ending(code)}"
            status = max(status, code)
            deadline = deadline or time.monotonic() + _SECONDS_TO_STOP
        if status == 2 or (deadline and time.monotonic() > deadline):
            break
        time.sleep(0.05)
    return status, None


def _name(index: int, processes: Sequence[object]) -> str:
    return f"worker {index} of {len(processes)}" if len(processes) > 1 else "the training"


def _ending(code: int) -> str:
    if code < 0:
        return f"was killed by {signal.Signals(-code).name}"
    return f"ended with status {code}"


@contextlib.contextmanager
def _forwarded_signals(processes: Sequence[subprocess.Popen[bytes]]) -> Iterator[None]:
    """Sends the workers what this process receives."""

    def forward(number, _frame):
        for process in processes:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(number)

    numbers = (signal.SIGINT, signal.SIGTERM)
    previous = {number: signal.signal(number, forward) for number in numbers}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _die_with_parent() -> None:
    """Makes the kernel kill this process when its parent dies, on Linux."""
    if sys.platform == "linux":
        set_death_signal = 1  # PR_SET_PDEATHSIG of <linux/prctl.h>
        ctypes.CDLL(None).prctl(set_death_signal, signal.SIGKILL)


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def without_options(arguments: Sequence[str], names: Sequence[str]) -> list[str]:
    """A command line without some options, each of which has a value.

    Example:
        >>> without_options(["train", "a.yaml", "--workers", "2", "--restarts=3"],
        ...                 ["--workers", "--restarts"])
        ['train', 'a.yaml']
    """
    kept, skip = [], False
    for argument in arguments:
        if skip:
            skip = False
        elif argument in names:
            skip = True
        elif not argument.startswith(tuple(f"{name}=" for name in names)):
            kept.append(argument)
    return kept
