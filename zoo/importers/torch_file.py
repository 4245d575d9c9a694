"""Reads the arrays in a file that torch saved, without torch and without running code of it.

Such files are pickles, and unpickling runs what the file says. So the only names that are
looked up here are the few that tensors are made of, and they stand for functions of ours;
any other name is an error.
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

# The first two pickles of the format that torch wrote before version 1.6.
_MAGIC, _PROTOCOL = 0x1950A86A20F9469CFC6C, 1001
# Tensors may share what they lie in, such as tied weights; so many times, not more.
_SHARED = 4
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
    content = read_file(path)
    try:
        reader = _read_zip if zipfile.is_zipfile(io.BytesIO(content)) else _read_legacy
        found = reader(content)
    # A pickle can raise anything.
    except Exception as error:
        raise UserError(f"{path} is no file of tensors, or is damaged: {error}") from error
    if not isinstance(found, dict) or not all(
        isinstance(name, str) and isinstance(v, np.ndarray) for name, v in found.items()
    ):
        raise UserError(f"{path} is no state dict: a dict from name to tensor is needed")
    return dict(found)


class _TensorUnpickler(pickle.Unpickler):
    """Makes arrays of tensors, and nothing else of anything else.

    Args:
        file: the pickle.
        load_storage: a function from the persistent id of a storage to a flat array.
        room: how many bytes the tensors may have together.
    """

    def __init__(self, file, load_storage, room=0):
        _check_memo(file)
        super().__init__(file)
        self._load_storage = load_storage
        self._room = room

    def find_class(self, module, name):
        # Functions of each call's own: a pickle may set attributes of what it is given.
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return lambda *arguments: self._tensor(*arguments)
        if (module, name) == ("torch._utils", "_rebuild_parameter"):
            return lambda tensor, *_: tensor
        if module == "torch" and name in _STORAGES:
            return _STORAGES[name]
        raise pickle.UnpicklingError(f"it asks for {module}.{name}, which is no tensor")

    def persistent_load(self, pid):
        if not isinstance(pid, tuple) or len(pid) < 5 or pid[0] != "storage":
            raise pickle.UnpicklingError("it asks for something that is no storage")
        if pid[1] not in _STORAGES.values():
            raise pickle.UnpicklingError("it asks for a storage of unknown numbers")
        return self._load_storage(pid)

    def _tensor(self, storage, offset, size, stride, *_):
        """A view of a flat array."""
        if not isinstance(storage, np.ndarray):
            raise pickle.UnpicklingError("a tensor lies in what is no storage")
        last = offset + sum((n - 1) * s for n, s in zip(size, stride, strict=True))
        negative = any(n < 0 for n in (offset, *size, *stride))
        if negative or (0 not in size and last >= len(storage)):
            raise pickle.UnpicklingError("a tensor reaches beyond its storage")
        self._room -= math.prod(size) * storage.itemsize
        if self._room < 0:
            raise pickle.UnpicklingError("its tensors are many times as large as the file")
        strides = [s * storage.itemsize for s in stride]
        return np.lib.stride_tricks.as_strided(storage[offset:], size, strides, writeable=False)


def _check_memo(file):
    """Refuses a pickle that remembers more than it has bytes: room would be made for it."""
    start, size = file.tell(), len(file.getbuffer())
    for opcode, argument, _ in pickletools.genops(file):
        if opcode.name.endswith("PUT") and int(argument) > size:
            raise pickle.UnpicklingError("it remembers more than there is")
    file.seek(start)


def _decode(content, dtype, number):
    if dtype == "bfloat16":
        halves = np.frombuffer(content, "<u2", number).astype("<u4")
        return (halves << 16).view("<f4")
    return np.frombuffer(content, dtype, number)


def _read_zip(content):
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        if sum(member.file_size for member in archive.infolist()) > len(content):
            raise ValueError("it is compressed, which torch's files never are")
        (pickled,) = (name for name in archive.namelist() if name.endswith("/data.pkl"))
        folder = pickled.removesuffix("data.pkl")
        if f"{folder}byteorder" in archive.namelist():
            order = archive.read(f"{folder}byteorder")
            if order != b"little":
                raise ValueError(f"bytes in the order {order!r} cannot be read")

        storages = {}

        def load(pid):
            _, dtype, key, _, number = pid[:5]
            if (dtype, key) not in storages:
                bytes_ = archive.read(f"{folder}data/{key}")
                storages[dtype, key] = _decode(bytes_, dtype, number)
            return storages[dtype, key]

        room = _SHARED * len(content)
        return _TensorUnpickler(io.BytesIO(archive.read(pickled)), load, room).load()


def _read_legacy(content):
    """The older format: four pickles, the keys of the storages, then their bytes."""
    storages, left = {}, len(content)

    def reserve(pid):
        nonlocal left
        _, dtype, key, _, number, *_ = pid
        width = 2 if dtype == "bfloat16" else np.dtype(dtype).itemsize
        if key not in storages:
            left -= number * width
            if left < 0:
                raise ValueError("its storages are larger than the file")
            storages[key] = np.zeros(number, "<f4" if dtype == "bfloat16" else dtype)
        return storages[key]

    dtypes = {}

    def load(pid):
        dtypes[pid[2]] = pid[1]
        return reserve(pid)

    def refuse(pid):
        raise pickle.UnpicklingError("an unexpected storage")

    file = io.BytesIO(content)
    if [_TensorUnpickler(file, refuse).load() for _ in range(2)] != [_MAGIC, _PROTOCOL]:
        raise ValueError("it does not begin as torch's files do")
    _TensorUnpickler(file, refuse).load()  # sizes of C types
    # The tensors come before their numbers: first where each of them lies, then the numbers.
    start = file.tell()
    room = _SHARED * len(content)
    _TensorUnpickler(file, load, room).load()
    for key in _TensorUnpickler(file, refuse).load():
        number = int(np.frombuffer(file.read(8), "<i8")[0])
        width = 2 if dtypes[key] == "bfloat16" else np.dtype(dtypes[key]).itemsize
        storages[key][:] = _decode(file.read(number * width), dtypes[key], number)
    file.seek(start)
    return _TensorUnpickler(file, reserve, room).load()
