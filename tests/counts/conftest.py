"""The cast of the journeys: what is counted here is counted on the running system."""

from tests.journeys.conftest import ada, database, desk, patient

__all__ = ["ada", "database", "desk", "patient"]
