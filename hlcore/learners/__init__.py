"""One file, one learner: what each carries from step to step, and how it finds its gradient."""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
