"""Chapter 17, Evaluation: its exercises, questions, figures, labs and experiments."""
