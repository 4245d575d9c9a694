"""Prepares batches in the background, while the device works on earlier ones."""

import queue
import threading
from collections.abc import Iterator
from typing import Any

_POLL_SECONDS = 0.1


class Prefetched:
    """An iterator whose items are made ahead, in a thread; a context manager that ends it.

    Items come in the same order as without it. An error of the iterator is raised in place of
    the item that it could not make.

    Args:
        items: an iterator; only the thread uses it.
        ahead: the most items that are ready at a time.

    Example:
        >>> with Prefetched(iter(range(5)), ahead=2) as items:
        ...     print(list(items))
        [0, 1, 2, 3, 4]
    """

    def __init__(self, items: Iterator[Any], ahead: int) -> None:
        self._items = items
        self._queue: queue.Queue = queue.Queue(ahead)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._fill, name="batches", daemon=True)

    def __enter__(self) -> "Prefetched":
        self._thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._ended.set()
        self._thread.join()

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        item, error = self._queue.get()
        if error is not None:
            self._put((None, error))  # whoever asks again gets it again
            raise error
        return item

    def _fill(self) -> None:
        try:
            for item in self._items:
                if not self._put((item, None)):
                    return
            error: BaseException = StopIteration()
        except BaseException as raised:
            error = raised
        self._put((None, error))

    def _put(self, entry: tuple[Any, BaseException | None]) -> bool:
        """Waits for room; false if the iteration has ended."""
        while not self._ended.is_set():
            try:
                self._queue.put(entry, timeout=_POLL_SECONDS)
            except queue.Full:
                continue
            return True
        return False
