"""Tasks on Sensorpro, one an operation."""

from blocks import SensorproCredentials
from hookline.clients import SensorproClient
from tasks.operations import VendorTasks

_sensorpro = VendorTasks(SensorproCredentials, __name__)

trigger_email = _sensorpro.blind_effect(
    SensorproClient.trigger_email,
    of=("CampId", "BroadcastId"),
    essential=("CampId", "BroadcastId", "NamedPairsParameters"),
)
