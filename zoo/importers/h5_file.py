"""Reads the arrays in a HDF5 file: none lies in another file, none is larger than its own."""

import h5py
import numpy as np

from attention_zoo.errors import UserError
from attention_zoo.files import require_regular


def read_h5(path):
    """Reads all numbers in a file.

    Args:
        path: the file.

    Returns:
        A dict from the path of each dataset in the file to its array.

    Raises:
        UserError: if the file is missing or damaged, refers to other files, or has less bytes
            than its numbers need.
    """
    require_regular(path)
    try:
        with h5py.File(path, "r") as file:
            return {name: _read(dataset) for name, dataset in _datasets(file)}
    # Whatever h5py raises at bytes that are not as they were.
    except Exception as error:
        raise UserError(f"{path} is damaged, or no HDF5 file: {error}") from error


def _datasets(group, prefix=""):
    """Names and datasets, without following links: they may go to other files, and in circles."""
    for name in group:
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise ValueError(f"{prefix}{name} is a link")
        item = group[name]
        if isinstance(item, h5py.Dataset):
            yield f"{prefix}{name}", item
        elif prefix.count("/") < _DEEPEST:
            yield from _datasets(item, f"{prefix}{name}/")
        else:
            raise ValueError(f"{prefix} lies too deep")


def _read(dataset):
    if dataset.is_virtual or dataset.external:
        raise ValueError(f"{dataset.name} lies in another file")
    if dataset.dtype.kind not in "fiub":
        raise ValueError(f"{dataset.name} holds {dataset.dtype}, no numbers")
    if dataset.nbytes > dataset.id.get_storage_size():
        raise ValueError(f"{dataset.name} has fewer bytes than its {dataset.size:,} numbers need")
    return np.asarray(dataset)


_DEEPEST = 20  # groups within groups
