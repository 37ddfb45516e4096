"""Chapter 09, Instruction fine-tuning: its exercises, questions, figures, labs and experiments."""
