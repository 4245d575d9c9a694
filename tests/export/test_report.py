"""What a report says, that its examples run, and that its gate holds."""

import json
import re
import subprocess
import sys

import pytest
from reference.encoder_tasks import make

from attention_zoo.errors import ResultError
from attention_zoo.export.export import export, verify_export
from attention_zoo.export.formats import Format
from attention_zoo.export.results import Verification
from attention_zoo.export.verify import judge


@pytest.fixture(scope="module")
def reported(task, tmp_path_factory, untimed):
    directory = tmp_path_factory.mktemp("report") / "out"
    formats = ["saved_model", "litert", "onnx", "keras", "h5", "litert_static"]
    origin = {"run": "runs/one", "data": "data/test.tsv"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Format, "timed", True)
        report = export(task, directory, formats, ["none", "dynamic_int8"], origin=origin)
    return directory, report, (directory / "report.md").read_text(encoding="utf-8")


def test_the_page_has_every_figure(reported):
    _, report, page = reported
    assert "(run `runs/one`, data `data/test.tsv`)" in page
    for artefact in report["artefacts"]:
        assert f"| {artefact['file']} | {artefact['bytes'] / 1e6:.2f} MB | yes |" in page
        assert f"{artefact['mean_abs_diff']:.1e}" in page
        assert f"{artefact['peak_bytes'] / 1e6:.0f} MB" in page
        for times in (artefact["latency_ms"], artefact["latency_all_ms"]):
            assert 0 < times["p50"] <= times["p95"]
            assert f"{times['p50']:.1f} ms (p95 {times['p95']:.1f})" in page
    for name in ("tf2onnx", "onnxruntime", "ai-edge-litert"):
        assert f"{name} {report['versions'][name]}" in page


def test_memory_is_that_of_the_artefacts_process(reported):
    _, report, _ = reported
    saved_model, lite, *_ = report["artefacts"]
    assert 10_000_000 < lite["peak_bytes"] < saved_model["peak_bytes"] / 2


def test_the_signatures(reported):
    _, report, page = reported
    saved_model, lite, int8, *_ = (artefact["signatures"] for artefact in report["artefacts"])
    assert saved_model["serving_default"] == {
        "inputs": {"text": "string [-1]"},
        "outputs": {"score": "float32 [-1]", "text": "string [-1]"},
    }
    assert lite["logits"]["inputs"] == {
        "source_ids": "int32 [-1, -1]",
        "target_ids": "int32 [-1, -1]",
    }
    assert lite == int8
    assert "`model.tflite`, `model.dynamic_int8.tflite`:\n\n- `" in page
    line = "- `serving_default(text: string [-1])` gives `score: float32 [-1], text: string [-1]`"
    assert line in page


def test_what_ran_each_artefact(reported):
    _, report, page = reported
    ran = {artefact["file"]: set(artefact["runtime"]) for artefact in report["artefacts"]}
    assert ran["model.tflite"] == {"python", "numpy", "ai-edge-litert"}
    assert ran["onnx"] == {"python", "numpy", "onnxruntime"}
    assert {"tensorflow", "tensorflow-text"} <= ran["saved_model/1"]
    python, litert, numpy = (report["versions"][n] for n in ("python", "ai-edge-litert", "numpy"))
    versions = f"python {python}, ai-edge-litert {litert}, numpy {numpy}"
    files = ("model.tflite", "model.dynamic_int8.tflite", "static.tflite")
    assert f"{', '.join(f'`{file}`' for file in files)}, " in page
    assert f"`static.dynamic_int8.tflite`:\n\n{versions}\n" in page


def test_the_operators(reported):
    _, report, page = reported
    saved_model, lite, _, graphs, *_ = (artefact["operators"] for artefact in report["artefacts"])
    assert saved_model == ""
    assert {"WHILE", "BATCH_MATMUL", "TOPK_V2"} <= set(lite.split(", "))
    assert f"- `model.tflite`: {lite}\n" in page
    assert graphs.endswith("operator set 18")


def test_the_examples_run(reported):
    directory, _, page = reported
    examples = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    assert len(examples) == 6
    for example in examples:
        command = [sys.executable, "-I", "-c", f"{example}\nassert len(outputs)"]
        process = subprocess.run(command, cwd=directory, capture_output=True, text=True)
        assert process.returncode == 0, process.stderr
    for heading in ("TF Serving", "C++", "Kotlin"):
        assert heading in page


def test_the_examples_have_ids_of_a_text(reported, task):
    _, report, page = reported
    text, ids = report["example"]["text"], report["example"]["source_ids"]
    assert ids == task.to_ids([(text, "")])[0][0].tolist()
    assert page.count(f"np.array([{ids}], np.int32)") == 3
    assert f'The ids below are those of "{text}"' in page
    assert "`source_ids` must end in 3" in page
    assert "| static.tflite | 4 threads, one row, CompiledModel, many rows |" in page


def test_labels_are_named(tmp_path):
    encoder, examples = make("classify")
    export(encoder, tmp_path / "out", ["litert"], examples=examples)
    page = (tmp_path / "out" / "report.md").read_text(encoding="utf-8")
    assert "labels = ['x', 'y', 'z']  # of the logits, in their order" in page
    assert "`token_ids` must begin with 2 ([CLS]) and end in 3 ([SEP])" in page


@pytest.mark.parametrize(("max_drop", "failure"), [(0.8, ""), (0.5, "chrf lost 0.70 points")])
def test_the_gate(max_drop, failure):
    result = Verification(max_abs_diff=0.1, cosine=0.5, drop={"chrf": 0.7})
    found = judge(result, "dynamic_int8", max_drop)
    assert found.startswith(failure)
    assert bool(found) == bool(failure)


@pytest.mark.parametrize(
    ("largest", "beyond", "failure"),
    [
        (9e-5, 0.0, ""),
        (2e-4, 5e-5, ""),
        (2e-4, 2e-4, "numbers differ by 2.0e-04, more than 1e-04"),
        (2e-3, 5e-5, "numbers differ by 2.0e-03"),
    ],
)
def test_the_tolerance(largest, beyond, failure):
    result = Verification(max_abs_diff=largest, beyond=beyond, same_answers=1.0)
    found = judge(result, "none", 0.5)
    assert found.startswith(failure)
    assert bool(found) == bool(failure)


def test_gate_and_versions_of_an_export_stay_with_it(task, tmp_path):
    directory = tmp_path / "out"
    report = export(task, directory, ["litert"], ["dynamic_int8"], max_drop=50)
    assert report["max_drop"] == 50
    assert verify_export(directory)["max_drop"] == 50
    path = directory / "report.json"
    path.write_text(json.dumps({**report.record, "versions": {"attention-zoo": "0.0.1"}}))
    assert verify_export(directory)["versions"] == {"attention-zoo": "0.0.1"}
    path.write_text(json.dumps({**report.record, "max_drop": -100}))
    with pytest.raises(ResultError, match=r"model\.dynamic_int8\.tflite: chrf lost"):
        verify_export(directory)
