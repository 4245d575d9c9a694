"""`examples/train_on_jax.py`: what JAX trains on two devices, TensorFlow loads and exports."""

import re
import runpy
from pathlib import Path

import numpy as np
import pytest
from reference.backends import run_python

import attention_zoo as az

SCRIPT = Path(__file__).parents[1] / "examples" / "train_on_jax.py"
SIZE = "width: 16, num_heads: 2, feed_forward_width: 24"
BLOCKS = "num_encoder_blocks: 1, num_decoder_blocks: 1"
MODELS = {
    "seq2seq": (
        f"{{preset: transformer_tiny, {SIZE}, {BLOCKS}, max_length: 16}}",
        "tokenizer: {kind: characters}",
        "source: text, target: label",
    ),
    "rnn": (
        "{preset: rnn_attention_tiny, width: 16, max_length: 16}",
        "tokenizer: {kind: characters}",
        "source: text, target: label",
    ),
    "classify": (
        f"{{preset: bert_tiny, {SIZE}, num_blocks: 1}}",
        "tokenizer: {vocab_size: 60}",
        "text: text, label: label",
    ),
}


@pytest.mark.parametrize(
    "name", ["seq2seq", *(pytest.param(n, marks=pytest.mark.slow) for n in ("classify", "rnn"))]
)
def test_it_is_trained_on_jax_and_used_on_tensorflow(name, tmp_path):
    model, tokenizer, columns = MODELS[name]
    task_name = "classify" if name == "classify" else "seq2seq"
    (tmp_path / "recipe.yaml").write_text(
        f"task: {task_name}\nmodel: {model}\n{tokenizer}\n"
        f"data: {{train: train.tsv, {columns}}}\n"
        "train: {batch_tokens: 128, learning_rate: {peak: 0.01}}\n"
    )
    rows = [f"{word * (1 + i % 3)}\t{word}" for i, word in enumerate(["ab", "ba", "ac"] * 20)]
    (tmp_path / "train.tsv").write_text("\n".join(["text\tlabel", *rows]))

    for backend, *arguments in (
        ("tensorflow", "prepare", "recipe.yaml", "run"),
        ("jax", "train", "run", "20"),
    ):
        process = run_python(
            str(SCRIPT),
            *arguments,
            backend=backend,
            cwd=tmp_path,
            variables={"XLA_FLAGS": "--xla_force_host_platform_device_count=2"},
        )
        assert process.returncode == 0, process.stderr[-3000:]
    losses = [float(number) for number in re.findall(r"loss: ([\d.]+)", process.stdout)]
    assert losses[-1] < 0.8 * losses[0]
    assert "trained on 2 devices of jax" in process.stdout

    task = az.load(tmp_path / "run")
    expected = np.load(tmp_path / "run" / "outputs.npz")["outputs"]
    with np.load(tmp_path / "run" / "ids.npz") as ids:
        fields = [ids[f"arr_{i}"][: len(expected)] for i in range(len(ids.files) - 2)]
    inputs, *_ = runpy.run_path(str(SCRIPT))["inputs_and_targets"](task_name, fields)
    np.testing.assert_allclose(task.model(inputs), expected, atol=1e-5)
    (artefact,) = az.export(task, tmp_path / "out", ["litert"]).artefacts
    assert artefact.verified
