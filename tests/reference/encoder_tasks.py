"""A small task of each kind that an encoder has, and examples of it."""

import json

import keras
import numpy as np

from attention_zoo.tasks.answer.task import QuestionAnswering
from attention_zoo.tasks.classify.task import Classify
from attention_zoo.tasks.embed.task import Embed
from attention_zoo.tasks.fill_mask.task import FillMask
from attention_zoo.tasks.tag.task import Tag
from attention_zoo.text.wordpiece_tokenizer import SPECIAL_PIECES, WordPieceTokenizer
from attention_zoo.zoo import Bert, BertClassifier, BertPretrainer, BertTokenClassifier

PIECES = "a b c ##a ##b ##c d e ? . 你"
TOKENIZER = WordPieceTokenizer([*SPECIAL_PIECES, *PIECES.split()])
ENCODER = {
    "vocab_size": TOKENIZER.vocab_size,
    "width": 24,
    "num_blocks": 2,
    "num_heads": 3,
    "max_length": 24,
}
TEXTS = ["ab c", "a", "cab . 你 d e ? a b", "ccc d", "e e e a ?", "b 你 . c a"]
NO_ANSWER = json.dumps([])
KINDS = {
    "classify": (
        lambda: Classify(BertClassifier(3, ENCODER), TOKENIZER, ["x", "y", "z"]),
        [(text, "x") for text in TEXTS],
    ),
    "classify pairs": (
        lambda: Classify(
            BertClassifier(2, ENCODER),
            TOKENIZER,
            ["x", "y"],
            "several",
            fields=("text", "pair", "label"),
        ),
        [(text, text[::-1], "x") for text in TEXTS],
    ),
    "classify, a number": (
        lambda: Classify(BertClassifier(1, ENCODER), TOKENIZER, problem="number"),
        [(text, str(len(text))) for text in TEXTS],
    ),
    "tag": (
        lambda: Tag(BertTokenClassifier(3, ENCODER), TOKENIZER, ["O", "B-X", "I-X"]),
        [(text, " ".join("O" for _ in text.split())) for text in TEXTS],
    ),
    "answer": (
        lambda: QuestionAnswering(BertTokenClassifier(2, ENCODER), TOKENIZER, 12, stride=3),
        [("a ?", text, NO_ANSWER) for text in TEXTS],
    ),
    # With a pooler that nothing looks at, large enough to be missed in the file's size.
    "embed": (
        lambda: Embed(Bert(**{**ENCODER, "width": 192}), TOKENIZER),
        [(text,) for text in TEXTS],
    ),
    "fill_mask": (
        lambda: FillMask(BertPretrainer(ENCODER), TOKENIZER),
        [(text,) for text in TEXTS],
    ),
}


def make(kind):
    """A task whose random weights are large enough for answers to differ from text to text."""
    build, examples = KINDS[kind]
    keras.utils.set_random_seed(4)
    task = build()
    rng = np.random.default_rng(5)
    for variable in task.model.trainable_variables:
        variable.assign_add(rng.normal(0, 0.15, variable.shape))
    return task, examples
