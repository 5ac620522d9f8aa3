"""What hlcore.experiments has, by file; each file is imported when a name of it is first asked for."""

from . import coin_rooms as coin_rooms
from . import crowds as crowds
from . import described_signals as described_signals
from . import digit_tasks as digit_tasks
from . import dreams as dreams
from . import experiment as experiment
from . import far_past as far_past
from . import few_shots as few_shots
from . import forecasts as forecasts
from . import graph_clients as graph_clients
from . import held_digits as held_digits
from . import images as images
from . import local as local
from . import local_tracking as local_tracking
from . import paper as paper
from . import registry as registry
from . import td_learning as td_learning
from . import tracking as tracking
from .experiment import Experiment as Experiment
from .experiment import Setup as Setup
from .experiment import differing as differing
from .registry import entry as entry
from .registry import get as get
from .registry import names as names
from .registry import register as register
