"""ONNX files decode as the model does, and other runtimes read them too."""

import numpy as np
import onnx
import onnxruntime
import openvino
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


def test_any_batch_and_any_length(exported, task, examples):
    session = onnxruntime.InferenceSession(exported[0] / "serving_default.onnx")
    texts = [source for source, _ in examples[:9]]
    source_ids = task.source_tokenizer.encode(texts, task.max_source_length).numpy()
    together = session.run(["target_ids"], {"source_ids": source_ids})[0]
    for row, text in enumerate(texts):
        ids = task.source_tokenizer.encode([text], task.max_source_length).numpy()
        alone = session.run(["target_ids"], {"source_ids": ids})[0]
        np.testing.assert_array_equal(alone[0], together[row])


def test_openvino_reads_it(exported, task, examples):
    text = [examples[0][0]]
    source_ids = task.source_tokenizer.encode(text, task.max_source_length).numpy()
    target_ids = np.array([[2, 7, 9]], np.int32)
    # Unless told otherwise it computes in bfloat16 where the processor can.
    exact = {"INFERENCE_PRECISION_HINT": "f32"}
    compiled = openvino.compile_model(exported[0] / "logits.onnx", "CPU", exact)
    logits = compiled({"source_ids": source_ids, "target_ids": target_ids})["logits"]
    expected = task.model([source_ids, target_ids]).numpy()
    np.testing.assert_allclose(logits, expected, atol=1e-4)


def test_a_missing_converter_is_named_before_anything_is_written(task, tmp_path, monkeypatch):
    find = formats.importlib.util.find_spec
    monkeypatch.setattr(
        formats.importlib.util, "find_spec", lambda name: None if name == "tf2onnx" else find(name)
    )
    message = r"onnx needs tf2onnx: pip install 'attention-zoo\[onnx\]'"
    with pytest.raises(UserError, match=message):
        export(task, tmp_path / "out", ["onnx"])
    assert not (tmp_path / "out").exists()
