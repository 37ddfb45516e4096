"""Chapter 00, Start here: its exercises, questions, figures, labs and experiments."""
