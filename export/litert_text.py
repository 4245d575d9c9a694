"""LiteRT with strings: tensorflow-text's tokenizers are operators of the file.

They are no builtin operators: whoever runs the file gives the interpreter tensorflow-text's, as
`runners/run_litert_text.py` does.
"""

import numpy as np
import tensorflow as tf
import tensorflow_text

from attention_zoo.export.litert import write_litert
from attention_zoo.export.verify import only
from attention_zoo.text.sentencepiece_tokenizer import SentencePieceTokenizer
from attention_zoo.text.vocabulary import END_ID
from attention_zoo.text.wordpiece_tokenizer import LONGEST_WORD

OPERATORS = (
    "FastBertNormalize",
    "TFText>FastSentencepieceTokenize",
    "FastWordpieceTokenizeWithOffsets",
)


def why_not_litert_text(task):
    """Why a task has no LiteRT file that takes strings, or an empty string."""
    if task.kind == "seq2seq":
        tokenizer = task.source_tokenizer
        if isinstance(tokenizer, SentencePieceTokenizer) and tokenizer.is_unigram:
            return ""
        return "is for sources cut by SentencePiece's unigram model"
    if task.kind not in ("classify", "embed"):
        return f"is for seq2seq, classify and embed, the task is {task.kind}"
    if len(task.text_inputs) > 1:
        return "is for single texts, the task takes pairs"
    if task.kind == "classify" and task.problem == "several":
        return "is for one label a text or a number, the task gives several labels"
    tokenizer = task.tokenizer
    if tokenizer.strip_accents not in (None, tokenizer.lower_case):
        return "takes accents off if it makes small letters; the task has one without the other"
    return ""


def write_litert_text(task, path, quantize="none", examples=()):
    """Writes a LiteRT file whose `serving_default` takes one string.

    Of encoders it gives what the SavedModel does; of sequence-to-sequence tasks ids, since
    tensorflow-text's operator that would make strings of them does not work in LiteRT.

    Args:
        task: a task.
        path: the file to write.
        quantize: as in `write_litert`, but not `"full_int8"`.
        examples: of no concern here.
    """
    ids_of_text = _tokenizer(task)
    functions = task.signatures()

    def serving_default(text):
        ids = tf.expand_dims(ids_of_text(text), 0)
        if task.kind == "seq2seq":
            return functions["ids"][0](ids)
        inputs = {
            "token_ids": ids,
            "mask": tf.ones_like(ids),
            "segment_ids": tf.zeros_like(ids),
        }
        return task.read(task.compute(inputs), inputs, text)

    signature = task.compared.signature
    signatures = {
        "serving_default": (serving_default, [tf.TensorSpec([1], tf.string, "text")]),
        signature: functions[signature],
    }
    write_litert(task, path, quantize, examples, signatures, operators=OPERATORS)


def expected_of_litert_text(task, expected):
    """What a file is to give, of the texts that its tokenizer reads as the task's does.

    The normalisation of tensorflow-text's operator goes further than BERT's: it makes `…` three
    full stops, and a comma of full width one of ASCII.

    Args:
        task: a task; only its tokenizers are used.
        expected: see `verify.expected_of`.
    """
    ids_of_text = tf.function(
        _tokenizer(task), input_signature=[tf.TensorSpec([1], tf.string)], autograph=False
    )
    rows = expected["source_ids" if task.kind == "seq2seq" else "token_ids"]
    alike = [
        np.array_equal(ids_of_text(tf.constant([text])).numpy(), row[row != 0])
        for text, row in zip(expected["text"], rows, strict=True)
    ]
    return only(task, expected, np.array(alike, dtype=bool))


def _tokenizer(task):
    """A function of one string, `(1,)`, that gives its ids, `(S,)`, by operators of LiteRT."""
    if task.kind == "seq2seq":
        tokenizer, room = task.source_tokenizer, task.max_source_length - 1
        return lambda text: tf.concat([tokenizer.raw_ids(text)[:room], [END_ID]], axis=0)
    ours, room = task.tokenizer, task.max_length - 2
    normalizer = tensorflow_text.FastBertNormalizer(lower_case_nfd_strip_accents=ours.lower_case)
    cutter = tensorflow_text.FastWordpieceTokenizer(
        ours.vocabulary, max_bytes_per_word=LONGEST_WORD, unknown_token="[UNK]"
    )

    def ids_of_text(text):
        ids = tf.cast(cutter.tokenize(normalizer.normalize(text)).flat_values, tf.int32)
        return tf.concat([[ours.cls_id], ids[:room], [ours.sep_id]], axis=0)

    return ids_of_text
