"""Chapter 02, The reward landscape: its exercises, questions, figures, labs and experiments."""
