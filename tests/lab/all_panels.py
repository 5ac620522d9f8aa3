"""Every kind of panel, each made by a function of no arguments: for tests that walk over all of them."""

from hlcore import experiments, lab


def cockpit(name="tracker-water-flow", *figures, **options):
    return lab.Cockpit(experiments.get(name, **options), figures=[getattr(lab, one) for one in figures])


def played():
    panel = cockpit().race("sgd")
    panel.step(50)
    panel.at(2.0)
    panel.fork(eta=1.0)
    panel.set(eta=3.0).pin()
    panel.step(5)
    return panel


MADE = {
    "a cockpit": cockpit,
    "a race, a fork and a cursor": played,
    "a crowd": lambda: cockpit("crowd-clusters", "CrowdCloud"),
    "dreams": lambda: cockpit("dream-digits", "Dreaming"),
    "experts": lambda: cockpit("experts-digits", "ExpertRoom"),
    "clients": lambda: cockpit("graph-clients", "GraphPicture", "ClientErrors"),
    "rooms": lambda: cockpit("coin-rooms", "RoomsMap", "Needles"),
    "spikes": lambda: cockpit("few-shot-spikes", "SpikeFinder"),
    "control": lambda: cockpit("least-control-digits", "TeacherOff"),
    "a world": lambda: cockpit("ring-td", "EigenvaluePlane", "ErrorPace", "WorldMap"),
    "a recital": lambda: lab.Recital(cockpit("signal-school")),
    "a prediction": lambda: lab.Predict("Which?", ["this", "that"], lambda: "this"),
    **{
        name: getattr(lab, name)
        for name in (
            "Directions",
            "Doctor",
            "Film",
            "HeatAndWave",
            "Journey",
            "LateErrors",
            "Steering",
            "Valley",
            "Waves",
        )
    },
}
