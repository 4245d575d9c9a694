"""A tiny trained run, and the command line as a user has it."""

import random

import pytest

RECIPE = """\
model: {preset: transformer_tiny, width: 32, num_heads: 2, feed_forward_width: 32,
        num_encoder_blocks: 1, num_decoder_blocks: 1}
data: {train: train.tsv, valid: valid.tsv, test: valid.tsv, source: zh, target: en}
tokenizer: {kind: characters}
train: {batch_tokens: 256, buckets: 1, steps: 30, evaluate_every: 15, average_last: 2, seed: 4}
evaluate: {metrics: [exact_match, chrf], beam_size: 2}
export: {quantize: [none, dynamic_int8]}
"""


@pytest.fixture(scope="session")
def zoo(forks):
    """The command line as a function that returns the finished process."""
    return forks.run


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    """A folder with a recipe and its data: words and their letters in capitals."""
    folder = tmp_path_factory.mktemp("data")
    draw = random.Random(3)
    rows = sorted({"".join(draw.choices("abcdefg", k=draw.randint(2, 7))) for _ in range(300)})
    draw.shuffle(rows)
    for name, part in (("train", rows[20:]), ("valid", rows[:20])):
        lines = ["zh\ten\tnote", *(f"{word}\t{word.upper()}\tx" for word in part)]
        (folder / f"{name}.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "recipe.yaml").write_text(RECIPE, encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def run(zoo, data):
    """A trained run."""
    out = data / "run"
    zoo("train", data / "recipe.yaml", "--out", out)
    return out


@pytest.fixture(scope="session")
def export(zoo, run):
    """Its export."""
    out = run / "export"
    zoo("export", run, "--out", out)
    return out
