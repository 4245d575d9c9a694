"""More than 10,000 lines for tests of tokenizers."""

import random
import unicodedata
from pathlib import Path

from attention_zoo.text.readers import read_examples

ROOT = Path(__file__).parents[2]
HARD = [
    "",
    "   ",
    "\u2582\u2583\u2581",
    "a\u2581",
    "a \u2581 ",
    "a" * 100,
    "a" * 101,
    "é" * 100,
    "é" * 101,
    "你" * 150,
    "https://example.org/a_b?q=%20d&x=[1]#top mail@example.org",
    "def f(x):\n\treturn {x: x**2}  # größer",
    "👩‍👩‍👧 family 👍🏽 🇩🇪",
    "İstanbul ΣΑΣ ẞ ŉ ǰ",
    "naïve café cafe\u0301 Å \u212b",
    "zero\u200bwidth soft\u00adhyphen bell\x07 nul\x00 \ufffd \ufeffbom",
    "line\u2028separator\u2029paragraph no\u00a0break \u3000ideographic",
    "한국어 ไทย العربية हिन्दी",
    "〜！？。，、「」（）",
]


def random_lines(number):
    """Lines of characters that have been the same since Unicode 3.2: others differ by version."""
    old = unicodedata.ucd_3_2_0
    known = [chr(c) for c in range(0x20, 0x3400) if old.category(chr(c)) != "Cn"]
    pool = [c for c in known if old.category(c) == unicodedata.category(c)]
    pool += [chr(c) for c in (*range(0x4E00, 0x4F00), *range(0x1F600, 0x1F640), 0x20000)]
    draw = random.Random(3)
    wide = ["".join(draw.choices(pool, k=draw.randint(1, 40))) for _ in range(number // 2)]
    near = "abcdefgh éßÀ你x.#[]-_\t'"
    return wide + ["".join(draw.choices(near, k=draw.randint(1, 130))) for _ in range(number // 2)]


def hard_lines():
    """Both languages of a real corpus, hard cases, random characters."""
    folder = ROOT / "recipes" / "zh_en" / "data"
    pairs = read_examples([str(path) for path in sorted(folder.glob("*.tsv"))], ["zh", "en"])
    found = [*HARD, *random_lines(3000), *(text for pair in pairs for text in pair)]
    assert len(found) > 10_000
    return found
