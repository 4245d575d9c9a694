"""Reads arrays from npz files, which may be untrusted: nothing is unpickled."""

import io
import zipfile

import numpy as np

from attention_zoo.errors import UserError
from attention_zoo.files import read_file

# Largest plausible compression of arrays, and a size that is always allowed.
_MAX_RATIO = 100
_ALWAYS_ALLOWED = 1 << 26


def read_npz(path):
    """Reads a file that `numpy.savez` or `savez_compressed` wrote.

    Args:
        path: the file.

    Returns:
        A dict from name to array, of numbers or strings.

    Raises:
        UserError: if the file is missing or damaged, contains objects, or would expand to far
            more than its size.
    """
    content = read_file(path)
    limit = max(_ALWAYS_ALLOWED, _MAX_RATIO * len(content))
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            size = sum(member.file_size for member in archive.infolist())
            if size > limit:
                raise ValueError(f"its {len(content):,} bytes would become {size:,}")
            return {
                member.filename.removesuffix(".npy"): _read_array(archive, member)
                for member in archive.infolist()
            }
    # zipfile, zlib and NumPy raise many kinds of errors for damaged files.
    except Exception as error:
        raise UserError(f"{path} is damaged or not an npz file: {error}") from error


def _read_array(archive, member):
    content = io.BytesIO(archive.read(member))
    version = np.lib.format.read_magic(content)
    if version not in _HEADERS:
        raise ValueError(f"{member.filename} has the unknown version {version}")
    shape, _, dtype = _HEADERS[version](content)
    # Checked before NumPy allocates what the header says.
    size = np.prod(shape, dtype=object) * dtype.itemsize
    if size != len(content.getbuffer()) - content.tell():
        raise ValueError(f"{member.filename} should have {size} bytes")
    content.seek(0)
    return np.lib.format.read_array(content, allow_pickle=False)


_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}
