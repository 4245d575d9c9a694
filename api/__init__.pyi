"""The public names, for type checkers and editors; see `__init__.py`."""

from attention_zoo import layers as layers
from attention_zoo import testing as testing
from attention_zoo import zoo as zoo
from attention_zoo.decoding.beam_search import beam_search as beam_search
from attention_zoo.decoding.greedy import greedy_search as greedy_search
from attention_zoo.decoding.sampling import sample as sample
from attention_zoo.export.export import export as export
from attention_zoo.export.export import verify_export as verify_export
from attention_zoo.export.formats.base import Format as Format
from attention_zoo.export.formats.base import register_format as register_format
from attention_zoo.loading import load as load
from attention_zoo.recipes.recipe import load_recipe as load_recipe
from attention_zoo.recipes.run import train_recipe as train_recipe
from attention_zoo.tasks.answer.task import QuestionAnswering as QuestionAnswering
from attention_zoo.tasks.classify.task import Classify as Classify
from attention_zoo.tasks.embed.task import Embed as Embed
from attention_zoo.tasks.encoder_settings import EncoderRecipe as EncoderRecipe
from attention_zoo.tasks.encoder_task import EncoderTask as EncoderTask
from attention_zoo.tasks.encoder_task import Prediction as Prediction
from attention_zoo.tasks.fill_mask.task import FillMask as FillMask
from attention_zoo.tasks.importing import import_task as import_task
from attention_zoo.tasks.rank.task import Rank as Rank
from attention_zoo.tasks.seq2seq.task import Seq2Seq as Seq2Seq
from attention_zoo.tasks.seq2seq.teaching import together as together
from attention_zoo.tasks.settings import register_task as register_task
from attention_zoo.tasks.tag.task import Tag as Tag
from attention_zoo.tasks.task import Task as Task
from attention_zoo.text.character_tokenizer import CharacterTokenizer as CharacterTokenizer
from attention_zoo.text.readers import read_examples as read_examples
from attention_zoo.text.registry import register_tokenizer as register_tokenizer
from attention_zoo.text.sentencepiece_tokenizer import (
    SentencePieceTokenizer as SentencePieceTokenizer,
)
from attention_zoo.text.tokenizer import Tokenizer as Tokenizer
from attention_zoo.text.word_tokenizer import WordTokenizer as WordTokenizer
from attention_zoo.text.wordpiece_tokenizer import WordPieceTokenizer as WordPieceTokenizer
from attention_zoo.train.metrics import register_metric as register_metric
from attention_zoo.version import __version__ as __version__
from attention_zoo.viewer.explanation import Explanation as Explanation
from attention_zoo.viewer.explanation import explain as explain
from attention_zoo.viewer.head_importance import head_importance as head_importance
from attention_zoo.zoo.bert import Bert as Bert
from attention_zoo.zoo.bert_classifier import BertClassifier as BertClassifier
from attention_zoo.zoo.bert_embedder import BertEmbedder as BertEmbedder
from attention_zoo.zoo.bert_pretrainer import BertPretrainer as BertPretrainer
from attention_zoo.zoo.bert_token_classifier import BertTokenClassifier as BertTokenClassifier
from attention_zoo.zoo.model import Seq2SeqModel as Seq2SeqModel
from attention_zoo.zoo.registry import register_model as register_model
from attention_zoo.zoo.rnn_attention import RNNAttention as RNNAttention
from attention_zoo.zoo.transformer import Transformer as Transformer
