"""Looks at an ONNX file before it is loaded: its weights may be said to lie in any other file."""

# Where they do, a message says so: field 1, a name of 8 letters.
_ELSEWHERE = b"\x0a\x08location"


def read_whole(path):
    """The bytes of a file that holds all of its weights.

    Raises:
        ValueError: if weights lie in another file.
    """
    with open(path, "rb") as file:
        content = file.read()
    if _ELSEWHERE in content:
        raise ValueError("its weights lie in another file, which those of no export do")
    return content
