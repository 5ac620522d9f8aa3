"""The colours of every picture, once: the palette of Okabe and Ito, which is told apart without red and green, and
a dash beside each colour, which says the same without colour."""

from typing import Any

BLUE, ORANGE, GREEN, PINK, SKY, VERMILION = "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00"
GREY, PALE, BLACK, WHITE = "#808080", "#D9D9D9", "#111111", "#FFFFFF"
YELLOW = "#F0E442"  # of a mark on a map, with a dark edge
ALARM = VERMILION  # behind words in BLACK: as a colour of small words it is too pale on white
FLAG = f"background:{ALARM};color:{BLACK};border-radius:4px;padding:0 4px"  # the style of words that alarm
ON_MAP = "#222222"  # words on a light map, in the dark theme too
GRID, CLEAR = "rgba(128,128,128,0.25)", "rgba(0,0,0,0)"
DEPTHS = ("#440154", "#414487", "#2A788E", "#22A884", "#7AD151", "#FDE725")  # viridis: rising in lightness
LAND = (WHITE, "#A9C4DC", "#7F9BB3")  # of a loss: the valley, the heights, the lines of equal height

# the lines of a chart, in this order: colour and dash, by plotly's names
INK = [
    (BLUE, "solid"), (ORANGE, "dash"), (GREEN, "dot"), (PINK, "dashdot"), (GREY, "longdash"),
    (VERMILION, "longdashdot"),
]  # fmt: skip

# the same for the canvas, which is lighter in a dark notebook; dashes are lengths of lines and gaps
CANVAS: dict[str, Any] = {
    "light": {"inks": [BLUE, ORANGE, GREEN, PINK, GREY, VERMILION], "tone": "0,0,0", "paper": WHITE},
    "dark": {"inks": [SKY, ORANGE, "#2FBF97", "#E39CC4", "#ABABAB", VERMILION], "tone": "255,255,255", "paper": BLACK},
    "dashes": [[], [7, 4], [2, 3], [9, 3, 2, 3], [13, 4], [13, 3, 2, 3]],
    "mark": VERMILION,
    "below": BLUE,  # zero, on a map
    "above": VERMILION,
}
