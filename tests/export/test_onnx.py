"""ONNX files decode as the model does."""

import onnx
import pytest

from attention_zoo.errors import UserError
from attention_zoo.export import formats
from attention_zoo.export.export import export
from attention_zoo.export.onnx_graphs import OPSET


@pytest.fixture(scope="module", params=[1, 3], ids=["greedy", "beam"])
def exported(request, task, tmp_path_factory):
    directory = tmp_path_factory.mktemp("onnx") / "out"
    before, task.beam_size = task.beam_size, request.param
    yield directory / "onnx", export(task, directory, ["onnx"])
    task.beam_size = before


def test_decoding_is_in_the_graph(exported, task):
    folder, report = exported
    (artefact,) = report["artefacts"]
    assert artefact["same_answers"] == 1.0
    assert artefact["max_abs_diff"] < 1e-4
    assert artefact["signatures"]["serving_default"] == {
        "inputs": {"source_ids": "int32 [-1, -1]"},
        "outputs": {
            "score": "float [-1]",
            "target_ids": f"int32 [-1, {task.max_target_length}]",
        },
    }
    assert sorted(path.name for path in folder.iterdir()) == ["logits.onnx", "serving_default.onnx"]
    model = onnx.load(folder / "serving_default.onnx")
    onnx.checker.check_model(model)
    assert [(code.domain, code.version) for code in model.opset_import if not code.domain] == [
        ("", OPSET)
    ]


def test_a_missing_converter_is_named_before_anything_is_written(task, tmp_path, monkeypatch):
    find = formats.importlib.util.find_spec
    monkeypatch.setattr(
        formats.importlib.util, "find_spec", lambda name: None if name == "tf2onnx" else find(name)
    )
    message = r"onnx needs tf2onnx: pip install 'attention-zoo\[onnx\]'"
    with pytest.raises(UserError, match=message):
        export(task, tmp_path / "out", ["onnx"])
    assert not (tmp_path / "out").exists()
