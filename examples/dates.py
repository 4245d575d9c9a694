"""Train a Transformer on Chinese dates, and save it. More steps make it good: try 1,500."""

import sys
from pathlib import Path

import attention_zoo as az

STEPS, OUT = int(sys.argv[1]), sys.argv[2]
DATA = Path(__file__).parents[1] / "recipes/dates/data"

train = az.read_examples(DATA / "train.tsv", ["zh", "en"])
valid = az.read_examples(DATA / "valid.tsv", ["zh", "en"])[:50]
source = az.CharacterTokenizer.train(chinese for chinese, _ in train)
target = az.CharacterTokenizer.train(english for _, english in train)
model = az.Transformer.from_preset(
    "transformer_tiny",
    source_vocab_size=source.vocab_size,
    target_vocab_size=target.vocab_size,
    share_embeddings=False,
    max_length=40,
)
task = az.Seq2Seq(model, source, target)
figures = task.fit(train, valid=valid, steps=STEPS, batch_tokens=1024, metrics=["exact_match"])
print(figures["valid"])
print(task(["2021年11月13日星期六"]))
task.save(OUT)
