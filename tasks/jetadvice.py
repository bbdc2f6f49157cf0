"""Tasks on JetAdvice, one an operation."""

from blocks.jetadvice import JetadviceCredentials
from hookline.clients.jetadvice import JetadviceClient
from tasks.operations import VendorTasks
from tasks.readback import alike
from tasks.readback import jetadvice as readback

_jetadvice = VendorTasks(JetadviceCredentials, __name__)

login = _jetadvice.call(JetadviceClient.login)

# Customers, their levels and users
list_customers = _jetadvice.call(JetadviceClient.list_customers)
create_customer = _jetadvice.write_task(
    JetadviceClient.create_customer,
    of="name",
    readback=alike(JetadviceClient.list_customers),
    reference="customerId",
)
update_customer = _jetadvice.call(JetadviceClient.update_customer)
list_levels = _jetadvice.call(JetadviceClient.list_levels)
create_level = _jetadvice.write_task(
    JetadviceClient.create_level,
    of=("customerId", "name"),
    readback=alike(JetadviceClient.list_levels, within="customerId"),
    reference="levelId",
)
update_level = _jetadvice.call(JetadviceClient.update_level)
list_users = _jetadvice.call(JetadviceClient.list_users)
create_user = _jetadvice.write_task(
    JetadviceClient.create_user,
    of=("customerId", "userName"),
    readback=alike(JetadviceClient.list_users, within="customerId"),
    reference="userId",
)
update_user = _jetadvice.call(JetadviceClient.update_user)

# Devices, tags, views
list_devices = _jetadvice.call(JetadviceClient.list_devices)
update_device = _jetadvice.call(JetadviceClient.update_device)
list_tags = _jetadvice.call(JetadviceClient.list_tags)
create_tag = _jetadvice.write_task(
    JetadviceClient.create_tag, of="name", readback=alike(JetadviceClient.list_tags), reference="tagId"
)
list_views = _jetadvice.call(JetadviceClient.list_views)

# Reports
list_reports = _jetadvice.call(JetadviceClient.list_reports)
create_report = _jetadvice.write_task(
    JetadviceClient.create_report,
    of="name",
    readback=alike(JetadviceClient.list_reports),
    reference="reportId",
)
request_report_run = _jetadvice.write_task(
    JetadviceClient.request_report_run, of="reportId", readback=readback.no_run, reference="ReportRequestGuid"
)
get_report_run = _jetadvice.call(JetadviceClient.get_report_run)
get_report_file = _jetadvice.call(JetadviceClient.get_report_file)

# Data collectors, and the API's own description
list_data_collectors = _jetadvice.call(JetadviceClient.list_data_collectors)
list_data_collector_ranges = _jetadvice.call(JetadviceClient.list_data_collector_ranges)
get_documentation = _jetadvice.call(JetadviceClient.get_documentation)
