"""Recipe: BERT pre-trained on the descriptions of Debian's packages."""
