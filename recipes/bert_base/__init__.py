"""Recipe: BERT base of its paper on Wikipedia."""
