"""Real streams, learned forward: python -m tests.benchmarks.streams [--write].

Five real series (`hlcore.streams.real`), one step ahead, prequentially: every value is first foretold, then learned
from. Forward HL (`experiments.real`), river's own learners and the persistence forecast; each knows x_0 … x_k
and the rhythm of the calendar, nothing else. Figures are the mean absolute error after the first 300 samples, in which
everyone has learned too (passengers: after 24 of 143), divided by that of persistence on the same samples.

How it was tuned: every learner, HL or not, has a short grid (`Racer.grid`) and takes the entry with the least geometric
mean of the ratios over the first 300 samples of four series, on two seeds of its own; once for all series. Passengers
are never looked at in tuning. Seeds: weights of the networks and of the trees; a learner without chance has no ±.
"""
