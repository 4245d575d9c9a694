"""ONNX files decode as the model does."""

import subprocess
import sys

import numpy as np
import onnx
import pytest
import tensorflow as tf
from reference.encoder_tasks import make

from attention_zoo.errors import UserError
from attention_zoo.export import planning
from attention_zoo.export.export import export
from attention_zoo.export.onnx_graphs import OPSET
from attention_zoo.tasks.encoder_task import ids_of


@pytest.fixture(
    scope="module", params=[pytest.param(1, marks=pytest.mark.slow), 3], ids=["greedy", "beam"]
)
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


ENGINES = {
    "onnxruntime": """
import onnxruntime
session = onnxruntime.InferenceSession(sys.argv[1])
def run(inputs):
    return dict(zip((o.name for o in session.get_outputs()), session.run(None, inputs)))
""",
    # By default it computes in bfloat16 where the processor has it.
    "openvino": """
import openvino
model = openvino.Core().compile_model(sys.argv[1], "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
def run(inputs):
    return {output.get_any_name(): array for output, array in model(inputs).items()}
""",
}
SCRIPT = """
import sys
import numpy as np
{engine}
arrays = np.load(sys.argv[2])
names = sorted({{key.split("/")[0] for key in arrays.files}})
found = {{}}
for name in names:
    inputs = {{k.split("/")[1]: arrays[k] for k in arrays.files if k.startswith(name + "/")}}
    found.update({{name + "/" + key: value for key, value in run(inputs).items()}})
np.savez(sys.argv[3], **found)
"""


def ask(engine, path, calls, tmp_path):
    """In another process, since these engines and TensorFlow do not always share one."""
    asked, answer = tmp_path / "asked.npz", tmp_path / "answer.npz"
    np.savez(asked, **{f"{c}/{n}": a for c, inputs in calls.items() for n, a in inputs.items()})
    script = SCRIPT.format(engine=ENGINES[engine])
    command = [sys.executable, "-I", "-c", script, str(path)]
    process = subprocess.run([*command, asked, answer], capture_output=True, text=True, timeout=600)
    assert process.returncode == 0, process.stderr[-3000:]
    with np.load(answer) as found:
        return {name: found[f"{name}/logits"] for name in calls}


@pytest.mark.parametrize("engine", ENGINES)
def test_any_batch_and_length(engine, exported, task, tmp_path):
    rng = np.random.default_rng(2)
    calls = {
        f"{batch} {source} {target}": {
            "source_ids": rng.integers(4, 40, (batch, source)).astype("int32"),
            "target_ids": rng.integers(4, 40, (batch, target)).astype("int32"),
        }
        for batch, source, target in [(1, 1, 1), (3, 7, 2), (9, 2, 11)]
    }
    found = ask(engine, exported[0] / "logits.onnx", calls, tmp_path)
    for name, inputs in calls.items():
        logits = task.model([inputs["source_ids"], inputs["target_ids"]]).numpy()
        np.testing.assert_allclose(found[name], logits, atol=1e-4)


@pytest.mark.parametrize("engine", ENGINES)
def test_an_encoder_of_any_batch_and_length(engine, tmp_path):
    task, examples = make("classify")
    export(task, tmp_path / "out", ["onnx"], examples=examples, max_drop=100)
    calls = {}
    for texts in (["alpha"], ["beta alpha beta", "gamma", ""]):
        inputs = ids_of(task.encode(tf.constant(texts)))
        calls[str(len(texts))] = {name: tensor.numpy() for name, tensor in inputs.items()}
    found = ask(engine, tmp_path / "out" / "onnx" / "serving_default.onnx", calls, tmp_path)
    for name, inputs in calls.items():
        np.testing.assert_allclose(found[name], task.model(inputs).numpy(), atol=1e-4)


def test_a_missing_converter_is_named_before_anything_is_written(task, tmp_path, monkeypatch):
    find = planning.importlib.util.find_spec
    monkeypatch.setattr(
        planning.importlib.util, "find_spec", lambda name: None if name == "tf2onnx" else find(name)
    )
    message = r"onnx needs tf2onnx: pip install 'attention-zoo\[onnx\]'"
    with pytest.raises(UserError, match=message):
        export(task, tmp_path / "out", ["onnx"])
    assert not (tmp_path / "out").exists()
