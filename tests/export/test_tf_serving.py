"""What the pages show for TF Serving, asked of a stand-in for the server.

The commands are run as they stand on the pages: `docker` is a script that starts the stand-in.
"""

import base64
import contextlib
import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from reference.encoder_tasks import KINDS, make

from attention_zoo.export.saved_model import saved_operators, write_saved_model
from attention_zoo.export.saved_model_xla import write_saved_model_xla
from attention_zoo.export.serving import MODEL_NAME, write_serving
from attention_zoo.tasks.seq2seq.task import Seq2Seq
from attention_zoo.zoo import RNNAttention

STAND_IN = Path(__file__).with_name("tf_serving_stand_in.py")


class Server:
    """A running stand-in."""

    def __init__(self, port):
        self.port = port

    def ask(self, request, model=MODEL_NAME):
        """The answer to a request, or what the server says is wrong with it."""
        url = f"http://127.0.0.1:{self.port}/v1/models/{model}:predict"
        try:
            with urllib.request.urlopen(url, json.dumps(request).encode()) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            return json.load(error)

    def shell(self, commands, folder):
        """What commands of a page print, one JSON a command."""
        commands = commands.replace("localhost:8501", f"127.0.0.1:{self.port}")
        script = commands.replace("curl ", "curl --silent --write-out '\\n' ")
        process = subprocess.run(
            ["bash", "-ec", script], cwd=folder, capture_output=True, text=True
        )
        assert process.returncode == 0, process.stderr
        return [json.loads(line) for line in process.stdout.splitlines() if line]


@contextlib.contextmanager
def serve(command, folder, tmp_path):
    """Runs a `docker run` command of a page in a folder, until the block ends."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    docker = tmp_path / "bin" / "docker"
    docker.parent.mkdir(exist_ok=True)
    docker.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{STAND_IN}" "$@"\n', encoding="utf-8")
    docker.chmod(0o755)
    path = f"{docker.parent}{os.pathsep}{os.environ['PATH']}"
    process = subprocess.Popen(
        ["bash", "-c", f"exec {command.strip()}"],
        cwd=folder,
        env={**os.environ, "PATH": path, "STAND_IN_PORT": str(port)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        if "Entering the event loop" not in process.stdout.readline():
            process.wait()
            raise RuntimeError(process.stderr.read())
        yield Server(port)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        process.stderr.close()


def blocks(page):
    """The shell commands of a page, a string for each block."""
    return re.findall(r"```sh\n(.*?)```", page.read_text(encoding="utf-8"), flags=re.DOTALL)


@pytest.fixture(scope="module")
def batching(exported, tmp_path_factory):
    command = blocks(exported[0] / "serving/README.md")[0]
    with serve(command, exported[0], tmp_path_factory.mktemp("batching")) as server:
        yield server


@pytest.fixture(scope="module")
def single(exported, tmp_path_factory):
    command = blocks(exported[0] / "serving/README.md")[2]
    with serve(command, exported[0], tmp_path_factory.mktemp("single")) as server:
        yield server


def test_the_page_with_batching(batching, exported, task):
    status, answer = batching.shell(blocks(exported[0] / "serving/README.md")[1], exported[0])
    assert status["model_version_status"][0]["state"] == "AVAILABLE"
    assert answer["outputs"]["text"] == task([task.examples[0][0]])
    np.testing.assert_allclose(
        answer["outputs"]["score"], [task.predict([task.examples[0][0]])[0].score], atol=1e-4
    )


def test_the_page_with_every_signature(single, exported, task):
    answers = single.shell(blocks(exported[0] / "serving/README.md")[3], exported[0])
    assert len(answers) == len(task.signatures())
    default, generated, sampled, ids, logits, attention = (a["outputs"] for a in answers)
    assert generated["text"][0][0] == default["text"][0]
    assert generated["score"][0][0] == pytest.approx(default["score"][0], abs=1e-4)
    assert len(generated["text"][0]) == task.beam_size
    assert isinstance(sampled["text"][0], str)
    assert ids["score"] == pytest.approx(default["score"], abs=1e-4)
    assert np.shape(logits)[2] == task.model.target_vocab_size
    assert np.shape(attention)[:3] == (1, 2, 3)


def test_the_command_in_the_report(exported, task, tmp_path):
    command, request = blocks(exported[0] / "report.md")[0].split("\ncurl")
    with serve(command, exported[0], tmp_path) as server:
        (answer,) = server.shell("curl" + request, exported[0])
    (text,) = re.findall(r'"text": \["(.*?)"\]', request)
    assert answer["outputs"]["text"] == task([text])


@pytest.mark.parametrize("number", [1, 32, 33, 200])
def test_any_number_of_texts(batching, single, task, examples, number):
    texts = [f"{source} {i}" for i in range(5) for source, _ in examples][:number]
    expected = task(texts)
    for server in (batching, single):
        assert server.ask({"inputs": {"text": texts}})["outputs"]["text"] == expected
        rows = server.ask({"instances": texts})["predictions"]
        assert [row["text"] for row in rows] == expected


def test_many_clients_at_once(batching, task, examples):
    texts = [source for source, _ in examples]
    expected = dict(zip(texts, task(texts), strict=True))
    asked = [texts[i : i + 1 + i % 5] for i in range(len(texts))]
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda part: batching.ask({"inputs": part}), asked * 3))
    for part, answer in zip(asked * 3, answers, strict=True):
        assert answer["outputs"]["text"] == [expected[text] for text in part]


def test_strings_and_bytes(single, task):
    text = "alpha 三 beta"
    (expected,) = task([text])
    encoded = {"b64": base64.b64encode(text.encode()).decode()}
    for request in (
        {"inputs": [text]},
        {"inputs": {"text": [encoded]}},
        {"instances": [{"text": text}]},
        {"instances": [encoded]},
    ):
        answer = single.ask(request)
        found = answer.get("outputs") or answer["predictions"][0]
        assert found["text"] in (expected, [expected])
    assert single.ask({"inputs": {"text": ["", " \u3000"]}})["outputs"] == {
        "text": ["", ""],
        "score": [0.0, 0.0],
    }


def test_what_is_not_offered_with_batching_is_refused(batching, exported):
    page = (exported[0] / "serving/README.md").read_text(encoding="utf-8")
    assert "Other signatures are not available with batching" in page
    options = {"beam_size": 2, "max_length": 9, "length_penalty": 1.0}
    request = {"signature_name": "generate", "inputs": {"text": ["alpha"], **options}}
    assert "at least one dimension" in batching.ask(request)["error"]
    assert "1,024" in page
    assert "1025" in batching.ask({"inputs": ["alpha"] * 1025})["error"]


def test_options_out_of_range(single):
    inputs = {"text": ["alpha"], "seed": 1, "temperature": -1.0, "top_k": 0, "top_p": 1.0}
    answer = single.ask({"signature_name": "sample", "inputs": inputs})
    assert "temperature must be 0 (greedy) or above" in answer["error"]
    cold = single.ask({"signature_name": "sample", "inputs": {**inputs, "temperature": 0.0}})
    greedy = {"text": ["alpha"], "beam_size": 1, "max_length": 16, "length_penalty": 0.6}
    best = single.ask({"signature_name": "generate", "inputs": greedy})["outputs"]
    assert cold["outputs"]["text"] == [best["text"][0][0]]
    assert cold["outputs"]["score"] == pytest.approx(best["score"][0], abs=1e-4)


@pytest.fixture(scope="module")
def encoders(tmp_path_factory):
    """A SavedModel of each kind, in one folder, and the command that serves them all."""
    folder = tmp_path_factory.mktemp("encoders")
    tasks, config = {}, ""
    for kind in KINDS:
        task, examples = make(kind)
        name = re.sub(r"\W+", "_", kind)
        write_saved_model(task, folder / name / "saved_model" / "1")
        write_serving(task, folder / name, examples, ["saved_model"])
        tasks[name] = task, examples
        config += f'config {{ name: "{name}" base_path: "/all/{name}/saved_model" }}\n'
    (folder / "models.config").write_text(f"model_config_list {{ {config} }}", encoding="utf-8")
    return folder, tasks


@pytest.mark.slow
@pytest.mark.parametrize("even", [True, False], ids=["even", "uneven"])
def test_every_task_with_batching(encoders, tmp_path, even):
    folder, tasks = encoders
    chosen = {name: pair for name, pair in tasks.items() if pair[0].answers_are_even == even}
    batching = f"/all/{next(iter(chosen))}/serving/batching.config"
    command = (
        f'docker run -v "$PWD:/all" tensorflow/serving --model_config_file=/all/models.config '
        f"--enable_batching --batching_parameters_file={batching}"
    )
    with serve(command, folder, tmp_path) as server:
        for name, (task, examples) in chosen.items():
            texts = [task.input_of(example) for example in examples] * 7
            columns = [[text.decode() for text in column] for column in task.columns(texts)]
            inputs = dict(zip(task.text_inputs, columns, strict=True))
            answer = server.ask({"inputs": inputs}, name)
            assert "outputs" in answer, answer
            found = answer["outputs"]
            ours = task.signatures()["serving_default"][0](*map(tf.constant, columns))
            if not isinstance(found, dict):
                found = {next(iter(ours)): found}
            arrays = {
                key: np.array(value, dtype=object if _holds_text(value) else None)
                for key, value in found.items()
            }
            arrays = {k: _to_bytes(v) if v.dtype == object else v for k, v in arrays.items()}
            expected = task.answers({n: tensor.numpy() for n, tensor in ours.items()}, texts)
            answers = task.answers(arrays, texts)
            assert all(task.is_same(*pair) for pair in zip(expected, answers, strict=True))


def _holds_text(value):
    while isinstance(value, list) and value:
        value = value[0]
    return isinstance(value, str)


def _to_bytes(array):
    return np.vectorize(str.encode, otypes=[object])(array)


def test_no_plain_model_has_operators_of_xla(encoders, exported, task, tmp_path):
    folder, tasks = encoders
    model = RNNAttention(60, 40, width=8, max_length=20)
    write_saved_model(Seq2Seq(model, task.source_tokenizer, task.target_tokenizer), tmp_path / "1")
    paths = [folder / name / "saved_model/1" for name in tasks]
    for path in (*paths, tmp_path / "1", exported[0] / "saved_model/1"):
        operators = saved_operators(path)
        assert "MatMul" in operators or "Einsum" in operators
        assert not [name for name in operators if name.startswith("Xla")]


@pytest.mark.slow
def test_what_xla_compiles_needs_the_flag(task, examples, tmp_path):
    folder = tmp_path / "out"
    write_saved_model_xla(task, folder / "saved_model_xla/1")
    write_serving(task, folder, [min(examples)], ["saved_model_xla"])
    commands = blocks(folder / "serving/README.md")
    assert commands[0].count("--xla_cpu_compilation_enabled=true") == 1
    with serve(commands[0], folder, tmp_path) as server:
        started = time.monotonic()
        _, answer = server.shell(commands[1], folder)
        assert time.monotonic() - started < 60
        assert answer["outputs"]["text"] == task([min(examples)[0]])
        texts = [source for source, _ in examples]
        assert server.ask({"inputs": texts})["outputs"]["text"] == task(texts)
    without = commands[0].replace("--xla_cpu_compilation_enabled=true", "")
    with (
        pytest.raises(RuntimeError, match="XLA compilation disabled"),
        serve(without.rstrip().rstrip("\\"), folder, tmp_path),
    ):
        raise AssertionError("it must not load")
