"""Tests, and the commands behind `make test`, `book`, `bench`, `claims` and `lock`."""
