"""What all chapters' apps are made of: exercise, quiz, bug, lab, 3-D scene."""
