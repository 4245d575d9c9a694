"""Reads files saved by torch, without torch and without running code from the file.

Such files are pickles, and unpickling can call any function that the file names. Here only the
few names needed for tensors are accepted, and mapped to functions of this module; any other
name is an error.
"""

import collections
import io
import math
import pickle
import pickletools
import zipfile

import numpy as np

from attention_zoo.errors import UserError
from attention_zoo.files import read_file

# The first two pickles of the format before torch 1.6.
_MAGIC, _PROTOCOL = 0x1950A86A20F9469CFC6C, 1001
# Tensors may share a storage, as tied weights do; together they may be this many times as large
# as the file.
_MAX_SHARING = 4
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
        UserError: if the file is missing or damaged, is not a state dict, or contains anything
            but tensors.
    """
    content = read_file(path)
    try:
        reader = _read_zip if zipfile.is_zipfile(io.BytesIO(content)) else _read_legacy
        state = reader(content)
    # Unpickling can raise any exception.
    except Exception as error:
        raise UserError(f"{path} is damaged or not a file of tensors: {error}") from error
    if not isinstance(state, dict) or not all(
        isinstance(name, str) and isinstance(v, np.ndarray) for name, v in state.items()
    ):
        raise UserError(f"{path} is not a state dict, that is a dict from name to tensor")
    return dict(state)


class _TensorUnpickler(pickle.Unpickler):
    """Unpickles tensors as arrays, and refuses anything else.

    Args:
        file: the pickle.
        load_storage: a function from the persistent id of a storage to a flat array.
        budget: largest size of all tensors together, in bytes.
    """

    def __init__(self, file, load_storage, budget=0):
        _check_memo(file)
        super().__init__(file)
        self._load_storage = load_storage
        self._budget = budget

    def find_class(self, module, name):
        # New functions at each call, because a pickle may set attributes on them.
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return lambda *arguments: self._tensor(*arguments)
        if (module, name) == ("torch._utils", "_rebuild_parameter"):
            return lambda tensor, *_: tensor
        if module == "torch" and name in _STORAGES:
            return _STORAGES[name]
        raise pickle.UnpicklingError(f"it refers to {module}.{name}, which is not part of a tensor")

    def persistent_load(self, pid):
        if not isinstance(pid, tuple) or len(pid) < 5 or pid[0] != "storage":
            raise pickle.UnpicklingError("it refers to an object that is not a storage")
        if pid[1] not in _STORAGES.values():
            raise pickle.UnpicklingError("it refers to a storage of unknown dtype")
        return self._load_storage(pid)

    def _tensor(self, storage, offset, size, stride, *_):
        """A view of a flat array."""
        if not isinstance(storage, np.ndarray):
            raise pickle.UnpicklingError("a tensor refers to an object that is not a storage")
        last = offset + sum((n - 1) * s for n, s in zip(size, stride, strict=True))
        negative = any(n < 0 for n in (offset, *size, *stride))
        if negative or (0 not in size and last >= len(storage)):
            raise pickle.UnpicklingError("a tensor reaches beyond its storage")
        self._budget -= math.prod(size) * storage.itemsize
        if self._budget < 0:
            raise pickle.UnpicklingError("its tensors are many times as large as the file")
        strides = [s * storage.itemsize for s in stride]
        return np.lib.stride_tricks.as_strided(storage[offset:], size, strides, writeable=False)


def _check_memo(file):
    """Refuses memo indices larger than the pickle, for which memory would be allocated."""
    start, size = file.tell(), len(file.getbuffer())
    for opcode, argument, _ in pickletools.genops(file):
        if opcode.name.endswith("PUT") and int(argument) > size:
            raise pickle.UnpicklingError("a memo index is larger than the file")
    file.seek(start)


def _decode(content, dtype, size):
    if dtype == "bfloat16":
        halves = np.frombuffer(content, "<u2", size).astype("<u4")
        return (halves << 16).view("<f4")
    return np.frombuffer(content, dtype, size)


def _read_zip(content):
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        if sum(member.file_size for member in archive.infolist()) > len(content):
            raise ValueError("it is compressed, which files of torch never are")
        (pickled,) = (name for name in archive.namelist() if name.endswith("/data.pkl"))
        folder = pickled.removesuffix("data.pkl")
        if f"{folder}byteorder" in archive.namelist():
            order = archive.read(f"{folder}byteorder")
            if order != b"little":
                raise ValueError(f"bytes in the order {order!r} cannot be read")

        storages = {}

        def load(pid):
            _, dtype, key, _, size = pid[:5]
            if (dtype, key) not in storages:
                bytes_ = archive.read(f"{folder}data/{key}")
                storages[dtype, key] = _decode(bytes_, dtype, size)
            return storages[dtype, key]

        budget = _MAX_SHARING * len(content)
        return _TensorUnpickler(io.BytesIO(archive.read(pickled)), load, budget).load()


def _read_legacy(content):
    """Reads the older format: four pickles, the keys of the storages, then their bytes."""
    storages, left = {}, len(content)

    def reserve(pid):
        nonlocal left
        _, dtype, key, _, size, *_ = pid
        width = 2 if dtype == "bfloat16" else np.dtype(dtype).itemsize
        if key not in storages:
            left -= size * width
            if left < 0:
                raise ValueError("its storages are larger than the file")
            storages[key] = np.zeros(size, "<f4" if dtype == "bfloat16" else dtype)
        return storages[key]

    dtypes = {}

    def load(pid):
        dtypes[pid[2]] = pid[1]
        return reserve(pid)

    def refuse(pid):
        raise pickle.UnpicklingError("an unexpected storage")

    file = io.BytesIO(content)
    if [_TensorUnpickler(file, refuse).load() for _ in range(2)] != [_MAGIC, _PROTOCOL]:
        raise ValueError("it does not begin as files of torch do")
    _TensorUnpickler(file, refuse).load()  # sizes of C types
    # Tensors come before the values of their storages: read the dtypes, the values, then the
    # tensors.
    start = file.tell()
    budget = _MAX_SHARING * len(content)
    _TensorUnpickler(file, load, budget).load()
    for key in _TensorUnpickler(file, refuse).load():
        size = int(np.frombuffer(file.read(8), "<i8")[0])
        width = 2 if dtypes[key] == "bfloat16" else np.dtype(dtypes[key]).itemsize
        storages[key][:] = _decode(file.read(size * width), dtypes[key], size)
    file.seek(start)
    return _TensorUnpickler(file, reserve, budget).load()
