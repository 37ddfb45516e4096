"""Numbers in sentences: never minus zero, which is only rounding."""


def plain(value: float, digits: int = 2) -> str:
    """A number with so many digits: 0.00, and never -0.00."""
    return f"{value:z.{digits}f}"


def signed(value: float, digits: int = 2) -> str:
    """A number with its sign: +0.00, and never -0.00."""
    return f"{value:+z.{digits}f}"


def counted(count: int, thing: str) -> str:
    """'1 sample', '2 samples'."""
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"
