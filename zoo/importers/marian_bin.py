"""Reads the `.bin` files of Marian, those with 8-bit matrices too, as Firefox's translators have.

The container is that of `src/common/binary.cpp` in Marian's code: a version, headers, names,
shapes, and the items at multiples of 256 bytes. A matrix in 8 bits stands there transposed, but for
the embeddings, with its multiplier after it: a weight is its integer divided by the multiplier. So
the weights are read exactly; that Marian also rounds the activations to 8 bits has no counterpart.
"""

import struct
from pathlib import Path

import numpy as np

from attention_zoo.errors import UserError
from attention_zoo.files import read_file

_VERSION = 1
_HEADER = struct.Struct("<4Q")  # sizes of the name, the shape and the data; the type is the second
_MOST_ITEMS = 100_000
_DTYPES = {0x0101: "i1", 0x0102: "<i2", 0x0104: "<i4", 0x0404: "<f4"}
# In the layout that is the same on every processor, as Bergamot and as Marian 1.12 number it.
_QUANTIZED = {0x4001: "i1", 0x4002: "<i2", 0x10001: "i1", 0x10002: "<i2"}
_EMBEDDING = "Wemb"
# By which activations are multiplied before they are rounded.
_OF_ACTIVATIONS = "QuantMultA"


def read_bin(path: Path) -> dict[str, np.ndarray]:
    """Reads the arrays of a file.

    Raises:
        UserError: if it is missing or damaged, or an item has a type that cannot be read.
    """
    content = read_file(path)
    try:
        return _read(content)
    except (struct.error, ValueError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is damaged, or no model of Marian: {error}") from error


def _read(content: bytes) -> dict[str, np.ndarray]:
    version, count = struct.unpack_from("<2Q", content)
    if version != _VERSION or count > _MOST_ITEMS:
        raise ValueError(f"version {version} with {count} items; accepted is {_VERSION}")
    place = 16
    headers = [_HEADER.unpack_from(content, place + i * _HEADER.size) for i in range(count)]
    place += count * _HEADER.size
    names, shapes, arrays = [], [], {}
    for length, *_ in headers:
        names.append(_part(content, place, length).rstrip(b"\0").decode())
        place += length
    for _, _, rank, _ in headers:
        shape = np.frombuffer(_part(content, place, 4 * rank), "<i4").tolist()
        if any(size < 0 for size in shape):
            raise ValueError(f"a shape is {shape}")
        shapes.append(shape)
        place += 4 * rank
    (offset,) = struct.unpack_from("<Q", content, place)
    place += 8 + offset
    for (_, kind, _, length), name, shape in zip(headers, names, shapes, strict=True):
        data = _part(content, place, length)
        place += length
        if not name.endswith(_OF_ACTIVATIONS):
            arrays[name] = _array(name, kind, shape, data)
    return arrays


def _part(content: bytes, start: int, length: int) -> bytes:
    if start + length > len(content):
        raise ValueError(f"it ends after {len(content):,} bytes")
    return content[start : start + length]


def _array(name: str, kind: int, shape: list[int], data: bytes) -> np.ndarray:
    """The array of an item, in float32 if it is a matrix of integers."""
    dtype = np.dtype(_DTYPES.get(kind) or _QUANTIZED.get(kind) or "V0")
    if dtype.itemsize == 0:
        raise ValueError(f"{name} has the type {kind:#x}, which is of another layout")
    size = int(np.prod(shape, dtype=object))
    if kind in _DTYPES:
        return np.frombuffer(_part(data, 0, size * dtype.itemsize), dtype).reshape(shape)
    integers = np.frombuffer(_part(data, 0, size * dtype.itemsize), dtype)
    (multiplier,) = struct.unpack_from("<f", data, size * dtype.itemsize)
    if not (np.isfinite(multiplier) and multiplier > 0):
        raise ValueError(f"the multiplier of {name} is {multiplier}")
    if _EMBEDDING not in name:
        columns = shape[-1]
        integers = integers.reshape(columns, size // max(columns, 1)).T
    return (integers.astype("float32") / np.float32(multiplier)).reshape(shape)
