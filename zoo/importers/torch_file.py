"""Reads the arrays in a file that torch saved, without torch and without running code of it.

Such files are pickles, and unpickling runs what the file says. So the only names that are
looked up here are the few that tensors are made of, and they stand for functions of ours;
any other name is an error.
"""

import collections
import io
import pickle
import zipfile
from pathlib import Path

import numpy as np

from attention_zoo.errors import UserError

# The first two pickles of the format that torch wrote before version 1.6.
_MAGIC, _PROTOCOL = 0x1950A86A20F9469CFC6C, 1001
# What a pickle raises whose bytes are not as they were.
_DAMAGE = (
    pickle.UnpicklingError,
    zipfile.BadZipFile,
    AttributeError,
    EOFError,
    IndexError,
    KeyError,
    TypeError,
    ValueError,
)
_STORAGES = {
    "FloatStorage": "<f4",
    "DoubleStorage": "<f8",
    "HalfStorage": "<f2",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ShortStorage": "<i2",
    "CharStorage": "i1",
    "ByteStorage": "u1",
    "BoolStorage": "?",
}


def read_torch_file(path):
    """Reads the state dict in a `.bin` or `.pt` file.

    Args:
        path: a file that `torch.save` wrote, in the zip format or the older one.

    Returns:
        A dict from name to array; bfloat16 becomes float32.

    Raises:
        UserError: if the file is missing or damaged, is no state dict, or asks for
            anything but tensors.
    """
    try:
        content = Path(path).read_bytes()
        reader = _read_zip if zipfile.is_zipfile(io.BytesIO(content)) else _read_legacy
        found = reader(content)
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from error
    except _DAMAGE as error:
        raise UserError(f"{path} is no file of tensors, or is damaged: {error}") from error
    if not isinstance(found, dict) or not all(isinstance(v, np.ndarray) for v in found.values()):
        raise UserError(f"{path} is no state dict: a dict from name to tensor is needed")
    return dict(found)


class _TensorUnpickler(pickle.Unpickler):
    """Makes arrays of tensors, and nothing else of anything else.

    Args:
        file: the pickle.
        load_storage: a function from the persistent id of a storage to a flat array.
    """

    def __init__(self, file, load_storage):
        super().__init__(file)
        self._load_storage = load_storage

    def find_class(self, module, name):
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _tensor
        if (module, name) == ("torch._utils", "_rebuild_parameter"):
            return lambda tensor, *_: tensor
        if module == "torch" and name in _STORAGES:
            return _STORAGES[name]
        raise pickle.UnpicklingError(f"it asks for {module}.{name}, which is no tensor")

    def persistent_load(self, pid):
        if not isinstance(pid, tuple) or len(pid) < 5 or pid[0] != "storage":
            raise pickle.UnpicklingError(f"it asks for {pid!r}, which is no storage")
        return self._load_storage(pid)


def _tensor(storage, offset, size, stride, *_):
    """A view of a flat array, as a copy of its own."""
    last = offset + sum((n - 1) * s for n, s in zip(size, stride, strict=True))
    if any(n < 0 for n in (offset, *size, *stride)) or (0 not in size and last >= len(storage)):
        raise pickle.UnpicklingError("a tensor reaches beyond its storage")
    strides = [s * storage.itemsize for s in stride]
    return np.lib.stride_tricks.as_strided(storage[offset:], size, strides).copy()


def _decode(content, dtype, number):
    if dtype == "bfloat16":
        halves = np.frombuffer(content, "<u2", number).astype("<u4")
        return (halves << 16).view("<f4")
    return np.frombuffer(content, dtype, number)


def _read_zip(content):
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        (pickled,) = (name for name in archive.namelist() if name.endswith("/data.pkl"))
        folder = pickled.removesuffix("data.pkl")
        if f"{folder}byteorder" in archive.namelist():
            order = archive.read(f"{folder}byteorder")
            if order != b"little":
                raise ValueError(f"bytes in the order {order!r} cannot be read")

        def load(pid):
            _, dtype, key, _, number = pid[:5]
            return _decode(archive.read(f"{folder}data/{key}"), dtype, number)

        return _TensorUnpickler(io.BytesIO(archive.read(pickled)), load).load()


def _read_legacy(content):
    """The older format: four pickles, the keys of the storages, then their bytes."""
    storages = {}

    def reserve(pid):
        _, dtype, key, _, number, *_ = pid
        width = 2 if dtype == "bfloat16" else np.dtype(dtype).itemsize
        if number * width > len(content):
            raise ValueError("a storage is larger than the file")
        return storages.setdefault(key, np.zeros(number, "<f4" if dtype == "bfloat16" else dtype))

    dtypes = {}

    def load(pid):
        dtypes[pid[2]] = pid[1]
        return reserve(pid)

    def refuse(pid):
        raise pickle.UnpicklingError(f"unexpected storage {pid!r}")

    file = io.BytesIO(content)
    if [_TensorUnpickler(file, refuse).load() for _ in range(2)] != [_MAGIC, _PROTOCOL]:
        raise ValueError("it does not begin as torch's files do")
    _TensorUnpickler(file, refuse).load()  # sizes of C types
    # The tensors come before their numbers: first where each of them lies, then the numbers.
    start = file.tell()
    _TensorUnpickler(file, load).load()
    for key in _TensorUnpickler(file, refuse).load():
        number = int(np.frombuffer(file.read(8), "<i8")[0])
        width = 2 if dtypes[key] == "bfloat16" else np.dtype(dtypes[key]).itemsize
        storages[key][:] = _decode(file.read(number * width), dtypes[key], number)
    file.seek(start)
    return _TensorUnpickler(file, reserve).load()
