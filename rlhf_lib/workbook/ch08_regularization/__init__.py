"""Chapter 08, Regularization: its exercises, questions, figures, labs and experiments."""
