"""Figures as people read them: in the terminal, in a notebook and on a run's page alike. Pure."""

import math

from efficientnet_lite.metrics import Interval

NARROW = 0.01  # of an interval: from there on tenths of a percent say something


def percent(fraction: float, interval: Interval | None = None) -> str:
    """A fraction in whole percents with its interval: "88 % (84-91)", where few photos allow no more.

    Tenths are shown where the interval is narrower than a point. What is not all is never "100 %", nor what is not
    nothing "0 %".
    """
    digits = 1 if interval is not None and interval.high - interval.low < NARROW else 0
    if interval is None:
        return f"{_hundredths(fraction, digits)} %"
    ends = (f"{100 * end:.{digits}f}" for end in interval)
    return f"{_hundredths(fraction, digits)} % ({'-'.join(ends)})"


def points(fraction: float) -> str:
    """A difference of fractions: "1 point", "0.5 points"."""
    return f"{100 * fraction:g} {'point' if fraction == 0.01 else 'points'}"


def megabytes(count: int) -> str:
    """Bytes as app stores count them, in millions: "16.5 MB", "0.03 MB"."""
    return f"{count / 1e6:.1f} MB" if count >= 1e5 else f"{count / 1e6:.2g} MB"


def milliseconds(value: float) -> str:
    """ "7.8 ms", and from ten on "20 ms"."""
    return f"{value:.0f} ms" if value >= 9.95 else f"{value:.1f} ms"


def noise(snr_db: float) -> str:
    """What a signal-to-noise ratio in dB says: how far values are from the true ones, as a share of those: "0.26 %"."""
    if math.isnan(snr_db):
        return "what is no number"
    share = 10 ** (-max(snr_db, -200.0) / 20)
    return f"{100 * share:.2g} %" if share < 1 else f"{100 * share:.0f} %"


def _hundredths(fraction: float, digits: int) -> str:
    for more in (digits, 1):
        text = f"{100 * fraction:.{more}f}"
        if float(text) not in (0, 100) or fraction in (0, 1):
            return text
    return "99.9" if fraction > 0.5 else "0.1"


def within(codes: int) -> str:
    """How far apart outputs are, in codes of 255: `to the code`, `within 3 codes`."""
    return "to the code" if codes == 0 else f"within {codes} code{'s' if codes > 1 else ''}"
