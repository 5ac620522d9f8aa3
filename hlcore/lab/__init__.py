"""The live lab: the Cockpit, the labs' own pictures, exercises, and the preflight."""

import sys

import lazy_loader
import torch

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
for _name, _module in {"way": "studies.bptt_walk", "lanes": "lab.demos.lane_chart"}.items():  # the first round's doors
    sys.modules[f"{__name__}.{_name}"] = lazy_loader.load(f"hlcore.{_module}", suppress_warning=True)

# a lab's tensors are small: a second thread only waits for the first, on a core that the browser needs
torch.set_num_threads(1)
