"""Stopping at a safe moment after Ctrl-C or SIGTERM."""

import signal
import threading

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopSignals:
    """Remembers the first Ctrl-C or SIGTERM in its block; a second one has its usual effect.

    Outside of the main thread, which alone receives signals, it does nothing.

    Attributes:
        number: the signal that was received, or None.
    """

    def __init__(self):
        self.number = None
        self._previous = {}

    def __enter__(self):
        if threading.current_thread() is threading.main_thread():
            for number in _SIGNALS:
                self._previous[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *_):
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _handle(self, number, _frame):
        self.number = int(number)
        signal.signal(number, self._previous[number])
