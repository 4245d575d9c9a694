"""Writes the `.bin` files of Marian, from the description of the format."""

import struct

import numpy as np

TYPES = {"int8": 0x0101, "float32": 0x0404}


def write_bin(path, arrays, quantized=None, alphas=()):
    """Writes arrays.

    Args:
        path: the file.
        arrays: a dict from name to array, float32 or int8.
        quantized: the type of the matrices of linear maps and embeddings, such as 0x4001; None
            leaves them in float32.
        alphas: names of further items, the multipliers of activations.

    Returns:
        The arrays as they are read back.
    """
    items, read = [], {}
    for name, array in arrays.items():
        # As in Marian, norms and biases stay in float32.
        is_matrix = "Wemb" in name or name.rsplit("_", 1)[-1].startswith("W")
        if quantized and is_matrix and array.dtype == "float32":
            multiplier = np.float32(127.0 / np.abs(array).max())
            integers = np.clip(np.rint(array * multiplier), -127, 127).astype("int8")
            read[name] = integers.astype("float32") / multiplier
            stored = integers if "Wemb" in name else integers.T
            data = stored.tobytes() + struct.pack("<f", multiplier)
            items.append((name, quantized, array.shape, data))
        else:
            read[name] = array
            items.append((name, TYPES[str(array.dtype)], array.shape, array.tobytes()))
    items += [(name, TYPES["float32"], (1, 1), struct.pack("<f", 3.0)) for name in alphas]
    items = [(n, t, s, data + b"\0" * (-len(data) % 256)) for n, t, s, data in items]
    content = struct.pack("<2Q", 1, len(items))
    for name, kind, shape, data in items:
        content += struct.pack("<4Q", len(name) + 1, kind, len(shape), len(data))
    content += b"".join(name.encode() + b"\0" for name, *_ in items)
    content += b"".join(np.array(shape, "<i4").tobytes() for _, _, shape, _ in items)
    following = ((len(content) + 8) // 256 + 1) * 256
    offset = following - len(content) - 8
    content += struct.pack("<Q", offset) + b"\0" * offset
    path.write_bytes(content + b"".join(data for *_, data in items))
    return read
