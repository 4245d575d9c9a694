"""The recipe xquad: questions that people asked about paragraphs of Wikipedia."""
