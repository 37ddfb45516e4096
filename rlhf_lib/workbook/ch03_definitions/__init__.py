"""Chapter 03, Definitions: its exercises, questions, figures, labs and experiments."""
