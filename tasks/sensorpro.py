"""Tasks on Sensorpro, one an operation."""

from blocks.sensorpro import SensorproCredentials
from hookline.clients.sensorpro import SensorproClient
from tasks.operations import VendorTasks
from tasks.readback import sensorpro as readback

_sensorpro = VendorTasks(SensorproCredentials, __name__)

# Signing in
sign_in = _sensorpro.call(SensorproClient.sign_in)
log_in = _sensorpro.call(SensorproClient.log_in)
log_off = _sensorpro.call(SensorproClient.log_off)

# Contacts
upsert_contacts = _sensorpro.call(SensorproClient.upsert_contacts)
add_contacts = _sensorpro.write_task(SensorproClient.add_contacts, readback=readback.added)
update_contacts = _sensorpro.call(SensorproClient.update_contacts)
get_contacts = _sensorpro.call(SensorproClient.get_contacts)
get_contacts_paged = _sensorpro.call(SensorproClient.get_contacts_paged)
change_opt_out_status = _sensorpro.call(SensorproClient.change_opt_out_status)
forget_contact = _sensorpro.write_task(
    SensorproClient.forget_contact, of="PersonalEMail", readback=readback.forgotten
)

# Mail and campaigns. A mail is known by its step: to whom it goes, and in which words, may be corrected.
trigger_email = _sensorpro.blind_write_task(
    SensorproClient.trigger_email,
    of=("CampId", "BroadcastId"),
    identity=(),
    wording=("NamedPairsParameters",),
)
send_email = _sensorpro.blind_write_task(SensorproClient.send_email, of="Subject", identity=())
add_broadcast = _sensorpro.blind_write_task(
    SensorproClient.add_broadcast,
    of=("CampaignId", "DesignId", "SegmentId"),
    identity=("CampaignId", "DesignId", "SegmentId"),
)
get_broadcast_status = _sensorpro.call(SensorproClient.get_broadcast_status)
get_campaign_results = _sensorpro.call(SensorproClient.get_campaign_results)
get_campaign_result_links = _sensorpro.call(SensorproClient.get_campaign_result_links)

# Imports
execute_ftp_import = _sensorpro.blind_write_task(SensorproClient.execute_ftp_import, of="Tag")
get_import_status = _sensorpro.call(SensorproClient.get_import_status)
