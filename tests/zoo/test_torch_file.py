"""Files of torch, written by pickling stand-ins of its classes, and a real one."""

import collections
import io
import pickle
import sys
import types
import zipfile

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from attention_zoo.errors import UserError
from attention_zoo.zoo.importers.torch_file import read_torch_file


def torch_modules():
    """Modules that are named as torch's, for pickling by reference."""
    torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")

    def _rebuild_tensor_v2(*arguments):
        raise AssertionError("only its name is pickled")

    _rebuild_tensor_v2.__module__ = "torch._utils"
    _rebuild_tensor_v2.__qualname__ = "_rebuild_tensor_v2"
    utils._rebuild_tensor_v2 = _rebuild_tensor_v2
    for name in ("FloatStorage", "HalfStorage", "BFloat16Storage", "LongStorage"):
        setattr(torch, name, type(name, (), {"__module__": "torch"}))
    return {"torch": torch, "torch._utils": utils}


class Tensor:
    """Pickles as torch's tensors do."""

    def __init__(self, storage, key, number, size, stride, offset=0):
        self.arguments = ((storage, key, number), offset, size, stride, False, None)

    def __reduce__(self):
        utils = sys.modules["torch._utils"]
        (storage, key, number), *rest = self.arguments
        reference = Storage(getattr(sys.modules["torch"], storage), key, number)
        return utils._rebuild_tensor_v2, (reference, *rest)


class Storage:
    def __init__(self, kind, key, number):
        self.pid = ("storage", kind, key, "cpu", number)


def pickled(content, legacy=False):
    class Pickler(pickle.Pickler):
        def persistent_id(self, item):
            if not isinstance(item, Storage):
                return None
            return (*item.pid, None) if legacy else item.pid

    file = io.BytesIO()
    Pickler(file, protocol=2).dump(content)
    return file.getvalue()


FLOATS = np.arange(12, dtype="<f4") / 3
BF16 = (FLOATS.view("<u4") >> 16).astype("<u2")
STATE = collections.OrderedDict(
    a=Tensor("FloatStorage", "0", 12, (3, 2), (2, 1), 6),
    turned=Tensor("FloatStorage", "0", 12, (2, 3), (1, 2)),
    brain=Tensor("BFloat16Storage", "1", 12, (12,), (1,)),
    number=Tensor("LongStorage", "2", 1, (), ()),
)
BYTES = {"0": FLOATS.tobytes(), "1": BF16.tobytes(), "2": np.array([7], "<i8").tobytes()}


def write_torch(path, content, form, monkeypatch):
    for name, module in torch_modules().items():
        monkeypatch.setitem(sys.modules, name, module)
    if form == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("archive/data.pkl", pickled(content))
            archive.writestr("archive/byteorder", "little")
            for key, data in BYTES.items():
                archive.writestr(f"archive/data/{key}", data)
        return
    numbers = {"0": 12, "1": 12, "2": 1}
    parts = [pickle.dumps(0x1950A86A20F9469CFC6C, 2), pickle.dumps(1001, 2), pickle.dumps({}, 2)]
    parts += [pickled(content, legacy=True), pickle.dumps([*BYTES], 2)]
    for key, data in BYTES.items():
        parts += [np.array([numbers[key]], "<i8").tobytes(), data]
    path.write_bytes(b"".join(parts))


@pytest.mark.parametrize("form", ["zip", "legacy"])
def test_files_of_torch(form, tmp_path, monkeypatch):
    path = tmp_path / "pytorch_model.bin"
    write_torch(path, STATE, form, monkeypatch)
    arrays = read_torch_file(path)
    assert_array_equal(arrays["a"], FLOATS[6:].reshape(3, 2))
    assert_array_equal(arrays["turned"], FLOATS[:6].reshape(3, 2).T)
    assert_allclose(arrays["brain"], FLOATS, rtol=2**-7)
    assert arrays["number"] == 7


class Evil:
    def __reduce__(self):
        return exec, ("raise SystemError('code of the file was run')",)


@pytest.mark.parametrize("form", ["zip", "legacy"])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"a": Evil()}, r"refers to (builtins|__builtin__)\.exec, which is not part"),
        (
            {"a": Tensor("FloatStorage", "0", 12, (4, 4), (4, 1))},
            "a tensor reaches beyond its storage",
        ),
        ({"a": [Tensor("FloatStorage", "0", 12, (12,), (1,))]}, "is not a state dict|damaged"),
    ],
)
def test_files_of_torch_run_no_code(content, message, form, tmp_path, monkeypatch):
    path = tmp_path / "pytorch_model.bin"
    write_torch(path, content, form, monkeypatch)
    with pytest.raises(UserError, match=message):
        read_torch_file(path)


@pytest.mark.parametrize("form", ["zip", "legacy"])
def test_a_file_of_torch_cut_anywhere(form, tmp_path, monkeypatch):
    path = tmp_path / "pytorch_model.bin"
    write_torch(path, STATE, form, monkeypatch)
    content = path.read_bytes()
    for length in range(len(content)):
        path.write_bytes(content[:length])
        with pytest.raises(UserError, match="is damaged or not a file of tensors"):
            read_torch_file(path)


@pytest.mark.parametrize("arguments", [(), ("no storage", 0, (1,), (1,)), (None, 0, (1,), (1,))])
def test_a_tensor_of_something_else(arguments, tmp_path, monkeypatch):
    class Odd:
        def __reduce__(self):
            return sys.modules["torch._utils"]._rebuild_tensor_v2, arguments

    path = tmp_path / "pytorch_model.bin"
    write_torch(path, {"a": Odd()}, "zip", monkeypatch)
    with pytest.raises(UserError, match="is damaged or not a file of tensors"):
        read_torch_file(path)


@pytest.mark.parametrize("keep", [0.0, 0.3, 0.9])
def test_a_cut_file_of_torch(keep, rxnfp, tmp_path):
    content = (rxnfp / "pytorch_model.bin").read_bytes()
    path = tmp_path / "pytorch_model.bin"
    path.write_bytes(content[: int(keep * len(content))])
    with pytest.raises(UserError, match="is damaged or not a file of tensors"):
        read_torch_file(path)


def zipped(content, path, numbers, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression=compression) as archive:
        archive.writestr("archive/data.pkl", content)
        archive.writestr("archive/data/0", numbers)
    return path


def test_tensors_much_larger_than_the_file(tmp_path, monkeypatch):
    for name, module in torch_modules().items():
        monkeypatch.setitem(sys.modules, name, module)
    again = pickled({"x": Tensor("FloatStorage", "0", 1, (10**9,), (0,))})
    with pytest.raises(UserError, match="its tensors are many times as large as the file"):
        read_torch_file(zipped(again, tmp_path / "a.bin", bytes(4)))
    views = {str(i): Tensor("FloatStorage", "0", 9000, (9000,), (1,)) for i in range(40)}
    with pytest.raises(UserError, match="its tensors are many times as large as the file"):
        read_torch_file(zipped(pickled(views), tmp_path / "b.bin", bytes(36000)))
    zeros = pickled({"x": Tensor("FloatStorage", "0", 10**6, (10**6,), (1,))})
    compressed = zipped(zeros, tmp_path / "c.bin", bytes(4 * 10**6), zipfile.ZIP_DEFLATED)
    with pytest.raises(UserError, match="it is compressed, which files of torch never are"):
        read_torch_file(compressed)
    shared = pickled({n: Tensor("FloatStorage", "0", 3, (3,), (1,)) for n in ("tied", "table")})
    found = read_torch_file(zipped(shared, tmp_path / "d.bin", np.float32([1, 2, 3]).tobytes()))
    assert [array.tolist() for array in found.values()] == [[1, 2, 3]] * 2


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x80\x02}r\xff\xff\xff\x7f.", "a memo index is larger than the file"),
        (
            # A list of two lists of two lists ...: short to write, endless to show.
            b"\x80\x02(lq\x00"
            + b"".join(b"(h%ch%clq%c" % (i, i, i + 1) for i in range(8, 100))
            + b"Q.",
            "is damaged or not a file of tensors",
        ),
        (b"\x80\x02}K\x01K\x02s.", "is not a state dict"),
    ],
    ids=["memo", "nested", "numbers"],
)
def test_pickles_that_are_no_tensors(content, message, tmp_path):
    with pytest.raises(UserError, match=message):
        read_torch_file(zipped(content, tmp_path / "a.bin", b""))
