"""Reads the arrays in a npz file: nothing is unpickled, nothing is out of proportion."""

import io
import zipfile

import numpy as np

from attention_zoo.errors import UserError
from attention_zoo.files import read_file

# What a file may hold for each of its bytes: arrays of numbers are hardly ever so alike.
_LARGEST_RATIO = 100
_ALWAYS = 1 << 26


def read_npz(path):
    """Reads a file that `numpy.savez` or `savez_compressed` wrote.

    Args:
        path: the file.

    Returns:
        A dict from name to array, of numbers or strings.

    Raises:
        UserError: if the file is missing or damaged, holds objects, or a few bytes claim to be
            very many.
    """
    content = read_file(path)
    limit = max(_ALWAYS, _LARGEST_RATIO * len(content))
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            size = sum(member.file_size for member in archive.infolist())
            if size > limit:
                raise ValueError(f"its {len(content):,} bytes would become {size:,}")
            return {
                member.filename.removesuffix(".npy"): _read_array(archive, member)
                for member in archive.infolist()
            }
    # Whatever zipfile, zlib and NumPy raise at bytes that are not as they were.
    except Exception as error:
        raise UserError(f"{path} is no npz file, or is damaged: {error}") from error


def _read_array(archive, member):
    content = io.BytesIO(archive.read(member))
    version = np.lib.format.read_magic(content)
    if version not in _HEADERS:
        raise ValueError(f"{member.filename} is of version {version}")
    shape, _, dtype = _HEADERS[version](content)
    # Before NumPy makes room for as many numbers as the header says.
    size = np.prod(shape, dtype=object) * dtype.itemsize
    if size != len(content.getbuffer()) - content.tell():
        raise ValueError(f"{member.filename} should have {size} bytes")
    content.seek(0)
    return np.lib.format.read_array(content, allow_pickle=False)


_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}
