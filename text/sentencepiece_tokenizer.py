"""SentencePiece, trained by its own library and run in-graph by tensorflow-text."""

import hashlib
import io
import re

import sentencepiece
import tensorflow as tf
import tensorflow_text
from sentencepiece import sentencepiece_model_pb2
from tensorflow_text.python.ops.sentencepiece_tokenizer import (
    gen_sentencepiece_tokenizer as sentencepiece_operators,
)

from attention_zoo.errors import UserError
from attention_zoo.files import atomic_file, read_file
from attention_zoo.text.tokenizer import Tokenizer
from attention_zoo.text.vocabulary import END_ID, PAD_ID, START_ID, UNKNOWN_ID

_FILE = "sentencepiece.model"


class SentencePieceTokenizer(Tokenizer):
    """A tokenizer whose tokens are pieces of words (Kudo & Richardson 2018).

    Args:
        model: the bytes of a SentencePiece model whose ids 0-3 are pad, unknown,
            start and end.

    Raises:
        UserError: if the model has other special ids.
    """

    kind = "sentencepiece"

    def __init__(self, model):
        super().__init__()
        self.model = model
        pieces = sentencepiece.SentencePieceProcessor(model_proto=model)
        self.vocab_size = pieces.get_piece_size()
        special = [pieces.pad_id(), pieces.unk_id(), pieces.bos_id(), pieces.eos_id()]
        if special != [PAD_ID, UNKNOWN_ID, START_ID, END_ID]:
            raise UserError(
                f"the SentencePiece model must have pad, unknown, start and end as ids 0, 1, 2, 3; "
                f"it has {special}"
            )
        self._pieces = pieces
        self._processor = _make_processor(model)

    @classmethod
    def train(cls, texts, vocab_size=8000, algorithm="unigram"):
        """Learns pieces from texts.

        Args:
            texts: iterable of strings.
            vocab_size: number of pieces, the four special ids included.
            algorithm: `"unigram"` or `"bpe"`.

        Raises:
            UserError: if the texts do not hold that many pieces.
        """
        model = io.BytesIO()
        try:
            sentencepiece.SentencePieceTrainer.train(
                sentence_iterator=iter(texts),
                model_writer=model,
                vocab_size=vocab_size,
                model_type=algorithm,
                character_coverage=1.0,
                pad_id=PAD_ID,
                unk_id=UNKNOWN_ID,
                bos_id=START_ID,
                eos_id=END_ID,
                num_threads=1,  # with more, ties break differently from run to run
                max_sentence_length=1 << 20,
                minloglevel=2,
            )
        except RuntimeError as error:
            raise UserError(_explain(str(error), vocab_size)) from error
        return cls(model.getvalue())

    @property
    def is_unigram(self):
        """Whether the pieces are a unigram model's, which LiteRT can cut too."""
        return isinstance(self._processor, tensorflow_text.FastSentencepieceTokenizer)

    def raw_ids(self, strings):
        """The ids of valid UTF-8, `(B,)`, as a ragged tensor, by a single operator."""
        return self._processor.tokenize(strings)

    def _tokenize(self, strings):
        return self._processor.tokenize(strings)

    def _detokenize(self, ids):
        return self._processor.detokenize(ids)

    def unknown_tokens(self, text):
        """The parts of a string that are unknown: characters that stand together are one."""
        found = zip(self._pieces.encode(text), self._pieces.encode(text, out_type=str), strict=True)
        return [piece for number, piece in found if number == UNKNOWN_ID]

    def pieces(self, ids):
        """The pieces of some ids, for people to read."""
        return [self._pieces.id_to_piece(int(i)) for i in ids]

    def _save(self, directory):
        with atomic_file(directory / _FILE) as temporary:
            temporary.write_bytes(self.model)

    @classmethod
    def _load(cls, directory):
        return cls(read_file(directory / _FILE))


def _make_processor(model):
    """The in-graph tokenizer that gives the ids of the sentencepiece package.

    tensorflow-text has two. The fast one keeps the model in a constant, and is exact
    for unigram models but wrong for BPE; the other is exact for BPE, and breaks ties of
    unigram models otherwise than sentencepiece 0.2 does.
    """
    description = sentencepiece_model_pb2.ModelProto.FromString(model)
    if description.trainer_spec.model_type == sentencepiece_model_pb2.TrainerSpec.UNIGRAM:
        return tensorflow_text.FastSentencepieceTokenizer(model=model)
    processor = tensorflow_text.SentencepieceTokenizer(model=model)
    processor._model_resource = _SharedResource(model)
    return processor


class _SharedResource(tf.saved_model.experimental.TrackableResource):
    """The model of a SentencepieceTokenizer, under a name of its own.

    Without one it belongs to a cached kernel and is gone when TensorFlow empties that
    cache, which every `keras.utils.set_random_seed` does.
    """

    def __init__(self, model):
        super().__init__()
        self._model = model
        self._name = f"sentencepiece-{hashlib.sha256(model).hexdigest()}"
        _ = self.resource_handle  # makes it

    def _create_resource(self):
        return sentencepiece_operators.sentencepiece_op(model=self._model, shared_name=self._name)


def _explain(message, vocab_size):
    """Puts SentencePiece's own words, which name C++ source lines, into the user's terms."""
    # "Vocabulary size too high (4000). Please set it to a value <= 93."
    largest = re.search(r"value <= (\d+)", message)
    if largest:
        return (
            f"tokenizer.vocab_size: {vocab_size} is more than the training text can fill; "
            f"at most {largest[1]} are accepted"
        )
    # "Vocabulary size is smaller than required_chars. 10 vs 23."
    smallest = re.search(r"required_chars\D*\d+ vs (\d+)", message)
    if smallest:
        return (
            f"tokenizer.vocab_size: {vocab_size} has no room for the characters of the training "
            f"text; at least {int(smallest[1])} are needed"
        )
    return f"SentencePiece cannot be trained with tokenizer.vocab_size={vocab_size}: {message}"
