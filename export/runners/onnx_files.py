"""Checks an ONNX file before it is loaded: it could read weights from any other file."""

# The key of external data in protobuf: field 1, a string of 8 letters.
_ELSEWHERE = b"\x0a\x08location"


def read_whole(path):
    """Reads a file that contains all of its weights.

    Raises:
        ValueError: if weights are in another file.
    """
    with open(path, "rb") as file:
        content = file.read()
    if _ELSEWHERE in content:
        raise ValueError("its weights are in another file, unlike those of any export")
    return content
