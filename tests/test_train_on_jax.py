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


@pytest.mark.slow
def test_teachers_and_a_student_are_trained_on_jax(tmp_path):
    script = str(SCRIPT.with_name("distil_on_jax.py"))
    model, tokenizer, columns = MODELS["seq2seq"]
    (tmp_path / "recipe.yaml").write_text(
        f"task: seq2seq\nmodel: {model}\n{tokenizer}\n"
        f"data: {{train: train.tsv, valid: valid.tsv, {columns}}}\n"
    )
    words = ["ab", "ba", "ac", "ca", "bc"]
    rows = [f"{word * (1 + i % 3)}\t{word}" for i, word in enumerate(words * 20)]
    for name, part in (("train", rows[:90]), ("valid", rows[90:])):
        (tmp_path / f"{name}.tsv").write_text("\n".join(["text\tlabel", *part]))
    (tmp_path / "texts.txt").write_text("abab\ncaca\nacab\nbab\n")
    (tmp_path / "run").mkdir()
    options = "--teachers 2 --minutes 0.5 0.5 --batch-tokens 64 --buckets 1 --precision float32"
    more = "--r-drop 1 --share 0.5 --warmup 8 --peak 0.01"
    for backend, *arguments in (
        ("tensorflow", "prepare", "recipe.yaml", "run", "--unlabelled", "texts.txt"),
        ("jax", "train", "run", *options.split(), *more.split()),
    ):
        process = run_python(script, *arguments, backend=backend, cwd=tmp_path)
        assert process.returncode == 0, process.stderr[-3000:]
    losses = {
        who: [float(x) for x in re.findall(rf"{who}: .* validation ([\d.]+)", process.stdout)]
        for who in ("teachers", "student")
    }
    # Eight characters and the end are to be told apart: log 9 is 2.2.
    assert losses["teachers"][-1] < 1.2, losses
    assert losses["student"][-1] < 1.2, losses
    # Three of the four are in no other file; each has an answer, or the teachers gave none.
    assert re.search(r"[0-4] answers in ", process.stdout)
    task = az.load(tmp_path / "run")
    valid = az.read_examples(tmp_path / "valid.tsv", ["text", "label"])
    assert task.evaluate(valid, ["exact_match"])["metrics"]["exact_match"] >= 80
