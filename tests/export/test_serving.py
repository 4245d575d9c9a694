"""The files for TF Serving: requests that its protocol can read, and the SavedModel answer."""

import json
import re
import subprocess

import tensorflow as tf
from google.protobuf import text_format
from tensorflow_serving.apis import prediction_log_pb2
from tensorflow_serving.config import model_server_config_pb2

from attention_zoo.export import serving
from attention_zoo.export.serving import MODEL_NAME, WARMUP_FILE
from attention_zoo.tasks.answer.task import QuestionAnswering
from attention_zoo.text.wordpiece_tokenizer import SPECIAL_PIECES, WordPieceTokenizer
from attention_zoo.zoo import BertTokenClassifier


def requests(path):
    """The texts of each request."""
    for record in tf.data.TFRecordDataset(str(path / WARMUP_FILE)):
        request = prediction_log_pb2.PredictionLog.FromString(record.numpy()).predict_log.request
        assert request.model_spec.name == MODEL_NAME
        assert request.model_spec.signature_name == "serving_default"
        yield tf.make_ndarray(request.inputs["text"])


def test_warm_up_requests_are_answered(exported, task):
    path = exported[0] / "saved_model/1"
    serve = tf.saved_model.load(str(path)).signatures["serving_default"]
    sizes = []
    for texts in requests(path):
        answers = serve(text=tf.constant(texts))["text"].numpy()
        assert [a.decode() for a in answers] == task([text.decode() for text in texts])
        sizes.append(len(texts))
    assert sizes == [1, 2, 4, 8]  # there are twelve examples


def test_what_xla_compiles_is_asked_in_every_shape(task, examples, tmp_path):
    for model in ("saved_model", "saved_model_xla"):
        (tmp_path / model / "1").mkdir(parents=True)
    longer = ("alpha beta " * 9, "一")
    models = ["saved_model", "saved_model_xla"]
    assert serving.write_serving(task, tmp_path, [*examples, longer], models)
    shapes = []
    for texts in requests(tmp_path / "saved_model_xla/1"):
        longest = task.source_tokenizer.encode(tf.constant(texts), 20).shape[1]
        shapes.append((16 if longest <= 16 else 20, len(texts)))
    sizes = [1, 2, 4, 8, 16, 32]
    assert shapes == [(length, size) for length in (16, 20) for size in sizes]
    assert [len(texts) for texts in requests(tmp_path / "saved_model/1")] == sizes
    lines = (tmp_path / "serving/batching_xla.config").read_text().splitlines()
    assert lines[0] == "max_batch_size { value: 1024 }"
    assert lines[-6:] == [f"allowed_batch_sizes: {size}" for size in sizes]
    page = (tmp_path / "serving/README.md").read_text(encoding="utf-8")
    assert "replace `saved_model` with `saved_model_xla`" in page


def test_a_compiled_model_alone(task, examples, tmp_path, monkeypatch):
    monkeypatch.setattr(serving.importlib.util, "find_spec", lambda name: None)
    serving.write_serving(task, tmp_path, examples, ["saved_model_xla"])
    page = (tmp_path / "serving/README.md").read_text(encoding="utf-8")
    assert '-v "$PWD/saved_model_xla:/models/attention_zoo"' in page
    assert "--batching_parameters_file=/serving/batching_xla.config" in page
    assert not (tmp_path / "serving/batching.config").exists()


def test_contexts_of_several_windows_are_no_requests(tmp_path, randomize):
    """Their windows are a batch of another size."""
    tokenizer = WordPieceTokenizer([*SPECIAL_PIECES, *"abcdefgh"])
    encoder = {"vocab_size": tokenizer.vocab_size, "width": 6, "num_blocks": 1, "num_heads": 2}
    model = randomize(BertTokenClassifier(2, {**encoder, "max_length": 24}))
    task = QuestionAnswering(model, tokenizer, stride=3)
    contexts = ["a b c d e f g h " * 5, "a b c", "a b c d e f g h a b c d e f g h"]
    examples = [("a b ?", context, json.dumps([{"text": "a"}])) for context in contexts]
    (tmp_path / "saved_model_xla/1").mkdir(parents=True)
    assert serving.write_serving(task, tmp_path, examples, ["saved_model_xla"])
    asked = []
    for record in tf.data.TFRecordDataset(str(tmp_path / "saved_model_xla/1" / WARMUP_FILE)):
        request = prediction_log_pb2.PredictionLog.FromString(record.numpy()).predict_log.request
        texts = tf.make_ndarray(request.inputs["context"])
        asked.append((texts[0].decode(), len(texts)))
    sizes = [1, 2, 4, 8, 16, 32]
    assert asked == [(context, size) for context in contexts[1:] for size in sizes]


def test_the_configuration(exported):
    folder = exported[0] / "serving"
    config = model_server_config_pb2.ModelServerConfig()
    text_format.Parse((folder / "models.config").read_text(), config)
    (model,) = config.model_config_list.config
    assert (model.name, model.base_path) == (MODEL_NAME, f"/models/{MODEL_NAME}")
    batching = dict(
        re.findall(r"(\w+)(?: { value)?: (\d+)", (folder / "batching.config").read_text())
    )
    assert batching["max_batch_size"] == "1024"
    assert batching["max_execution_batch_size"] == "32"
    assert "allowed_batch_sizes" not in batching


def test_the_request_in_the_readme(exported, task):
    page = (exported[0] / "serving/README.md").read_text(encoding="utf-8")
    (command,) = re.findall(r"^curl -d (.*) http", page, flags=re.MULTILINE)
    printed = subprocess.run(
        ["bash", "-c", f"printf %s {command}"], capture_output=True, check=True
    )
    assert json.loads(printed.stdout) == {"inputs": {"text": [task.examples[0][0]]}}
    assert WARMUP_FILE in page


def test_quotes_and_a_missing_package(task, tmp_path, monkeypatch):
    monkeypatch.setattr(serving.importlib.util, "find_spec", lambda name: None)
    assert not serving.write_serving(task, tmp_path, [("it's", "x")], ["saved_model"])
    page = (tmp_path / "serving/README.md").read_text(encoding="utf-8")
    (command,) = re.findall(r"^curl -d (.*) http", page, flags=re.MULTILINE)
    printed = subprocess.run(
        ["bash", "-c", f"printf %s {command}"], capture_output=True, check=True
    )
    assert json.loads(printed.stdout) == {"inputs": {"text": ["it's"]}}
    assert "attention-zoo[serving]" in page
    assert not (tmp_path / "saved_model").exists()
