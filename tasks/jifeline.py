"""Tasks on Jifeline, one an operation."""

from blocks.jifeline import JifelineCredentials
from hookline.clients.jifeline import JifelineClient
from tasks.operations import VendorTasks
from tasks.readback import jifeline as readback

_jifeline = VendorTasks(JifelineCredentials, __name__)

fetch_token = _jifeline.call(JifelineClient.fetch_token)

# Tickets
list_tickets = _jifeline.call(JifelineClient.list_tickets)
get_ticket = _jifeline.call(JifelineClient.get_ticket)
list_prepared_tickets = _jifeline.call(JifelineClient.list_prepared_tickets)
create_prepared_ticket = _jifeline.write_task(
    JifelineClient.create_prepared_ticket,
    of="customer_id",
    readback=readback.prepared,
    carrier="preparer_external_reference",
    add_token=readback.in_one_line,
    reference="id",
)
list_pending_tickets = _jifeline.call(JifelineClient.list_pending_tickets)
list_in_progress_tickets = _jifeline.call(JifelineClient.list_in_progress_tickets)
list_outsourced_tickets = _jifeline.call(JifelineClient.list_outsourced_tickets)
list_closed_tickets = _jifeline.call(JifelineClient.list_closed_tickets)
list_cancelled_tickets = _jifeline.call(JifelineClient.list_cancelled_tickets)
mark_ticket_processed = _jifeline.call(JifelineClient.mark_ticket_processed)
list_product_lines = _jifeline.call(JifelineClient.list_product_lines)
list_channel_messages = _jifeline.call(JifelineClient.list_channel_messages)

# Customers, their places and people, and their connectors
list_customers = _jifeline.call(JifelineClient.list_customers)
get_customer = _jifeline.call(JifelineClient.get_customer)
list_locations = _jifeline.call(JifelineClient.list_locations)
get_location = _jifeline.call(JifelineClient.get_location)
list_employees = _jifeline.call(JifelineClient.list_employees)
get_employee = _jifeline.call(JifelineClient.get_employee)
list_contact_points = _jifeline.call(JifelineClient.list_contact_points)
get_contact_point = _jifeline.call(JifelineClient.get_contact_point)
list_connectors = _jifeline.call(JifelineClient.list_connectors)
get_connector = _jifeline.call(JifelineClient.get_connector)

# Products, providers, vehicles
list_products = _jifeline.call(JifelineClient.list_products)
get_product = _jifeline.call(JifelineClient.get_product)
list_providers = _jifeline.call(JifelineClient.list_providers)
get_provider = _jifeline.call(JifelineClient.get_provider)
list_vehicles = _jifeline.call(JifelineClient.list_vehicles)
get_vehicle = _jifeline.call(JifelineClient.get_vehicle)
list_vehicle_models = _jifeline.call(JifelineClient.list_vehicle_models)
get_vehicle_model = _jifeline.call(JifelineClient.get_vehicle_model)
list_vehicle_makes = _jifeline.call(JifelineClient.list_vehicle_makes)
get_vehicle_make = _jifeline.call(JifelineClient.get_vehicle_make)

# openOBD sessions
list_openobd_sessions = _jifeline.call(JifelineClient.list_openobd_sessions)
get_openobd_session = _jifeline.call(JifelineClient.get_openobd_session)
interrupt_openobd_session = _jifeline.call(JifelineClient.interrupt_openobd_session)

# Events
list_system_events = _jifeline.call(JifelineClient.list_system_events)
