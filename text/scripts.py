"""Ranges of characters, for regular expressions."""

HAN = "\u2e80-\u2fdf\u3005-\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
KANA = "\u3041-\u30ff\u31f0-\u31ff\uff66-\uff9f"
# Without spaces between words: these, Thai, Lao, Tibetan, Burmese, Khmer, Tai, Balinese, Javanese,
# Yi.
UNSPACED = (
    f"{HAN}{KANA}\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff\u1950-\u1aaf\u1b00-\u1b7f"
    "\ua000-\ua4cf\ua980-\uaa7f"
)
