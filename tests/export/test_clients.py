"""What clients do with artefacts: threads, odd inputs, options, and files that were changed."""

import json
import subprocess
import sys
import unicodedata
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnx
import onnxruntime
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter
from reference.encoder_tasks import make
from typer.testing import CliRunner

from attention_zoo.commands import app
from attention_zoo.errors import ResultError, UserError
from attention_zoo.export import export as exporting
from attention_zoo.export import running
from attention_zoo.export.export import export, verify_export
from attention_zoo.export.formats import FORMATS
from attention_zoo.export.litert import write_litert
from attention_zoo.export.onnx_graphs import write_onnx
from attention_zoo.export.saved_model import write_saved_model
from attention_zoo.loading import load
from attention_zoo.text.tokenizer import is_blank

TFLITE = "model.tflite"


@pytest.fixture(scope="module")
def classifier(tmp_path_factory):
    """An encoder task and its export."""
    task, examples = make("classify")
    directory = tmp_path_factory.mktemp("classify") / "out"
    export(task, directory, ["saved_model", "litert"], examples=examples, max_drop=100)
    return task, directory


def in_threads(answer, texts):
    """What 8 threads get that ask for all the texts at once, some at a time."""

    def ask(_):
        parts = (texts[i : i + 7] for i in range(0, len(texts), 7))
        return [found for part in parts for found in answer(part)]

    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(ask, range(8)))


@pytest.mark.parametrize(
    "name", ["", "saved_model/1", TFLITE], ids=["Keras", "SavedModel", "LiteRT"]
)
def test_eight_threads_get_what_one_gets(task, exported, examples, classifier, name):
    texts = [f"{source} {i}" for i in range(5) for source, _ in examples]
    assert len(texts) == 200
    engine = load(exported[0] / name) if name else task
    expected = engine(texts)
    assert all(found == expected for found in in_threads(engine, texts))
    encoder, directory = classifier
    engine = load(directory / name) if name else encoder
    expected = engine(texts)
    assert all(found == expected for found in in_threads(engine, texts))


@pytest.mark.parametrize("beam_size", [1, 3])
def test_a_score_means_the_same_in_every_engine(task, exported, examples, beam_size):
    texts = [source for source, _ in examples[:9]] + ["", " \u3000\t"]
    ours = [answer.score for answer in task.predict(texts, beam_size=beam_size)]
    theirs = load(exported[0] / "saved_model").predict(texts, beam_size=beam_size)
    np.testing.assert_allclose([answer.score for answer in theirs], ours, atol=1e-4)
    if beam_size == task.beam_size:
        lite = load(exported[0] / TFLITE).predict(texts)
        np.testing.assert_allclose([answer.score for answer in lite], ours, atol=1e-4)


def test_several_answers_of_what_gives_one(exported, tmp_path):
    with pytest.raises(UserError, match="gives one answer a text, received n_best=3"):
        load(exported[0] / TFLITE).predict(["alpha"], n_best=3)
    asked = tmp_path / "texts"
    asked.write_text("alpha\n\nbeta\n", encoding="utf-8")
    command = ["predict", str(exported[0] / TFLITE), "--n-best", "2", "--input", str(asked)]
    result = CliRunner().invoke(app, command)
    assert isinstance(result.exception, UserError)  # which `main` makes status 2 of
    command[1] = str(exported[0] / "saved_model")
    assert len(CliRunner().invoke(app, command).stdout.split("\n")) == 3 * 2 + 1


def test_the_options_of_sampling(task):
    texts = ["alpha 三 beta", "gamma"]
    greedy = task.predict(texts, beam_size=1)
    for temperature in (0, 0.0, 1e-35):
        drawn = task.predict(texts, seed=3, temperature=temperature)
        assert [a.text for a in drawn] == [a.text for a in greedy]
        np.testing.assert_allclose([a.score for a in drawn], [a.score for a in greedy], atol=1e-4)
    for name, value in (
        ("temperature", -0.5),
        ("temperature", float("nan")),
        ("top_k", -1),
        ("top_p", 1.5),
    ):
        with pytest.raises(UserError, match=f"{name} must be .*, received {value}"):
            task.predict(texts, seed=3, **{name: value})
    with pytest.raises(UserError, match='did you mean "temperature"'):
        task.predict(texts, seed=3, temprature=1.0)


def too_long(row, limit):
    """Ids that are cut to the first of them and the last."""
    longer = np.concatenate([row[:-1], np.resize(row[1:-1], limit), row[-1:]])
    return longer[np.newaxis], np.append(longer[: limit - 1], row[-1])[np.newaxis]


def test_ids_that_are_too_long_are_cut_as_strings_are(task, exported):
    ((source, target),) = task.to_ids([("alpha beta gamma", "delta")])
    longer, cut = too_long(source, task.max_source_length)
    assert longer.shape[1] > 20 == cut.shape[1]
    targets = np.resize(target, (1, 30))
    expected = task.model([cut, targets[:, :16]])
    signatures = tf.saved_model.load(str(exported[0] / "saved_model/1")).signatures
    interpreter = Interpreter(str(exported[0] / TFLITE))
    for name in ("ids", "serving_default"):
        run = signatures["ids"] if name == "ids" else interpreter.get_signature_runner(name)
        np.testing.assert_array_equal(
            run(source_ids=longer)["target_ids"], run(source_ids=cut)["target_ids"]
        )
    for run in (signatures["logits"], interpreter.get_signature_runner("logits")):
        found = run(source_ids=longer, target_ids=targets)["logits"]
        np.testing.assert_allclose(found, expected, atol=1e-4)
    assert "`source_ids` up to 20" in (exported[0] / "report.md").read_text(encoding="utf-8")


def test_ids_of_an_encoder_that_are_too_long(classifier):
    task, directory = classifier
    row = task.encode(tf.constant(["ab c a b"]))["token_ids"].numpy()[0]
    longer, cut = too_long(row, task.max_length)
    numbers = task.compute({"token_ids": cut, "mask": cut * 0 + 1, "segment_ids": cut * 0})
    inputs = {"token_ids": longer, "mask": longer * 0 + 1, "segment_ids": longer * 0}
    run = tf.saved_model.load(str(directory / "saved_model/1")).signatures["ids"]
    np.testing.assert_allclose(run(**inputs)["logits"], numbers["logits"], atol=1e-5)


def test_blank_is_what_strip_leaves_nothing_of():
    characters = [chr(i) for i in range(0x3100) if unicodedata.category(chr(i)) != "Cs"]
    found = is_blank(tf.constant(characters)).numpy()
    assert [c for c, blank in zip(characters, found, strict=True) if blank] == [
        c for c in characters if not c.strip()
    ]


def test_blank_texts_get_the_same_everywhere(task, exported):
    texts = ["", "  ", "\t\u2028", "\u3000\u00a0", "\x1c\x85", "alpha"]
    expected = task(texts)
    assert expected[:5] == [""] * 5
    for name in ("saved_model/1", TFLITE):
        assert load(exported[0] / name)(texts) == expected
    serve = tf.saved_model.load(str(exported[0] / "saved_model/1")).signatures["serving_default"]
    assert [text.decode() for text in serve(text=tf.constant(texts))["text"].numpy()] == expected


@pytest.mark.parametrize(
    "kind", ["classify", "classify pairs", "tag", "answer", "embed", "fill_mask"]
)
def test_no_text_at_all(kind, tmp_path):
    task, _ = make(kind)
    assert task([]) == []
    write_saved_model(task, tmp_path / "1")
    serve = tf.saved_model.load(str(tmp_path / "1")).signatures["serving_default"]
    outputs = serve(**{name: tf.constant([], tf.string) for name in task.text_inputs})
    assert {len(array) for array in outputs.values()} == {0}


@pytest.mark.parametrize("kind", ["seq2seq", "classify", "tag", "embed"])
def test_onnx_takes_an_empty_batch_and_names_its_axes(kind, task, tmp_path):
    made = task if kind == "seq2seq" else make(kind)[0]
    write_onnx(made, tmp_path)
    for path in tmp_path.iterdir():
        session = onnxruntime.InferenceSession(path)
        for length in (0, 5):
            empty = {i.name: np.zeros((0, length), np.int32) for i in session.get_inputs()}
            assert {len(array) for array in session.run(None, empty)} == {0}
        axes = {i.name: i.shape for i in session.get_inputs()}
        target = ["batch", "target_length"]
        for name, shape in axes.items():
            assert shape == (target if name == "target_ids" else ["batch", "length"])


def test_the_first_of_a_lite_file_is_what_answers(task, exported):
    interpreter = Interpreter(str(exported[0] / TFLITE))
    (given,) = interpreter.get_input_details()
    ids = task.to_ids([("alpha 二", "")])[0][0][np.newaxis]
    interpreter.resize_tensor_input(given["index"], ids.shape)
    interpreter.allocate_tensors()
    interpreter.set_tensor(given["index"], ids)
    interpreter.invoke()
    found = [interpreter.get_tensor(o["index"]) for o in interpreter.get_output_details()]
    expected = Interpreter(str(exported[0] / TFLITE)).get_signature_runner("serving_default")(
        source_ids=ids
    )
    np.testing.assert_array_equal(found[0], expected["target_ids"])


def test_the_scores_of_answers_are_compared(task, tmp_path, monkeypatch):
    """Weights a little larger in the graph that answers, and not in the one with the logits."""
    whole = FORMATS["onnx"].write

    def write(made, path, *arguments):
        whole(made, path, *arguments)
        graph = onnx.load(path / "serving_default.onnx")
        for weight in graph.graph.initializer:
            if weight.data_type == onnx.TensorProto.FLOAT and len(weight.dims) == 2:
                larger = onnx.numpy_helper.to_array(weight) * np.float32(1.01)
                weight.CopyFrom(onnx.numpy_helper.from_array(larger, weight.name))
        onnx.save(graph, path / "serving_default.onnx")
        return []

    monkeypatch.setattr(FORMATS["onnx"], "write", write)
    with pytest.raises(ResultError, match=r"the score of an answer differs|of the answers are"):
        export(task, tmp_path / "out", ["onnx"])


def test_conditions_are_in_the_report(exported):
    _, report = exported
    saved_model, lite, int8 = (artefact["clients"] for artefact in report["artefacts"])
    conditions = ["4 threads", "no row", "one row", "over-long input"]
    assert saved_model == ["XLA off", *conditions]
    assert lite == int8 == conditions


def change(path):
    path.write_bytes(path.read_bytes() + b" ")


@pytest.mark.parametrize(
    "name",
    [
        "task.json",
        pytest.param("tokenizer/target/tokenizer.json", marks=pytest.mark.slow),
        pytest.param("serving/batching.config", marks=pytest.mark.slow),
        "tokenizer/new",
    ],
)
def test_whatever_lies_beside_the_artefacts_is_covered(copy, name):
    path = copy / name
    path.touch()
    change(path)
    with pytest.raises(ResultError, match=f"verification failed for {name}: is not, byte for byte"):
        verify_export(copy)
    assert f"`{name}`" in (copy / "report.md").read_text(encoding="utf-8")


def edit(directory, **changes):
    path = directory / "report.json"
    report = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**report, **changes}), encoding="utf-8")


def test_reports_that_cannot_be_followed(copy):
    report = json.loads((copy / "report.json").read_text(encoding="utf-8"))
    edit(copy, artefacts=[])
    with pytest.raises(UserError, match="lists no artefact"):
        verify_export(copy)
    for wrong in ({"file": "../x"}, {"format": "exe"}, {"quantize": "int3"}, {"file": "/etc"}):
        edit(copy, artefacts=[{**report["artefacts"][1], **wrong}])
        with pytest.raises(UserError, match="lists an artefact that this version does not export"):
            verify_export(copy)
    edit(copy, artefacts=report["artefacts"], files=["task.json"])
    with pytest.raises(UserError, match="files: Input should be a valid dictionary"):
        verify_export(copy)


def test_a_full_disk_is_not_the_artefacts_fault(copy, monkeypatch):
    before = (copy / "report.json").read_bytes()

    def fail(*arguments, **options):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(running.np, "savez", fail)
        with pytest.raises(UserError, match=r"cannot be verified: .*No space left on device"):
            verify_export(copy)
    assert (copy / "report.json").read_bytes() == before


def test_a_runner_that_cannot_write_its_answer(exported, tmp_path):
    request = tmp_path / "request.npz"
    np.savez(request, request=np.array(json.dumps({"threads": 1, "calls": []})))
    runner = running.RUNNERS / "run_litert.py"
    command = [sys.executable, "-I", runner, exported[0] / TFLITE, request, "/dev/full"]
    process = subprocess.run(command, capture_output=True, text=True)
    assert process.returncode == 3
    assert "No space left on device" in process.stderr


def test_an_environment_without_the_runtime(copy, tmp_path):
    before = (copy / "report.json").read_bytes()
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "bare"], check=True)
    with pytest.raises(UserError, match=r"cannot be verified: .*python has no numpy"):
        verify_export(copy, python=tmp_path / "bare" / "bin" / "python")
    assert (copy / "report.json").read_bytes() == before


def test_a_directory_that_cannot_be_written_to_is_verified(copy, monkeypatch):
    before = (copy / "report.json").read_bytes()
    monkeypatch.setattr(exporting, "_can_write", lambda directory: False)
    said = []
    report = verify_export(copy, said.append)
    assert all(artefact["verified"] for artefact in report["artefacts"])
    assert "is not writable" in said[0]
    assert (copy / "report.json").read_bytes() == before


def test_a_lite_file_without_rows(task, tmp_path):
    write_litert(task, tmp_path / "file.tflite")
    run = Interpreter(str(tmp_path / "file.tflite")).get_signature_runner("serving_default")
    assert len(run(source_ids=np.zeros((0, 4), np.int32))["target_ids"]) == 0
