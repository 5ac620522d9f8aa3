"""The live lab: the Cockpit, the labs' own pictures, exercises, and the preflight."""

import sys

import torch

from ..studies import bptt_walk
from ..studies.chain_waves import wave as wave
from .cockpit import Cockpit as Cockpit
from .demos import lane_chart
from .demos.bptt_journey import Journey as Journey
from .demos.crowd_cloud import CrowdCloud as CrowdCloud
from .demos.directions_panel import Directions as Directions
from .demos.dreaming import Dreaming as Dreaming
from .demos.expert_room import ExpertRoom as ExpertRoom
from .demos.heat_and_wave import HeatAndWave as HeatAndWave
from .demos.lane_chart import timeline as timeline
from .demos.late_errors import LateErrors as LateErrors
from .demos.locality_waves import Waves as Waves
from .demos.processes import Fleet as Fleet
from .demos.recital import Recital as Recital
from .demos.reversal_film import Film as Film
from .demos.steering_wheel import Steering as Steering
from .demos.teacher_off import TeacherOff as TeacherOff
from .demos.valley import Valley as Valley
from .doctor import Doctor as Doctor
from .exercises import Exercise as Exercise
from .exercises import close_to as close_to
from .exercises import learns as learns
from .exercises import with_settings as with_settings
from .figures.canvas import Canvas as Canvas
from .figures.chart import Chart as Chart
from .figures.eigenvalue_plane import EigenvaluePlane as EigenvaluePlane
from .figures.eigenvalue_plane import ErrorPace as ErrorPace
from .figures.figure import Figure as Figure
from .figures.figure import View as View
from .figures.graph_picture import ClientErrors as ClientErrors
from .figures.graph_picture import GraphPicture as GraphPicture
from .figures.knowledge import Needles as Needles
from .figures.knowledge import RuleInWords as RuleInWords
from .figures.sketch import Sketch as Sketch
from .figures.spike_finder import SpikeFinder as SpikeFinder
from .figures.world_map import RoomsMap as RoomsMap
from .figures.world_map import WorldMap as WorldMap
from .jupyter import panels as panels
from .predict import Predict as Predict
from .variants import Variants as Variants

for _name, _module in {"way": bptt_walk, "lanes": lane_chart}.items():
    sys.modules[f"{__name__}.{_name}"] = _module  # doors of the first round, under their new roofs

# a lab's tensors are small: a second thread only waits for the first, on a core that the browser needs
torch.set_num_threads(1)
