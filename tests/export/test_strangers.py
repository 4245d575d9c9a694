"""Export directories from strangers and damaged disks: nothing in them is believed, or executed."""

import json
import os
import shutil
import zipfile

import h5py
import keras
import numpy as np
import onnx
import pytest
import tensorflow as tf
import tf_keras
from hypothesis import given
from hypothesis import strategies as st
from reference.damage import files_in, flips, fuzzed, mutations
from reference.encoder_tasks import TEXTS, make
from tensorflow.core.protobuf import saved_model_pb2

from attention_zoo.errors import ResultError, UserError
from attention_zoo.export import export as exporting
from attention_zoo.export.artefact import load_reader
from attention_zoo.export.expected import check_expected, load_expected
from attention_zoo.export.export import export, verify_export
from attention_zoo.export.keras_2 import _ARGUMENTS
from attention_zoo.export.results import Verification, read_report
from attention_zoo.export.runners import protocol
from attention_zoo.export.runners.keras_files import LAYERS, check_keras_file
from attention_zoo.export.runners.onnx_files import read_whole
from attention_zoo.export.runners.saved_graph import check_saved_graph
from attention_zoo.loading import load

TFLITE, SAVED_MODEL = "model.tflite", "saved_model/1"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """An export of several formats, and what the task answers."""
    task, examples = make("classify")
    directory = tmp_path_factory.mktemp("strangers") / "out"
    with pytest.MonkeyPatch.context() as patch:  # other tests see to it that they are right
        patch.setattr(exporting, "verify_artefact", lambda *_: Verification(verified=True))
        export(task, directory, ["saved_model", "litert", "h5"], examples=examples[:3])
    return directory, task(TEXTS)


@pytest.fixture
def copy(made, tmp_path):
    return shutil.copytree(made[0], tmp_path / "copy")


@pytest.fixture
def unreported(copy):
    """Artefacts with tokenizers and no report, as someone may have put them together."""
    (copy / "report.json").unlink()
    return copy


def edit(directory, change):
    path = directory / "report.json"
    report = json.loads(path.read_text(encoding="utf-8"))
    change(report)
    path.write_text(json.dumps(report), encoding="utf-8")


@pytest.mark.parametrize("artefact", [TFLITE, SAVED_MODEL])
def test_a_flipped_bit_is_noticed_before_an_artefact_is_loaded(artefact, made, copy):
    beside = [copy / "task.json", *files_in(copy / "tokenizer")]
    own = files_in(copy / artefact) or [copy / artefact]
    for path in flips([*own, *beside], 3 * len([*own, *beside])):
        with pytest.raises(UserError, match=r"is damaged: its SHA-256 is not the one in report"):
            load(copy / artefact)
            pytest.fail(f"{path} was loaded")
    assert load(copy / artefact)(TEXTS) == made[1]


def test_a_flipped_bit_of_the_report_is_noticed_or_harmless(made, copy):
    for _ in flips([copy / "report.json"], 25):
        try:
            assert load(copy / TFLITE)(TEXTS[:2]) == made[1][:2]
        except UserError:
            continue


@pytest.mark.parametrize("artefact", [TFLITE, SAVED_MODEL])
def test_a_damaged_artefact_without_a_report_is_no_traceback(artefact, unreported):
    for path in files_in(unreported / artefact) or [unreported / artefact]:
        content = path.read_bytes()
        for length in (0, len(content) // 2):
            path.write_bytes(content[:length])
            try:
                load(unreported / artefact)
            except UserError:
                continue
        path.write_bytes(content)


def test_verification_names_what_was_damaged(copy):
    (copy / TFLITE).write_bytes(b"")
    edit(copy, lambda report: report.update(artefacts=[report["artefacts"][1]]))
    with pytest.raises(ResultError, match=rf"^verification failed for {TFLITE}: "):
        verify_export(copy)
    for path in flips([copy / "verification" / "expected.npz"], 12):
        with pytest.raises((UserError, ResultError)):
            verify_export(copy)
            pytest.fail(f"{path} was believed")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r: r.update(artefacts={}), "artefacts: Input should be a valid list"),
        (
            lambda r: r["artefacts"][0].update(file="../../x"),
            "lists an artefact that this version does not export",
        ),
        (lambda r: r["artefacts"][0].update(file=5), r"artefacts\.0\.file: Input should be"),
        (lambda r: r["artefacts"][0].update(format=["h5"]), r"artefacts\.0\.format: Input"),
        (lambda r: r.update(max_drop="a lot"), "max_drop: Input should be a valid number"),
        (lambda r: r.update(max_drop=True), "max_drop: Input should be a valid number"),
        (lambda r: r.update(files={"task.json": 1}), r"files\.task\.json: Input should be"),
        (lambda r: r.pop("parameters"), "lacks parameters"),
    ],
)
def test_reports_that_say_what_cannot_be(change, message, copy):
    edit(copy, change)
    with pytest.raises(UserError, match=message):
        verify_export(copy)
    with pytest.raises(UserError, match=message):
        load(copy / TFLITE)


@fuzzed(60)
@given(data=st.data())
def test_any_report_and_any_task_json_is_read_or_refused(data, copy):
    for name in ("report.json", "task.json"):
        path = copy / name
        content = path.read_text(encoding="utf-8")
        path.write_text(json.dumps(data.draw(mutations(json.loads(content)))), encoding="utf-8")
        try:
            read_report(copy)
            load_reader(copy)
        except UserError:
            continue
        finally:
            path.write_text(content, encoding="utf-8")


def test_a_task_of_another_kind_than_the_artefacts(unreported):
    path = unreported / "task.json"
    said = json.loads(path.read_text())
    path.write_text(json.dumps({**said, "task": "tag", "fields": ["words", "tags"]}))
    for artefact in (TFLITE, SAVED_MODEL):
        with pytest.raises(UserError, match="does not answer as an export does"):
            load(unreported / artefact)(TEXTS)


def test_what_is_expected_by_a_stranger(made, copy):
    path, reader = copy / "verification" / "expected.npz", load_reader(copy)
    whole = load_expected(copy)
    check_expected(reader, whole, copy)
    with pytest.raises(UserError, match="lacks numbers"):
        check_expected(reader, {n: a for n, a in whole.items() if n != "numbers"}, copy)
    with pytest.raises(UserError, match="answers is from another export"):
        check_expected(reader, {**whole, "answers": np.zeros(3)}, copy)
    with pytest.raises(UserError, match="text is from another export"):
        check_expected(reader, {**whole, "text": whole["text"][:1]}, copy)
    for strings in ("[]", "{", '{"answers": [1]}', '{"answers": "x"}', "[" * 10**5):
        np.savez(path, strings=np.array(strings))
        with pytest.raises(UserError, match=r"cannot be verified: .*expected\.npz"):
            load_expected(copy)


def test_a_pipe_among_the_artefacts_is_not_waited_for(copy):
    (copy / TFLITE).unlink()
    os.mkfifo(copy / TFLITE)
    edit(copy, lambda report: report.update(artefacts=[report["artefacts"][1]]))
    with pytest.raises(ResultError, match=r"contains model\.tflite, which is not a file"):
        verify_export(copy)
    (copy / "report.json").unlink()
    with pytest.raises(UserError, match="no such file"):
        load(copy / TFLITE)


# Code in files of Keras


def test_a_lambda_layer_in_a_h5_file_does_not_run(copy, tmp_path):
    trace = tmp_path / "trace"
    with h5py.File(copy / "model.h5", "r+") as file:
        said = json.loads(file.attrs["model_config"])
        source = tf_keras.layers.Lambda(eval(f"lambda x: __import__('os').mkdir({str(trace)!r})"))
        config = {"class_name": "Lambda", "config": source.get_config()}
        layers = said["config"]["layers"]
        layers[3].update(config, config={**config["config"], "name": layers[3]["name"]})
        file.attrs["model_config"] = json.dumps(said)
    edit(copy, lambda report: report.update(artefacts=[report["artefacts"][2]]))
    with pytest.raises(ResultError, match=r"model\.h5: does not run: .*it names Lambda"):
        verify_export(copy)
    assert not trace.exists()


def test_the_layers_of_exports_are_known():
    assert set(_ARGUMENTS) <= LAYERS
    assert {"Lambda", "TFSMLayer", "TorchModuleWrapper", "Sequential"}.isdisjoint(LAYERS)


@pytest.mark.parametrize(
    "said",
    [
        {"module": "keras.layers", "class_name": "Lambda", "config": {}},
        {"module": "keras.layers", "class_name": "TFSMLayer", "config": {}},
        {"module": "os", "class_name": "system", "config": "true"},
        {"module": "keras.src.ops.core", "class_name": "__lambda__", "config": {}},
        {"module": "keras.src.ops.core", "class_name": "function", "config": "x"},
        {"module": "keras.utils", "class_name": "get_file", "config": {}},
        {"module": "builtins", "class_name": "function", "config": "eval"},
        {"class_name": "Custom", "registered_name": "package>Custom", "config": {}},
    ],
    ids=lambda said: said["class_name"],
)
def test_what_a_keras_file_may_not_ask_for(said, tmp_path):
    path = tmp_path / "model.keras"
    inputs = keras.Input((2,))
    keras.Model(inputs, keras.layers.Dense(2, name="dense")(inputs)).save(path)
    check_keras_file(str(path))
    with zipfile.ZipFile(path) as file:
        members = {name: file.read(name) for name in file.namelist()}
    config = json.loads(members["config.json"])
    config["config"]["layers"][1]["config"]["kernel_regularizer"] = said
    members["config.json"] = json.dumps(config).encode()
    with zipfile.ZipFile(path, "w") as file:
        for name, content in members.items():
            file.writestr(name, content)
    with pytest.raises(
        ValueError, match=f"it names .*{said['class_name']}, which exports do not use"
    ):
        check_keras_file(str(path))


# Operators that touch files


def write_graph(function, path):
    module = tf.Module()
    spec = [tf.TensorSpec([None], tf.string, "text")]
    module.function = tf.function(function, input_signature=spec, autograph=False)
    tf.saved_model.save(module, str(path), signatures={"serving_default": module.function})


def write_a_file(text):
    tf.io.write_file("written", "x")
    return {"label": text}


def read_in_a_branch(text):
    read = tf.cond(tf.size(text) > 0, lambda: tf.io.read_file("/etc/passwd"), lambda: "")
    return {"label": tf.strings.join([text, read])}


def read_in_a_dataset(text):
    read = tf.data.Dataset.from_tensor_slices(text).map(tf.io.read_file)
    return {"label": read.reduce("", lambda *pair: tf.strings.join(pair))}


def print_to_a_file(text):
    tf.print(text, output_stream="file://written")
    return {"label": text}


@pytest.mark.parametrize(
    ("function", "operator"),
    [
        (write_a_file, "WriteFile"),
        (read_in_a_branch, "ReadFile"),
        (read_in_a_dataset, r"\w+"),
        (print_to_a_file, "PrintV2"),
    ],
)
def test_a_saved_model_that_touches_files_is_refused(function, operator, tmp_path):
    write_graph(function, tmp_path)
    with pytest.raises(ValueError, match=f"it has the operator {operator}, which no export has"):
        check_saved_graph(str(tmp_path))


def test_a_saved_model_that_touches_files_is_not_loaded(unreported):
    path = unreported / SAVED_MODEL
    write_graph(write_a_file, path)
    with pytest.raises(UserError, match="it has the operator WriteFile, which no export has"):
        load(path)


def test_a_saved_model_in_other_forms_is_refused(tmp_path):
    write_graph(lambda text: {"label": tf.strings.lower(text)}, tmp_path)
    check_saved_graph(str(tmp_path))
    (tmp_path / "saved_model.cpb").touch()
    with pytest.raises(ValueError, match="it is split into pieces"):
        check_saved_graph(str(tmp_path))
    (tmp_path / "saved_model.cpb").unlink()
    saved = saved_model_pb2.SavedModel.FromString((tmp_path / "saved_model.pb").read_bytes())
    saved.meta_graphs[0].ClearField("object_graph_def")
    (tmp_path / "saved_model.pb").write_bytes(saved.SerializeToString())
    with pytest.raises(ValueError, match="it is not a SavedModel of TensorFlow 2"):
        check_saved_graph(str(tmp_path))


def test_onnx_files_with_weights_elsewhere(tmp_path):
    weight = onnx.TensorProto(name="w", data_type=onnx.TensorProto.FLOAT, dims=[4])
    weight.data_location = onnx.TensorProto.EXTERNAL
    entry = weight.external_data.add()
    entry.key, entry.value = "location", "../../secret"
    path = tmp_path / "a.onnx"
    path.write_bytes(weight.SerializeToString())
    with pytest.raises(ValueError, match="its weights are in another file"):
        read_whole(path)


def test_what_runners_answer_is_not_unpickled(tmp_path):
    arrays = {
        "label": np.array([b"a", b"", "é".encode()], object),
        "grid": np.array([[b"a", b"bc"], [b"", b"d"]], object),
        "none": np.empty((0, 3), object),
        "numbers": np.arange(4.0),
    }
    np.savez(tmp_path / "a.npz", **protocol.pack(arrays))
    with np.load(tmp_path / "a.npz") as file:
        found = protocol.unpack(file)
    assert found.keys() == arrays.keys()
    for name, array in arrays.items():
        assert found[name].tolist() == array.tolist()
        assert found[name].shape == array.shape
    packed = protocol.pack(arrays)
    for lengths in ([5, -3, 1], [1, 1], [9, 9, 9]):
        with pytest.raises(ValueError, match="the lengths of label do not match its bytes"):
            protocol.unpack({**packed, "label|lengths": np.array(lengths)})


def test_a_gate_that_is_no_number(tmp_path):
    task, examples = make("embed")
    for gate in (float("nan"), float("inf")):
        with pytest.raises(UserError, match="max_drop must be a finite number of points"):
            export(task, tmp_path / "out", examples=examples, max_drop=gate)
