"""Writing files while training goes on."""

import queue
import threading


class BackgroundWriter:
    """A thread that calls functions one after another, in the order in which they were given.

    As a context manager it waits for the last one, also after an error or Ctrl-C.

    Args:
        pending: how many functions may wait; `submit` blocks then, which bounds the memory that
            unwritten data takes.

    Example:
        >>> with BackgroundWriter() as writer:
        ...     writer.submit(print, "written")
        written
    """

    def __init__(self, pending=4):
        self._queue = queue.Queue(pending)
        self._error = None
        self._thread = threading.Thread(target=self._work, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, kind, *_):
        self._queue.put(None)
        self._thread.join()
        if kind is None:
            self._raise()

    def submit(self, function, *arguments):
        """Calls a function in the thread.

        Raises:
            Exception: that an earlier function raised; later ones were not called.
        """
        self._raise()
        self._queue.put((function, arguments))

    def flush(self):
        """Waits until everything is written.

        Raises:
            Exception: as for `submit`.
        """
        self._queue.join()
        self._raise()

    def _work(self):
        while (job := self._queue.get()) is not None:
            function, arguments = job
            try:
                if self._error is None:
                    function(*arguments)
            except BaseException as error:
                self._error = error
            finally:
                self._queue.task_done()

    def _raise(self):
        if self._error is not None:
            error, self._error = self._error, None
            raise error
