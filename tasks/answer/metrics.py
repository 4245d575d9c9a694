"""Metrics of extracted answers, computed like the official scripts of SQuAD 1.1 and 2.0.

A reference is the last column of an example: a JSON list of objects with `text`, empty if there is
no answer.
"""

import collections
import json
import re
import string
import unicodedata

from attention_zoo.errors import UserError, shown
from attention_zoo.text.scripts import UNSPACED
from attention_zoo.train.metrics import SPAN, register_metric

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_UNSPACED = re.compile(f"[{UNSPACED}]")


@register_metric("squad_exact_match", (SPAN,), is_mean=True)
def squad_exact_match(answers, references):
    """Percentage of answers that equal one of their references after normalisation.

    Example:
        >>> squad_exact_match(["The cat!", ""], ['[{"text": "cat"}]', "[]"])
        100.0
    """
    return _mean(lambda a, b: float(a == b), answers, references)


@register_metric("squad_f1", (SPAN,), is_mean=True)
def squad_f1(answers, references):
    """Mean over the answers of the best word F1 with one of their references, in percent.

    Example:
        >>> round(squad_f1(["black cat"], ['[{"text": "the cat"}]']), 2)
        66.67
    """
    return _mean(_f1, answers, references)


def normalize_answer(text):
    """Lower case, without punctuation, articles and double spaces.

    In Chinese and other scripts without spaces each character is a word, and all punctuation goes,
    as in the script of MLQA (Lewis et al. 2020).

    Example:
        >>> normalize_answer("The  Cat's hat."), normalize_answer("《红楼梦》，1791年")
        ('cats hat', '红 楼 梦 1791 年')
    """
    if _UNSPACED.search(text):
        letters = "".join(c for c in text.lower() if not _is_punctuation(c))
        return " ".join(_UNSPACED.sub(r" \g<0> ", letters).split())
    kept = "".join(c for c in text.lower() if c not in string.punctuation)
    return " ".join(_ARTICLES.sub(" ", kept).split())


def _is_punctuation(character):
    return character in string.punctuation or unicodedata.category(character).startswith("P")


def _mean(score, answers, references):
    total = 0.0
    for answer, reference in zip(answers, references, strict=True):
        texts = [normalize_answer(text) for text in _texts(reference)]
        # Like the script of SQuAD 2.0: references that are empty after normalisation do not count.
        texts = [text for text in texts if text] or [""]
        total += max(score(normalize_answer(answer), text) for text in texts)
    return 100.0 * total / max(len(answers), 1)


def _texts(reference):
    """The answers that a reference accepts."""
    try:
        return [str(wanted["text"]) for wanted in json.loads(reference)]
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(
            f'a reference must be a JSON list of {{"text": ...}}, received {shown(reference)}'
        ) from error


def _f1(answer, reference):
    given, wanted = answer.split(), reference.split()
    if not given or not wanted:
        return float(given == wanted)
    same = sum((collections.Counter(given) & collections.Counter(wanted)).values())
    return 2.0 * same / (len(given) + len(wanted))
