"""The recipe cmrc: questions that people asked about Chinese paragraphs of Wikipedia."""
