"""The signal school (K): seven signals are taught, and all eight must be sung from their description alone."""

from collections.abc import Mapping

from torch.nn.functional import mse_loss

from ..errors import known
from ..law.settings import Settings
from ..networks import FactoredReadout, KeyedReadout, Rotations, choir
from ..streams.lectures import HELD_OUT, SIGNALS, TOKENS, Lectures, Signal
from .experiment import Setup
from .registry import register

UNITS = 250  # rotation blocks; the set-up of K has 500


def signals_without(held_out: str) -> Mapping[str, Signal]:
    """The signals without the held-out one; "none" holds nothing out."""
    known("held_out", held_out, [*SIGNALS, "none"])
    return {name: signal for name, signal in SIGNALS.items() if name != held_out}


@register("signal-school", "Signal school · a choir of factors", {"good": {}, "forgetful": {"phi": 0.02}})
def signal_school(seed: int, held_out: str = HELD_OUT, rounds: int = 3, steps: int = 1000, units: int = UNITS) -> Setup:
    """A network of rotations hears seven described signals three times, then sings all eight, one never heard.

    Each token of the description is tried as a mere factor of the amplitude, and trusted as far as its voice is right.
    What a token does to the amplitude is learned wherever it occurs, so it holds for a combination never heard.
    """
    network = Rotations(
        units, len(TOKENS), 1, start="clock", top=6.0, spread="even", readout=FactoredReadout(len(TOKENS), 2 * units)
    )
    # In Euler order with τη = 1, ω is the last gradient. |h|² = units, so M moves by a fixed share of its error.
    beta = {"readout.M": 4.5 / units, "readout.amplitude": 0.05, "readout.trust": 30.0, "frequency": 1e-4}
    settings = Settings(tau=0.1, eta=10.0, phi=1.0, beta=beta)
    return Setup(network, Lectures(signals_without(held_out), steps, rounds), choir, settings, order="euler")


@register("signal-school-baseline", "Signal school · as its authors have it", {"good": {}, "undamped": {"eta": 0.0}})
def signal_school_baseline(
    seed: int, held_out: str = HELD_OUT, rounds: int = 3, steps: int = 1000, units: int = 500
) -> Setup:
    """The same lectures with the authors' own student (K): rotations born from the descriptor, a keyed readout."""
    inputs = len(TOKENS) + 1  # the last one is the slot of a signal that is not given
    network = Rotations(units, inputs, 1, start="free", readout=KeyedReadout(inputs, 2 * units, 1))
    lectures = Lectures(signals_without(held_out), steps, rounds, silent=1, announced=True)
    return Setup(network, lectures, mse_loss, Settings(tau=0.1, eta=2.0, phi=1.0, beta=0.01), order="euler")
