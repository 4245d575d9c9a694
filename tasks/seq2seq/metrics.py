"""BLEU, chrF, chrF++ and TER, computed by sacreBLEU, and their signatures."""

import re

from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF
from sacrebleu.metrics.ter import TER

from attention_zoo.errors import UserError, suggest
from attention_zoo.text.scripts import HAN, KANA, UNSPACED
from attention_zoo.train.metrics import TEXT, register_metric

_PATTERNS = {name: re.compile(f"[{ranges}]") for name, ranges in
             (("han", HAN), ("kana", KANA), ("unspaced", UNSPACED))}  # fmt: skip
_TOKENS = re.compile(rf"[{UNSPACED}]|[^\W_{UNSPACED}]+")
_SPACED_WORD = re.compile(rf"[^\W\d_{UNSPACED}]+")
# A smaller fraction of unspaced characters does not count: an English text may quote Chinese.
_LEAST_UNSPACED = 0.25
_LEAST_KANA = 0.05  # a Chinese text may have a Japanese name in it


def bleu_signature(references, tokenize=None):
    """The sacreBLEU signature of `bleu`.

    Example:
        >>> bleu_signature(["a cat"]).split("|")[3]
        'tok:13a'
    """
    return _signature(_bleu_for(references, tokenize))


def _bleu_for(references, tokenize=None):
    return _make_bleu(tokenize or bleu_tokenize(references))


@register_metric(
    "bleu",
    (TEXT,),
    options={"bleu_tokenize": "tokenize"},
    signature=bleu_signature,
    sacrebleu=_bleu_for,
)
def bleu(answers, references, tokenize=None):
    """Corpus BLEU of sacreBLEU, 0 to 100.

    Args:
        answers: list of strings.
        references: list of strings.
        tokenize: the tokenization, one of sacreBLEU's names; default:
            `bleu_tokenize(references)`.

    Example:
        >>> round(bleu(["今天天气很好"], ["今天天气真好"]), 2)
        53.73
    """
    return _bleu_for(references, tokenize).corpus_score(answers, [references]).score


def chrf_signature(references):
    """The sacreBLEU signature of `chrf`."""
    return _signature(CHRF())


@register_metric("chrf", (TEXT,), signature=chrf_signature, sacrebleu=lambda _: CHRF())
def chrf(answers, references):
    """Corpus chrF of sacreBLEU (chrF2: character 6-grams, no word n-grams), 0 to 100."""
    return CHRF().corpus_score(answers, [references]).score


def chrf_plus_plus_signature(references):
    """The sacreBLEU signature of `chrf++`."""
    return _signature(CHRF(word_order=2))


@register_metric(
    "chrf++",
    (TEXT,),
    signature=chrf_plus_plus_signature,
    sacrebleu=lambda _: CHRF(word_order=2),
)
def chrf_plus_plus(answers, references):
    """Corpus chrF++ of sacreBLEU (character 6-grams, word 2-grams; Popović 2017), 0 to 100."""
    return CHRF(word_order=2).corpus_score(answers, [references]).score


def ter_signature(references):
    """The sacreBLEU signature of `ter`."""
    return _signature(_make_ter(references))


def _make_ter(references):
    spaced = bleu_tokenize(references) == "13a"
    return TER() if spaced else TER(normalized=True, asian_support=True)


@register_metric(
    "ter", (TEXT,), higher_is_better=False, signature=ter_signature, sacrebleu=_make_ter
)
def ter(answers, references):
    """Corpus translation edit rate of sacreBLEU (Snover et al. 2006), in percent of the words.

    Without spaces between words, each character counts.

    Example:
        >>> round(ter(["the cat sat"], ["the cat sat down"]), 2)
        25.0
    """
    return _make_ter(references).corpus_score(answers, [references]).score


def split_unspaced(text):
    """Words, and each character of a script without spaces, as a list of strings.

    Example:
        >>> split_unspaced("用 PGDATA。")
        ['用', 'PGDATA']
    """
    return [part for part in _TOKENS.findall(text) if part.strip()]


def bleu_tokenize(references):
    """The tokenization for the script of the references.

    Without spaces between words, `13a` would take a sentence for a word. Chinese uses `zh`.
    sacreBLEU's `ja-mecab` for Japanese needs extra packages, so Japanese, Thai and similar
    scripts use `char`.

    Args:
        references: list of strings.

    Returns:
        One of sacreBLEU's names.

    Example:
        >>> [bleu_tokenize([text]) for text in ("a cat", "一只猫", "猫がいる", "แมว", "고양이")]
        ['13a', 'zh', 'char', 'char', '13a']
    """
    text = "\n".join(references)
    han, kana, unspaced = (len(pattern.findall(text)) for pattern in _PATTERNS.values())
    if unspaced <= _LEAST_UNSPACED * (unspaced + len(_SPACED_WORD.findall(text))):
        return "13a"
    if kana > _LEAST_KANA * unspaced or 2 * han < unspaced:
        return "char"
    return "zh"


def check_bleu_tokenize(name):
    """Rejects a tokenization that cannot be used here.

    Raises:
        UserError: if sacreBLEU does not have it, or it needs a package or file that is
            missing.
    """
    if name is not None:
        _make_bleu(name)


def _make_bleu(tokenize):
    if not isinstance(tokenize, str) or tokenize not in BLEU.TOKENIZERS:
        raise UserError(
            f"bleu_tokenize: sacreBLEU has no tokenization {tokenize!r}; "
            f"{suggest(tokenize, BLEU.TOKENIZERS)}"
        )
    try:
        return BLEU(tokenize=tokenize)
    # Some need MeCab, some a model that sacreBLEU downloads.
    except (RuntimeError, ImportError, OSError) as error:
        message = " ".join(str(error).split())
        raise UserError(f"bleu_tokenize: {tokenize} cannot be used here: {message}") from error


def _signature(metric):
    # Only available after a score, since it includes the number of references.
    metric.corpus_score(["a"], [["a"]])
    return metric.get_signature().format()
