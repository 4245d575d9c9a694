"""Takes the arrays of a file by name, and knows which were not taken."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from attention_zoo.errors import UserError
from attention_zoo.zoo.weights import as_float32


class ArrayReader:
    """The arrays of a file, each of which must be used.

    Args:
        arrays: a dict from name to array.
        path: the file, for error messages.
    """

    def __init__(self, arrays: Mapping[str, np.ndarray], path: Path):
        self.arrays, self.path = arrays, path
        self._used: set[str] = set()

    def take(self, *names: str, axis: int = 0) -> np.ndarray:
        """The named arrays as float32, joined along an axis.

        Raises:
            UserError: if one is missing, not floating-point, NaN or infinite.
        """
        missing = [name for name in names if name not in self.arrays]
        if missing:
            raise UserError(f"{self.path} lacks {', '.join(missing)}")
        self._used.update(names)
        parts = [as_float32(self.arrays[name], f"{self.path}: {name}") for name in names]
        return np.concatenate(parts, axis=axis)

    def check_all_used(self, architecture: str) -> None:
        """Checks that every array was taken.

        Args:
            architecture: what does not have the others, for the error message.

        Raises:
            UserError: naming the arrays that were not.
        """
        unused = sorted(self.arrays.keys() - self._used)
        if unused:
            raise UserError(
                f"{self.path} has arrays that {architecture} does not: {', '.join(unused)}"
            )
