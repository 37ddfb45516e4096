"""The palette is seen on white: WCAG's contrast for lines and marks is 3 to 1."""

import pytest

from rlhf_lib.plots.style import COLOURS, CYCLE


def luminance(colour: str) -> float:
    """Relative luminance of '#RRGGBB' (WCAG 2.2)."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_contrast_by_hand():
    assert contrast("#000000", "#FFFFFF") == pytest.approx(21)
    assert contrast("#767676", "#FFFFFF") == pytest.approx(4.54, abs=0.01)


@pytest.mark.parametrize("colour", sorted({*COLOURS.values(), *CYCLE}))
def test_lines_stand_out_from_white(colour):
    assert contrast(colour, "#FFFFFF") >= 3


def test_the_two_that_matter_stay_apart():
    """Proxy is orange, gold is blue, and a reader who sees no hue sees a difference still."""
    assert COLOURS["proxy"] != COLOURS["gold"]
    assert contrast(COLOURS["proxy"], COLOURS["gold"]) > 1.3
