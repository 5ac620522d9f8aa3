"""A device without hardware: tensors on "far" compute as on the CPU, but mix with none there, as on a GPU.

What forgets to bring a tensor over raises here as it would on a GPU; bits are those of the CPU. It stands in for no
stream, no nccl and no kernel of CUDA. torch calls the hook that it hangs on experimental.

    python -m tests.far EXPERIMENT …      those among them that compute elsewhere in part, or with other bits
"""

import sys
import tempfile
import types

import torch
from torch.utils import backend_registration
from torch.utils._pytree import tree_leaves, tree_map

NAME = "far"
READY = hasattr(backend_registration, "_setup_privateuseone_for_python_backend")
WHY = f"torch {torch.__version__} has no device that can be written in Python"
BRIDGES = ("aten::copy_", "aten::_to_copy")  # all that may read from one memory and write to another
FACTORIES = ("empty.memory_format", "empty_strided", "zeros", "ones", "full", "scalar_tensor")
_library: list[torch.library.Library] = []


class Far(torch.Tensor):
    """A tensor there; `near` has its numbers."""

    near: torch.Tensor

    @staticmethod
    def __new__(cls, near, requires_grad=False):
        self = torch.Tensor._make_wrapper_subclass(
            cls,
            near.shape,
            strides=near.stride(),
            storage_offset=near.storage_offset(),
            dtype=near.dtype,
            device=torch.device(NAME, 0),
            requires_grad=requires_grad,
        )
        self.near = near
        return self

    __torch_function__ = torch._C._disabled_torch_function_impl

    def tolist(self):
        return self.near.tolist()

    @classmethod
    def __torch_dispatch__(cls, function, kinds, args=(), kwargs=None):
        return compute(function, args, kwargs or {})


def compute(function, args, kwargs):
    """What `function` gives, there if any of its tensors is there or `device` says so."""
    leaves = tree_leaves((args, kwargs))
    schema, there = function._schema, [x for x in leaves if isinstance(x, Far)]
    strangers = [x for x in leaves if isinstance(x, torch.Tensor) and not isinstance(x, Far) and x.dim()]
    if there and strangers and schema.name not in BRIDGES:
        raise RuntimeError(f"{schema.name}: expected all tensors to be on the same device, got far:0 and cpu")
    goal = kwargs.get("device")
    kwargs = {name: x for name, x in kwargs.items() if name != "pin_memory"}
    found = function(*tree_map(_near, args), **tree_map(_near, kwargs))
    if "out" in kwargs:
        return kwargs["out"]
    if schema.name.endswith("_"):
        return args[0] if schema.returns else None
    if goal is not None and torch.device(goal).type != NAME:
        return found
    return tree_map(lambda x: Far(x) if isinstance(x, torch.Tensor) else x, found)


def _near(x):
    if isinstance(x, Far):
        return x.near
    return torch.device("cpu") if isinstance(x, torch.device) and x.type == NAME else x


def install() -> torch.device:
    """Make the device known to torch, once; before the process first differentiates."""
    if not _library:
        module = types.ModuleType(f"torch.{NAME}")
        module.is_available = module.is_initialized = lambda: True
        module.device_count, module.current_device = lambda: 1, lambda: 0
        module._is_in_bad_fork = lambda: False
        module.manual_seed_all = module.synchronize = module.set_device = lambda *given: None
        backend_registration._setup_privateuseone_for_python_backend(NAME, backend_module=module)
        library = torch.library.Library("aten", "IMPL")
        for name in FACTORIES:
            base, _, overload = name.partition(".")
            function = getattr(getattr(torch.ops.aten, base), overload or "default")
            library.impl(name, lambda *args, _f=function, **kwargs: compute(_f, args, kwargs), "PrivateUse1")
        _library.append(library)
    return torch.device(NAME, 0)


def strays(names: list[str], steps: int = 6) -> list[str]:
    """The experiments whose bits after some steps there, recorded and resumed, are not those of the CPU."""
    from hlcore import Learner, Recorder, experiments
    from hlcore.law.closed_form import Closed

    Closed.holds = staticmethod(lambda form: False)  # autograd on both sides: closed forms are of plain Parameters

    def walk(experiment, device, folder):
        setup, recorder = experiment.setup(0), Recorder()
        torch.manual_seed(0)
        learner = Learner(setup.network.to(device), experiment.loss, experiment.settings, experiment.order)
        learner.run((sample.to(device) for sample in setup.stream), steps, recorder)
        learner.save(f"{folder}/a.hl")
        resumed = Learner.load(f"{folder}/a.hl", experiment.setup(0).network.to(device), experiment.loss)
        resumed.step(setup.stream[steps].to(device))
        assert all(x.device == device for part in (resumed.point.h, resumed.point.theta) for x in part.values())
        return recorder.trajectory(), [x.cpu() for x in resumed.point.theta.values()]

    install()
    found = []
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            (here, a), (there, b) = (walk(experiments.get(name), torch.device(d), folder) for d in ("cpu", f"{NAME}:0"))
        if not here.identical(there) or not all(map(torch.equal, a, b)):
            found.append(name)
    return found


if __name__ == "__main__":
    print("strays:", strays(sys.argv[1:]))
