"""The four ids that mean the same in every vocabulary."""

PAD_ID = 0  # fills up shorter sentences
UNKNOWN_ID = 1  # stands for what the vocabulary lacks
START_ID = 2  # the decoder's first input
END_ID = 3  # ends every sentence
NUM_SPECIAL_IDS = 4
