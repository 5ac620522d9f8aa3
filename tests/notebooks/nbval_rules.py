"""A pytest plugin for strict nbval: what is no statement of a lab is not compared."""

NOT_COMPARED = ("stderr", "text/html", "application/vnd.plotly.v1+json")


def pytest_collectstart(collector):
    if hasattr(collector, "skip_compare"):
        collector.skip_compare = (*collector.skip_compare, *NOT_COMPARED)
