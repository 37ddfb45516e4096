"""Tests, and the commands behind `make test`, `book`, `bench` and `lock`."""
