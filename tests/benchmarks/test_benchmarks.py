"""Each benchmark runs to its end on a tiny model and writes what it measured."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("script", "options"),
    [
        ("training.py", ["--rounds", "1"]),
        ("training.py", ["--rounds", "1", "--model", "rnn"]),
        ("decoding.py", ["--rounds", "1", "--batches", "2"]),
        ("memory.py", ["--task", "g2p_rnn", "--threads", "2", "--trim"]),
        ("decoding_profile.py", ["--cases", "beam4 b1", "--repeats", "1"]),
        ("workers.py", ["--rounds", "1", "--batch-tokens", "512"]),
    ],
)
def test_quick_run(script, options, tmp_path):
    output = tmp_path / "measured.json"
    command = [sys.executable, str(BENCHMARKS / script), "--quick", "--json", str(output), *options]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr[-2000:]
    measured = json.loads(output.read_text())
    assert measured["machine"]["processors"] >= 1
    if script == "decoding.py":
        for mode in measured["results"].values():
            assert mode["agreement"]["CTranslate2 float32"] == 1.0
            assert mode["agreement"]["ours, LiteRT float32"] == 1.0


def test_operations_of_a_step_are_those_that_tensorflow_counts(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    import arithmetic
    import tensorflow as tf
    from tensorflow.python.framework import convert_to_constants
    from tensorflow.python.profiler import model_analyzer, option_builder

    from attention_zoo.zoo import Transformer

    length, rows = 32, 2
    model = Transformer(
        500,
        width=64,
        num_heads=4,
        feed_forward_width=128,
        num_encoder_blocks=2,
        num_decoder_blocks=3,
    )
    ids = tf.TensorSpec((rows, length), tf.int32)
    forward = tf.function(lambda source, target: model([source, target]), autograph=False)
    graph = convert_to_constants.convert_variables_to_constants_v2(
        forward.get_concrete_function(ids, ids)
    ).graph
    options = option_builder.ProfileOptionBuilder.float_operation()
    counted = model_analyzer.profile(graph, options={**options, "output": "none"})
    # TensorFlow does not count the products of attention, which grow with the length of keys.
    cost = arithmetic.transformer_cost(model, 500, rows * length, length=0, size=4)
    # A third of a step's; TensorFlow's count has norms, softmax and biases too.
    assert 0.95 < cost.operations / 3 / counted.total_float_ops <= 1.0
    attention = arithmetic.transformer_cost(model, 500, rows * length, length, size=4)
    by_hand = 8 * rows * 2 * (2 * length * length * 64)  # 8 attentions: scores and sums
    assert (attention.operations - cost.operations) / 3 == by_hand
    assert cost.weights == model.count_params()


@pytest.mark.slow
def test_requests_add_nothing_to_the_memory_of_a_server(tmp_path):
    output = tmp_path / "measured.json"
    command = [sys.executable, str(BENCHMARKS / "memory.py"), "--json", str(output)]
    # What oneDNN keeps for each shape is not ours.
    environment = {**os.environ, "TF_ENABLE_ONEDNN_OPTS": "0"}
    subprocess.run([*command, "--requests", "5000"], env=environment, check=True)
    results = json.loads(output.read_text())["results"]
    megabytes = {row["requests"]: row["megabytes"] for row in results}
    assert megabytes[5000] - megabytes[2000] < 3
