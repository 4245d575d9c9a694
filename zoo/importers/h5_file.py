"""Reads arrays from HDF5 files, which may be untrusted.

Links, arrays in other files and arrays larger than their bytes in the file are errors.
"""

import h5py
import numpy as np

from attention_zoo.errors import UserError
from attention_zoo.files import require_regular


def read_h5(path):
    """Reads all arrays in a file.

    Args:
        path: the file.

    Returns:
        A dict from the path of each dataset in the file to its array.

    Raises:
        UserError: if the file is missing or damaged, has links or refers to other files, or has
            fewer bytes than its arrays need.
    """
    require_regular(path)
    try:
        with h5py.File(path, "r") as file:
            return {name: _read(dataset) for name, dataset in _datasets(file)}
    # h5py raises many kinds of errors for damaged files.
    except Exception as error:
        raise UserError(f"{path} is damaged or not an HDF5 file: {error}") from error


def _datasets(group, prefix=""):
    """Yields names and datasets. Links are errors: they may lead to other files, or in circles."""
    for name in group:
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise ValueError(f"{prefix}{name} is a link")
        item = group[name]
        if isinstance(item, h5py.Dataset):
            yield f"{prefix}{name}", item
        elif prefix.count("/") < _MAX_DEPTH:
            yield from _datasets(item, f"{prefix}{name}/")
        else:
            raise ValueError(f"{prefix} is nested too deeply")


def _read(dataset):
    if dataset.is_virtual or dataset.external:
        raise ValueError(f"{dataset.name} is in another file")
    if dataset.dtype.kind not in "fiub":
        raise ValueError(f"{dataset.name} has dtype {dataset.dtype}, expected numbers")
    if dataset.nbytes > dataset.id.get_storage_size():
        raise ValueError(f"{dataset.name} has fewer bytes than its {dataset.size:,} values need")
    return np.asarray(dataset)


_MAX_DEPTH = 20  # groups within groups
